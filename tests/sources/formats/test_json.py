"""JSON lines and JSON documents: cells by path, exact numbers, and every malformed record in its place."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import Json, JsonLines, format_from, format_to

FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_each_line_is_an_object_whose_keys_are_columns(table):
    found = table(JsonLines(), '{"id": 1, "name": "Ann"}\n\n{"name": null, "id": 2}\r\n{"id": 3}', ["id", "name"])
    assert found.rows == [("1", "Ann"), ("2", None), ("3", None)]
    assert [place.line for place in found.places] == [1, 3, 4]
    assert found.places[0].text == '{"id": 1, "name": "Ann"}'


def test_nested_cells_are_found_by_path(table):
    fmt = JsonLines(paths={"city": "address.city", "first_tag": "tags[0]", "dotted": '["a.b"].c', "tags": "tags"})
    line = '{"address": {"city": "Bern"}, "tags": ["x", {"n": 1.50}], "a.b": {"c": true}}'
    found = table(fmt, f'{line}\n{{"address": null, "tags": []}}', ["city", "first_tag", "tags", "dotted"])
    assert found.rows == [("Bern", "x", '["x",{"n":1.50}]', "true"), (None, None, "[]", None)]
    assert found.extras == ()


@pytest.mark.parametrize("number", ["1e400", "0.10", "123456789012345678901234567890", "-0", "1E+2", "-0.0"])
def test_numbers_keep_their_text(table, number):
    assert table(JsonLines(), f'{{"n": {number}}}', ["n"]).rows == [(number,)]
    assert table(Json(), f'[{{"n": {number}}}]', ["n"]).rows == [(number,)]


def test_numbers_are_spelled_as_the_source_declares(table):
    assert table(JsonLines(decimal=","), '{"n": 1.5}\n{"n": "1,5"}', ["n"]).rows == [("1,5",), ("1,5",)]


def test_keys_that_no_column_takes_are_extra_at_any_depth(table):
    fmt = JsonLines(paths={"city": "address.city", "old": "gone"})
    found = table(fmt, '{"address": {"city": "Bern", "zip": 3000}, "b": [1], "gone": 0.0}\n{}', ["city"])
    assert found.rows == [("Bern",), (None,)]
    assert found.extras == ("address.zip", "b", "old")
    assert found.extra == ['{"address.zip":3000,"b":[1],"old":"0.0"}', None]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": 1, "id": 2}', "key 'id' appears twice in one object"),
        ('{"id": NaN}', "NaN is not a number in JSON"),
        ('{"id": -Infinity}', "-Infinity is not a number in JSON"),
        ('{"id": 01}', "it is not JSON: expecting ',' delimiter at character 9"),
        ('{"id": 1} {"id": 2}', "it is not JSON: there is more after the value at character 10"),
        ('{"id": "a', "it is not JSON: unterminated string starting at at character 8"),
        ("[1]", "it is a list, not an object"),
        ("null", "it is null, not an object"),
        ("x", "it is not JSON: expecting value at character 1"),
        (r'{"id": "\ud800"}', "it holds half a surrogate pair, which is not a character"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"id": ' + "[" * 600 + "]" * 600 + "}", "it is nested too deeply"),
        ('{"id": ' * 100_000, "it is nested too deeply"),
        ('{"id": "a\tb"}', "it is not JSON: invalid control character at at character 10"),
    ],
)
def test_a_malformed_line_is_broken_alone(table, line, problem):
    found = table(JsonLines(), f'{{"id": 0}}\n{line}\n{{"id": 9}}', ["id"])
    assert found.rows == [("0",), ("9",)]
    assert found.broken == [(2, line, problem)]


def test_a_path_through_a_value_without_parts_is_told(table):
    found = table(JsonLines(paths={"city": "address.city"}), '{"address": "Bern"}', ["city"])
    assert found.broken == [(1, '{"address": "Bern"}', "address is text, not an object")]


def test_undecodable_lines_are_kept_as_bytes(table):
    found = table(JsonLines(), b'{"id": "\xff"}\n{"id": "\xc3\xa4"}', ["id"])
    assert found.rows == [("ä",)]
    assert found.broken == [(1, '{"id": "\\xff"}', "it is not text in utf-8")]
    assert found.places[0].raw == b'{"id": "\xff"}'
    [place] = table(Json(encoding="cp1252"), b'[{"id": "\x81"}]', ["id"]).places
    assert (place.text, place.raw) == ('{"id": "\\x81"}', b'{"id": "\x81"}')


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings_are_declared(table, encoding):
    assert table(Json(encoding=encoding), '[{"id": "ä"}]'.encode(encoding), ["id"]).rows == [("ä",)]
    assert table(JsonLines(encoding=encoding), '{"id": "ä"}'.encode(encoding), ["id"]).rows == [("ä",)]


def test_a_document_holds_its_records_in_an_array(table):
    content = '{"meta": {"n": 2}, "data": {"items": [\n {"id": 1},\n {"id": [\n2]}\n], "next": null}, "z": 1}'
    found = table(Json(records="data.items"), content, ["id"])
    assert found.rows == [("1",), ("[2]",)]
    assert found.broken == []
    assert found.places == [(2, '{"id": 1}', None), (3, '{"id": [\n2]}', None)]


@pytest.mark.parametrize(
    ("content", "ids", "broken"),
    [
        ("[]", [], []),
        ('[{"id": 1}, {"id": 2', ["1"], [(1, '{"id": 2', "the file ends within it")]),
        ('[{"id": 1},', ["1"], [(1, "", "the file ends within it")]),
        ('[{"id": 1}', ["1"], [(1, "", "the file ends too early")]),
        ("[", [], [(1, "", "the file ends within it")]),
        ('[{"id": NaN}, {"id": 2}]', ["2"], [(1, '{"id": NaN}', "NaN is not a number in JSON")]),
        ('[{"id": 1} {"id": 2}]', ["1"], [(1, '{"id": 2}', "there is no comma before it")]),
        ('[{"id": 1},]', ["1"], [(1, "", "there is nothing after the last comma")]),
        ('[{"id": 1}]\n\n[{"id": 2}]', ["1"], [(3, '[{"id": 2}]', "it stands after the end of the document")]),
        (
            "[" + "[" * 99_999 + "]" * 99_999 + ', {"id": 1}]',
            ["1"],
            [(1, "[" * 99_999 + "]" * 99_999, "it is nested too deeply")],
        ),
    ],
)
def test_what_is_malformed_in_an_array_is_broken_and_the_rest_is_found(table, content, ids, broken):
    found = table(Json(), content, ["id"])
    assert [row[0] for row in found.rows] == ids
    assert found.broken == broken


@pytest.mark.parametrize(
    ("content", "broken"),
    [
        ('{"a": [{"id": 1}], "b": tru}', ["tru}"]),
        ('{"a": [{"id": 1}], "b": 1', [""]),
        ('{"a": [{"id": 1}], "a": [{"id": 2}]}', ['[{"id": 2}]}']),
        ('{"a": [{"id": 1}, {"id', ['{"id']),
        ('{"a": [{"id": 1}], "b" 1}', ['"b"', "1}"]),
        ('{"a": [{"id": 1}] x', ["x"]),
    ],
)
def test_what_is_malformed_around_the_array_is_broken_too(table, content, broken):
    found = table(Json(records="a"), content, ["id"])
    assert found.rows == [("1",)]
    assert [text for _, text, _ in found.broken] == broken


def test_a_document_without_the_array_is_refused(table):
    with pytest.raises(UnreadableError, match=r"no array at data\.items; .* are: data, rows, total\."):
        table(Json(records="data.items"), '{"data": {"rows": []}, "total": 1}', ["id"])
    with pytest.raises(UnreadableError, match=r"is not a JSON array\. If the records"):
        table(Json(), '{"data": []}', ["id"])


def test_a_document_is_read_in_pieces(table, monkeypatch):
    monkeypatch.setattr("etl.sources.formats.json_cursor._BLOCK_CHARACTERS", 7)
    rows = [{"id": "x" * n, "n": 10**n} for n in range(30)]
    found = table(Json(), json.dumps(rows, indent=1), ["id", "n"])
    assert found.rows == [(row["id"], str(row["n"])) for row in rows]


def test_a_record_is_read_again_from_its_text(table):
    fmt = Json(records="items", paths={"city": "a.city"}, decimal=",")
    alone = fmt.record_format(["id", "city"])
    texts = '{"id": 1,\n "a": {"city": "Bern"}}\n{"id": 2\n{"id": 1.5}'
    found = table(alone, texts, ["id", "city"])
    assert found.rows == [("1", "Bern"), ("1,5", None)]
    assert found.broken == [(3, '{"id": 2', "it is not JSON: expecting ',' delimiter at character 10")]


def test_hidden_cells_are_replaced_in_the_text():
    fmt = JsonLines(paths={"city": "a.city", "tag": "tags[1]"})
    hidden = {"city": str.upper, "tag": lambda text: f"<{text}>", "id": lambda text: "*"}
    text = '{"id": null, "a": {"city": "Bern"}, "tags": [1, 2.0], "n": 1.10}'
    assert fmt.redacted(text, ["id", "city", "tag"], hidden) == (
        '{"id":null,"a":{"city":"BERN"},"tags":[1,"<2.0>"],"n":1.10}'
    )
    assert fmt.redacted('{"id": 1', ["id"], hidden) is None
    assert fmt.redacted('{"a": "secret"}', ["city"], hidden) is None


def test_wrong_options_are_told_and_right_ones_survive_the_cache():
    for path in ("", "a..b", "a[x]", "a[0", ".a"):
        with pytest.raises(ContractError, match="is not understood"):
            JsonLines(paths={"a": path})
    with pytest.raises(ContractError, match="both an object and a list"):
        JsonLines(paths={"a": "x.y", "b": "x[0]"})
    with pytest.raises(ContractError, match="not a path of keys"):
        Json(records="a[0]")
    fmt = Json(records="data.items", paths={"a": "b.c"}, compression="gz")
    assert format_from(json.loads(json.dumps(format_to(fmt)))) == fmt


LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ROW = st.fixed_dictionaries({"id": LEAF, "a": st.fixed_dictionaries({"x y": LEAF})})


def as_text(value):
    return value if value is None or isinstance(value, str) else json.dumps(value)


@FUZZ
@given(st.lists(ROW, max_size=5), st.booleans(), st.sampled_from([None, 1]))
def test_what_a_writer_wrote_comes_back(table, rows, is_ascii, indent):
    expected = [(as_text(row["id"]), as_text(row["a"]["x y"])) for row in rows]
    paths = {"x": "a.x y"}
    document = json.dumps({"d": rows}, ensure_ascii=is_ascii, indent=indent)
    found = table(Json(records="d", paths=paths), document, ["id", "x"])
    assert (found.rows, found.broken) == (expected, [])
    lines = "\n".join(json.dumps(row, ensure_ascii=is_ascii) for row in rows)
    assert table(JsonLines(paths=paths), lines, ["id", "x"]).rows == expected


PIECES = st.lists(
    st.sampled_from([*'[]{},:"\\\n x1', '{"id":1}', '"id"', "null", "\\ud800", "é", "\ufeff"]).map(str.encode)
    | st.binary(max_size=3),
    max_size=30,
).map(b"".join)


@FUZZ
@given(
    PIECES,
    st.sampled_from([JsonLines(), Json(), Json(records="id"), Json(encoding="utf-16"), Json().record_format([])]),
)
def test_any_bytes_are_taken_apart(table, content, fmt):
    try:
        found = table(fmt, content, ["id"])
    except UnreadableError:
        return
    kept = sum(len(text) for _, text, _ in found.broken) + len(found.rows)
    # a comma with nothing before it is a broken record without text
    assert kept or found.broken or not content.strip(b" \t\r\n[]\xff\xfe\0\xef\xbb\xbf")


@FUZZ
@given(st.lists(ROW, min_size=1, max_size=4), st.data())
def test_an_array_cut_off_loses_nothing(table, rows, data):
    document = json.dumps(rows)
    cut = data.draw(st.integers(1, len(document) - 1))
    found = table(Json(), document[:cut], ["id", "a"])
    assert len(found.broken) == 1
    assert (
        found.rows
        == [(as_text(row["id"]), json.dumps(row["a"], ensure_ascii=False, separators=(",", ":"))) for row in rows][
            : len(found.rows)
        ]
    )
    assert document[:cut].endswith(found.broken[0][1])
