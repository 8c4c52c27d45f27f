"""Small delimited files in memory: what is proven of them, and what is left to a look at each record."""

from pathlib import Path

import pytest

from etl.sources.formats import Csv


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (b"id,item\n1,pen\n2,ink\n", b"1,pen\n2,ink\n"),
        (b"\xef\xbb\xbfid,item\r\n1,pen\r\n2,ink", b"1,pen\n2,ink\n"),
        ("id,item\n1,Tür\n".encode(), "1,Tür\n".encode()),
    ],
)
def test_a_sound_file_is_taken(text: bytes, records: bytes) -> None:
    small = Csv().small_texts()
    assert small
    found = small.taken(Path("a.csv"), text)

    assert found and found.columns == ("id", "item")
    assert [bytes(block.data) for block in found.blocks()] == [records]
    assert found.sound == records.count(b"\n") == found.lines - 1


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"\n", b"id,item\n", b"id,item", b"\n1,pen\n"),
        *(b'"id",item\n1,pen\n', b"id\r,item\n1,pen\n", b"id,item\n1\n", b"id,item\n1,pen,\n"),
        *(b'id,item\n1,"pen"\n', b"id,item\n\n1,pen\n", b"id,item\n1,pen\r\n2,ink\n", b"id,item\n1,\xff\n"),
        *(b"id,item\n1,\0\n", b"id,item\n1,pen\nid,item\n2,ink\n", b"PK\x03\x04,item\n1,pen\n"),
    ],
)
def test_a_file_with_anything_in_doubt_is_not_taken(text: bytes) -> None:
    small = Csv().small_texts()
    assert small
    for _ in "once", "again":
        assert small.taken(Path("a.csv"), text) is None


def test_a_packed_file_is_not_taken() -> None:
    small = Csv().small_texts()
    assert small and small.taken(Path("a.csv.gz"), b"id,item\n1,pen\n") is None


@pytest.mark.parametrize(
    "dialect",
    [
        *(Csv(header=False), Csv(header=2), Csv(preamble=1), Csv(footer=1), Csv(comment="#"), Csv(names=["a"])),
        *(Csv(trailing_delimiter=True), Csv(escape="\\"), Csv(quote="", escapes="copy"), Csv(encoding="cp1252")),
        *(Csv(repeated_headers=True), Csv(trimmed=True), Csv(line_number="n"), Csv(delimiter="||")),
    ],
)
def test_a_dialect_that_needs_more_than_counting_has_none(dialect: Csv) -> None:
    assert dialect.small_texts() is None
