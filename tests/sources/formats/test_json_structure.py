"""Where the records of JSON are: beside what is above them, by their keys, in arrays below a header."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import Json, JsonLines, format_from, format_to
from tests.support.thorough import examples

LAW = settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ORDERS = """{"page": 1, "data": {"orders": [
 {"no": 7, "customer": {"no": "0012"}, "items": [{"sku": "a", "qty": 1.10}, {"sku": "b"}]},
 {"no": 8, "customer": {"no": "0013"}, "items": []},
 {"no": 9, "customer": {"no": "0014"}, "items": [{"sku": "c", "qty": 3}]}
], "day": "2024-03-31"}}"""
ABOVE = {"order": "../no", "customer": "../customer.no", "day": "../../day", "page": "../../../page"}
COLUMNS = ["sku", "qty", *ABOVE]


def test_what_is_above_a_record_is_beside_it(table):
    fmt = Json(records="data.orders[].items", paths=ABOVE)
    found = table(fmt, ORDERS, COLUMNS)
    assert found.rows == [
        ("a", "1.10", "7", "0012", "2024-03-31", "1"),
        ("b", None, "7", "0012", "2024-03-31", "1"),
        ("c", "3", "9", "0014", "2024-03-31", "1"),
    ]
    line, text, _ = found.places[2]
    assert (line, json.loads(text)["../customer.no"]) == (4, "0014")
    # the text of a record says all of it
    assert table(fmt.record_format([]), text, COLUMNS).rows == found.rows[2:]
    assert "0014" not in fmt.redacted(text, COLUMNS, {"customer": lambda cell: "*"})


def test_what_stands_above_an_array_may_come_below_it(table):
    fmt = Json(records="items", paths={"day": "../day"})
    content = '{"n": 1, "items": [{"id": 1}, {"id": 2}], "day": "2024-03-31"}'
    assert table(fmt, content, ["id", "day"]).rows == [("1", "2024-03-31"), ("2", "2024-03-31")]
    assert table(fmt, '{"items": [{"id": 1}]}', ["id", "day"]).rows == [("1", None)]


def test_arrays_in_arrays_have_records(table):
    assert table(Json(records="[]"), '[[{"id": 1}, {"id": 2}], [], [{"id": 3}]]', ["id"]).rows == [
        ("1",),
        ("2",),
        ("3",),
    ]
    found = table(
        Json(records="[].a.b", paths={"n": "../../n"}), '[{"n": 1, "a": {"b": [{"id": 2}]}}]', ["id", "n"]
    )
    assert found.rows == [("2", "1")]


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ('{"no": 1}', "it has no key 'items'"),
        ('{"no": 1, "items": null}', "items is null, not an array of records"),
        ('{"no": 1, "items": {"sku": "a"}}', "items is an object, not an array of records"),
        ('{"no": 1, "items": [{"sku": "a", "../no": 2}]}', "it has a key '../no' of its own"),
        ("5", "it is a number, not an object"),
    ],
)
def test_what_has_no_records_where_they_belong_is_broken_as_a_whole(table, order, problem):
    found = table(
        Json(records="[].items", paths={"order": "../no"}),
        f'[{order}, {{"items": [{{"sku": "z"}}]}}]',
        ["sku", "order"],
    )
    assert found.broken == [(1, order, problem)]
    assert found.rows == [("z", None)]


@pytest.mark.parametrize(
    ("records", "content", "allowed", "rows"),
    [
        ("data.items", '{"data": {"items": null}}', "null", []),
        ("data.items", '{"data": null}', "null", []),
        ("data.items", '{"data": {}, "z": 1}', "missing", []),
        ("data.items", '{"data": {"items": {"id": 1}}}', "object", [("1",)]),
        ("", '{"id": 1}', "object", [("1",)]),
        ("[].items", '[{"items": null}, {"items": [{"id": 1}]}]', "null", [("1",)]),
        ("[].items", '[{}, {"items": [{"id": 1}]}]', "missing", [("1",)]),
        ("[].items", '[{"items": {"id": 1}}]', "object", [("1",)]),
    ],
)
def test_what_stands_for_an_array_is_declared(table, records, content, allowed, rows):
    assert table(Json(records=records, records_or=allowed), content, ["id"]).rows == rows
    for other in ({"null", "missing", "object"} - {allowed}, ()):
        try:
            found = table(Json(records=records, records_or=sorted(other)), content, ["id"])
        except UnreadableError:
            continue
        assert found.broken


@pytest.mark.parametrize(
    "content", ['{"data": {', '{"data"', '{"data": {"a": 1]}', "", "[]", "5", '{"data": {"items": nul}}']
)
def test_a_document_that_is_cut_off_does_not_lack_its_records(table, content):
    with pytest.raises(UnreadableError):
        table(Json(records="data.items", records_or=["missing", "null"]), content, ["id"])


def test_records_have_keys(table):
    fmt = Json(records="items", keyed="id")
    content = (
        '{"items": {"A1": {"n": 1},\n "A2": {"id": "A2", "n": 2},\n "3": {"id": 3}, "A4": {"id": "A5"}, "A6": 7}}'
    )
    found = table(fmt, content, ["id", "n"])
    assert found.rows == [("A1", "1"), ("A2", "2"), ("3", None)]
    assert [problem for _, _, problem in found.broken] == [
        """its key is 'A4', but its 'id' is "A5\"""",
        "at 'A6' is a number, not an object",
    ]
    assert table(fmt.record_format([]), found.places[0].text, ["id", "n"]).rows == found.rows[:1]
    assert table(Json(keyed="id"), '{"A1": {"n": 1}}', ["id", "n"]).rows == [("A1", "1")]
    assert table(Json(records="[].items", keyed="id"), '[{"items": {"A": {}}}]', ["id"]).rows == [("A",)]


@pytest.mark.parametrize("content", ['{"items": {}}', '{"items": []}'])
def test_an_object_without_records_may_be_written_as_an_array(table, content):
    assert table(Json(records="items", keyed="id"), content, ["id"]).rows == []


def test_of_an_object_of_records_that_is_cut_off_those_before_are_found(table):
    found = table(Json(records="items", keyed="id"), '{"items": {"A": {"n": 1}, "B": {"n"', ["id", "n"])
    assert found.rows == [("A", "1")]
    assert len(found.broken) == 1


def test_objects_may_follow_one_another(table):
    content = '{"id": 1}{"id": 2}\n{\n "id": 3\n}\n\n{"id": oops}\n{"id": 4}'
    found = table(JsonLines(concatenated=True), content, ["id"])
    assert found.rows == [("1",), ("2",), ("3",), ("4",)]
    assert found.broken[0][:2] == (6, '{"id": oops}')


def test_documents_may_follow_one_another(table):
    fmt = Json(records="items", concatenated=True, paths={"page": "../page"})
    content = '{"items": [{"id": 1}], "page": 1}\n{"page": 2, "items": []}{"items": [{"id": 2}], "page": 3}'
    assert table(fmt, content, ["id", "page"]).rows == [("1", "1"), ("2", "3")]
    with pytest.raises(UnreadableError, match="holds no array at items"):
        table(fmt, '{"items": []}{"error": 1}', ["id", "page"])


@pytest.mark.parametrize("fmt", [Json(header=True), JsonLines(header=True)])
def test_the_first_array_names_the_values_of_the_others(table, fmt):
    rows = [
        '["name", "n"]',
        '["Ann", 1.10]',
        '["Bob", null]',
        '["short"]',
        '{"name": "x"}',
        '["Eve", [1, {"a": 2}]]',
    ]
    content = "[" + ",\n".join(rows) + "]" if isinstance(fmt, Json) else "\n".join(["", *rows])
    found = table(fmt, content, ["n", "name"])
    assert found.columns == ("name", "n")
    assert found.rows == [("Ann", "1.10"), ("Bob", None), ("Eve", '[1,{"a":2}]')]
    assert [problem for _, _, problem in found.broken] == [
        "it has 1 values, not 2 as the header",
        "it is an object, not an array of values",
    ]
    again = fmt.record_format(found.columns)
    assert table(again, found.places[0].text, ["n", "name"]).rows == found.rows[:1]
    assert fmt.redacted('["Ann",1.10]', ["name", "n"], {"name": lambda cell: "*"}) == '["*",1.10]'
    assert fmt.redacted('["Ann"]', ["name", "n"], {"name": lambda cell: "*"}) is None


@pytest.mark.parametrize("content", ['[{"id": 1}]', "[[1, 2]]", "[[]]", '[["a", null]]', "[oops]"])
def test_what_is_not_a_header_is_refused(table, content):
    with pytest.raises(UnreadableError, match="the first record is not an array of names"):
        table(Json(header=True), content, ["id"])


def test_an_array_without_a_header_has_no_records(table):
    assert table(Json(header=True), "[]", ["id"]).columns == ("id",)


def test_nan_is_a_number_on_request_and_null_by_another_word(table):
    line = '{"a": NaN, "b": -Infinity, "c": [NaN]}'
    assert table(JsonLines(), line, ["a", "b", "c"]).broken[0][2] == "NaN is not a number in JSON"
    fmt = JsonLines(nan=True, null=["NaN", "n/a"])
    found = table(fmt, f'{line}\n{{"a": "n/a", "b": 1}}', ["a", "b", "c"])
    assert found.rows == [(None, "-Infinity", "[NaN]"), (None, "1", None)]
    assert table(fmt.record_format([]), found.places[0].text, ["a", "b", "c"]).rows == found.rows[:1]
    assert table(Json(nan=True), "[" + line + "]", ["a", "b", "c"]).rows == [("NaN", "-Infinity", "[NaN]")]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Json(records="a[0].b"), "not a path of keys"),
        (lambda: Json(records="a.b", paths={"x": "../../../c"}), "above the document"),
        (lambda: JsonLines(paths={"x": "../c"}), "above the record"),
        (lambda: Json(records="a", records_or="nil"), "'nil' is not one of null, missing, object"),
        (lambda: Json(header=True, paths={"a": "b"}), "no keys"),
        (lambda: JsonLines(header=True, paths={"a": "b"}), "no keys"),
    ],
)
def test_wrong_options_are_told(make, problem):
    with pytest.raises(ContractError, match=problem):
        make()


@pytest.mark.parametrize(
    "fmt",
    [
        Json(
            records="a[].b", records_or=["null", "object"], keyed="id", paths={"x": "../y"}, nan=True, null=["-"]
        ),
        JsonLines(concatenated=True, header=True),
    ],
)
def test_right_options_survive_the_cache(fmt):
    assert format_from(json.loads(json.dumps(format_to(fmt)))) == fmt


CELLS = st.none() | st.integers(-99, 99) | st.text('ab"é,{}[]', max_size=4)
PARENTS = st.lists(st.tuples(CELLS, st.lists(st.tuples(CELLS, CELLS), max_size=3)), max_size=3)


@LAW
@given(parents=PARENTS)
def test_every_record_of_every_parent_comes_with_it(table, parents):
    document = {"orders": [{"no": no, "items": [{"a": a, "b": b} for a, b in items]} for no, items in parents]}
    expected = [
        tuple(None if cell is None else str(cell) for cell in (a, b, no))
        for no, items in parents
        for a, b in items
    ]
    fmt = Json(records="orders[].items", paths={"no": "../no"})
    found = table(fmt, json.dumps(document), ["a", "b", "no"])
    assert (found.rows, found.broken) == (expected, [])
    texts = "".join(f"{place.text}\n" for place in found.places)
    assert table(fmt.record_format([]), texts, ["a", "b", "no"]).rows == expected
