"""Fixed width: positions, record types, trailers."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import FixedWidth, format_from, format_to

FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PEOPLE = FixedWidth(columns={"id": (1, 4), "name": (5, 9)})
TYPED = FixedWidth(
    columns={"id": (4, 5)}, record_type=(1, 3), record="DTL", ignored=("HDR",), trailer=("TRL", (4, 5)), length=5
)


def test_columns_are_cut_out_by_position_and_stripped(table):
    found = table(PEOPLE, "0001Ann  \n0002  Äb \r\n\n  3      ", ["id", "name"])
    assert found.rows == [("0001", "Ann"), ("0002", "Äb"), ("3", None)]
    assert found.places == [(1, "0001Ann  ", None), (2, "0002  Äb ", None), (4, "  3      ", None)]


def test_a_character_is_a_position_however_many_bytes_it_has(table):
    found = table(FixedWidth(columns={"a": (2, 3), "b": (4, 4)}), "x👨\u200dy\nxe\u0301z", ["a", "b"])
    assert found.rows == [("👨\u200d", "y"), ("e\u0301", "z")]


def test_cells_may_keep_their_spaces_and_have_markers_for_null(table):
    fmt = FixedWidth(columns={"a": (1, 3), "b": (4, 6)}, strip=False, null=("999", "   "))
    assert table(fmt, "999 x \n     9", ["a", "b"]).rows == [(None, " x "), (None, "  9")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"0002Bob", "the line has 7 characters, not 9"),
        (b"0002Bob   ", "the line has 10 characters, not 9"),
        (b"0002B\0b  ", "it holds a NUL character"),
        (b"0002B\xffb  ", "it is not text in utf-8"),
    ],
)
def test_a_line_that_is_not_as_declared_is_broken_alone(table, line, problem):
    found = table(PEOPLE, b"0001Ann  \n" + line + b"\n0003Eve  \n", ["id", "name"])
    assert found.rows == [("0001", "Ann"), ("0003", "Eve")]
    assert found.broken == [(2, line.decode("utf-8", "backslashreplace"), problem)]


def test_a_sender_may_cut_trailing_spaces_off(table):
    fmt = FixedWidth(columns={"id": (1, 4), "name": (5, 9)}, trimmed=True, header_lines=1)
    assert table(fmt, "IDs and names of today\n0001\n0002Bob", ["id", "name"]).rows == [
        ("0001", None),
        ("0002", "Bob"),
    ]


def test_header_lines_may_be_told_by_their_text(table):
    fmt = FixedWidth(columns={"id": (1, 4), "name": (5, 9)}, header_lines="^(HEAD|----)")
    assert table(fmt, "HEADING\n----\n0002Bob  \n", ["id", "name"]).rows == [("0002", "Bob")]
    assert table(fmt, "0001Ann  \n0002Bob  \n", ["id", "name"]).rows == [("0001", "Ann"), ("0002", "Bob")]


@pytest.mark.parametrize("length", range(12))
def test_a_line_has_one_of_its_lengths_or_is_broken(table, length):
    columns = {"id": (1, 4), "name": (5, 7), "note": (8, 10)}
    fmt = FixedWidth(columns=columns, length=(7, 10))

    found = table(fmt, "0001BobABC"[:length].ljust(length, "x") + "\n", [*columns])

    assert len(found.rows) == (length in (7, 10))
    assert [problem for _, _, problem in found.broken] == [
        f"the line has {length} characters, not 7 or 10" for _ in range(length not in (0, 7, 10))
    ]


@pytest.mark.parametrize("length", range(1, 12))
def test_only_named_columns_may_be_short(table, length):
    columns = {"note": (8, 10), "id": (1, 4), "name": (5, 7)}
    fmt = FixedWidth(columns=columns, trimmed=["note"])

    found = table(fmt, "0001BobABC"[:length].ljust(length, "x") + "\n", [*columns])

    assert found.rows == ([("ABC"[: length - 7] or None, "0001", "Bob")] if 7 <= length <= 10 else [])
    assert len(found.broken) == (not 7 <= length <= 10)


def test_a_line_of_the_shorter_length_is_masked_in_its_own_columns():
    fmt = FixedWidth(columns={"id": (1, 4), "name": (5, 7), "note": (8, 10)}, length=(7, 10), null=())
    hidden = {"name": lambda _: "*", "note": lambda _: "#"}
    assert fmt.redacted("0001Bob", [*fmt.columns], hidden) == "0001*  "
    assert fmt.redacted("0001BobABC", [*fmt.columns], hidden) == "0001*  #  "


@pytest.mark.parametrize(
    "options",
    [
        {"length": ()},
        {"length": (5, 8)},
        {"length": (6, 10)},
        {"trimmed": ["name"]},
        {"trimmed": ["unknown"]},
        {"header_lines": -1},
        {"header_lines": "("},
    ],
)
def test_lengths_and_short_columns_that_cannot_be_are_refused(options):
    with pytest.raises(ContractError, match=r"FixedWidth\("):
        FixedWidth(columns={"id": (1, 4), "name": (5, 7), "note": (8, 10)}, **options)


def test_record_types_are_told_by_position(table):
    found = table(TYPED, "HDR 9\nDTL01\nXYZ02\nDTL2\nDTL03\nTRL 3\nDTL04\n", ["id"])
    assert found.rows == [("01",), ("03",)]
    assert found.broken == [
        (3, "XYZ02", "record type 'XYZ' is not declared"),
        (4, "DTL2", "the line has 4 characters, not 5"),
        (7, "DTL04", "it stands after the trailer"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("DTL01\nTRL 2\n", "the trailer in line 2 counts 2 records, but 1 were found"),
        ("DTL01\nTRL\n", "counts no records"),
        ("DTL01\nTRL-1\n", "counts -1 records"),
        ("DTL01\nDTL02\n", "ends without its trailer 'TRL'"),
        ("", "ends without its trailer"),
    ],
)
def test_a_trailer_that_disagrees_refuses_the_file(table, content, message):
    with pytest.raises(UnreadableError, match=message):
        table(TYPED, content, ["id"])


def test_a_record_is_read_again_from_its_line(table):
    found = table(TYPED.record_format(["id"]), "DTL01\nDTL7\n", ["id"])
    assert (found.rows, found.broken) == ([("01",)], [(2, "DTL7", "the line has 4 characters, not 5")])


def test_hidden_cells_keep_the_places_of_all_others():
    hidden = {"name": lambda text: "#" * 9 if text == "Ann" else "", "id": str}
    assert PEOPLE.redacted("0001Ann  ", ["id", "name"], hidden) == "0001#####"
    assert PEOPLE.redacted("0001     ", ["id", "name"], hidden) == "0001     "
    assert PEOPLE.redacted("0001Bob  ", ["id", "name"], hidden) == "0001     "
    assert PEOPLE.redacted("0001Ann", ["id", "name"], hidden) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "is empty"),
        ({"columns": {"a": (0, 3)}}, "must count from 1"),
        ({"columns": {"a": (3, 2)}}, "must count from 1"),
        ({"columns": {"a": 3}}, "not a pair"),
        ({"columns": {"a": (1, 9)}, "length": 8}, "ends before the last column does, at 9"),
        ({"columns": {"a": (1, 9)}, "record": "DTL"}, "is missing"),
        ({"columns": {"a": (1, 9)}, "record_type": (1, 2), "record": "DTL"}, "of 2 characters"),
        ({"columns": {"a": (1, 9)}, "record_type": (1, 1), "record": "D", "ignored": ["D"]}, "not all different"),
        ({"columns": {"a": (1, 9)}, "encoding": "latin-99"}, "encoding"),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(ContractError, match=message):
        FixedWidth(**options)


def test_the_options_survive_the_cache():
    assert format_from(json.loads(json.dumps(format_to(TYPED)))) == TYPED


CELL = st.text(st.characters(exclude_characters="\r\n\0\ufeff", exclude_categories=["Cs"]), min_size=1, max_size=5)


@FUZZ
@given(st.lists(st.tuples(CELL, CELL), max_size=5), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_what_a_writer_wrote_comes_back(table, rows, end, is_utf16):
    fmt = FixedWidth(columns={"a": (1, 5), "b": (6, 10)}, encoding="utf-16" if is_utf16 else "utf-8")
    content = "".join(a.ljust(5) + b.rjust(5) + end for a, b in rows)
    found = table(fmt, content.encode(fmt.encoding), ["a", "b"])
    assert found.rows == [(a.strip(" ") or None, b.strip(" ") or None) for a, b in rows]
    assert found.broken == []


PIECES = st.lists(
    st.sampled_from([b"DTL01", b"TRL 1", b"\n", b"\r", b"\0", b"HDR"]) | st.binary(max_size=6), max_size=12
)


@FUZZ
@given(
    PIECES.map(b"".join), st.sampled_from([PEOPLE, TYPED, FixedWidth(columns={"id": (1, 3)}, encoding="utf-16")])
)
def test_any_bytes_are_taken_apart(table, content, fmt):
    try:
        found = table(fmt, content, ["id"])
    except UnreadableError:
        return
    lines = [line for line in content.replace(b"\r", b"\n").split(b"\n") if line]
    if fmt is PEOPLE:
        assert len(found.rows) + len(found.broken) == len([line for line in lines if line != b"\xef\xbb\xbf"])
