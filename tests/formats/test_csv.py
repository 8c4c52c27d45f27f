"""Delimited files of any kind: what is proven, what DuckDB then reads, and what is left to the splitter."""

import csv
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import ContractError
from etl.formats import Csv, format_from, format_to

BOM = b"\xef\xbb\xbf"
DIRT = st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\r\n", b"a", b"\0", b"\xff", BOM, b"id,item\n"]))
CELLS = st.text(st.characters(exclude_characters="\0", codec="utf-8") | st.sampled_from(',"\n\r |'), max_size=5)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv") / "file.csv"


def lines(path: Path, content: bytes, fmt: Csv | None = None) -> list[tuple[int, str]]:
    """The text of each record below the header, with its line."""
    path.write_bytes(content)
    records = list((fmt or Csv()).records(path, 2))
    return [(record.line, content[record.start : record.end].decode()) for record in records]


def proven(path: Path, content: bytes, fmt: Csv | None = None) -> int | None:
    path.write_bytes(content)
    return (fmt or Csv()).prove(path, 2)


def read(path: Path, fmt: Csv, columns: list[str]) -> list[tuple[str | None, ...]]:
    with duckdb.connect() as con:
        con.execute("set threads = 1")
        return con.execute(f"select * from {fmt.relation([path], columns)}").fetchall()


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"id,item\n1,a\n", ["id", "item"]),
        (b"id,item\r\n1,a\r\n", ["id", "item"]),
        (b"id,item\r1,a\r", ["id", "item"]),
        (b"id,item", ["id", "item"]),
        (BOM + b'"id","it""em"\n', ["id", 'it"em']),
        (b"", []),
        (b"\n1,a\n", [""]),
        (b'id,"item\n1,a\n', ["id"]),
    ],
)
def test_the_columns_are_those_of_the_header(path: Path, content: bytes, columns: list[str]) -> None:
    path.write_bytes(content)

    assert Csv().columns(path, ["x"]) == columns


def test_without_a_header_the_columns_are_those_of_the_contract(path: Path) -> None:
    path.write_bytes(b"1,a\n")

    assert Csv(header=False).columns(path, ["id", "item"]) == ["id", "item"]
    assert lines(path, b"1,a\n", Csv(header=False)) == [(1, "1,a\n")]


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"id,item\n1,a\n2,b\n", [(2, "1,a\n"), (3, "2,b\n")]),
        (b"id,item\n1,a\n2,b", [(2, "1,a\n"), (3, "2,b")]),
        (b"id,item\n\n1,a\n\n\n2,b\n\n", [(3, "1,a\n"), (6, "2,b\n")]),
        (b'"id","it\nem"\n1,a\n', [(3, "1,a\n")]),
        (b"id,item\n", []),
        (b"\n\n", []),
        (b"", []),
    ],
)
def test_records_are_what_stands_below_the_header(
    path: Path, content: bytes, records: list[tuple[int, str]]
) -> None:
    assert lines(path, content) == records


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"id,item\n1,a\n2,b\n", 2),
        (b"id,item\n1,a\n2,b", 2),
        (b"id,item\r\n1,a\r\n", 1),
        (BOM + b"id,item\n1,a\n", 1),
        (b'id,item\n1,"a,\n""b"""\n', 1),
        ("id,item\n1,é\n".encode(), 1),
        (b"id,item\n\n1,a\n", 1),
        (b"id,item\n", 0),
        (b"", 0),
    ],
)
def test_a_sound_file_is_proven_with_its_count(path: Path, content: bytes, records: int) -> None:
    assert proven(path, content) == records


@pytest.mark.parametrize("line", [b"1,a,", b"1", b'1,a"', b'1,"a', b"1,\0", b"1,\xff", b"1,a\n\n2", b"1,\xc3"])
def test_a_file_with_a_broken_record_is_not_proven(path: Path, line: bytes) -> None:
    assert proven(path, b"id,item\n" + line + b"\n") is None


def test_a_proof_that_was_read_in_blocks_sees_over_their_seams(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "id,item\r\n1,é\r\n2,b\r\n".encode()
    for size in range(1, len(content) + 1):
        monkeypatch.setattr("etl.formats.csv._BLOCK_BYTES", size)
        assert proven(path, content) == 2
        assert proven(path, content.replace(b"\n2", b"\n\n2")) == 2
        assert proven(path, content.replace(b"\xc3", b"")) is None


def test_what_means_null_is_null_unless_it_is_quoted(path: Path) -> None:
    path.write_bytes(b'id,item\nNA,-\n"NA",""\n,x\n')

    assert read(path, Csv(null=("NA", "-")), ["id", "item"]) == [(None, None), ("NA", ""), ("", "x")]


def test_sound_records_are_copied_without_their_line_ends(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b'id,item\r\n1,"a\r\nb"\r\n2,b')
    fmt = Csv()

    copied = fmt.rewrite(path, list(fmt.records(path, 2)), tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == b'1,"a\r\nb"\n2,b\n'
    assert read(tmp_path / "copy", copied, ["id", "item"]) == [("1", "a\r\nb"), ("2", "b")]


def test_the_original_text_shows_undecodable_bytes() -> None:
    assert Csv().text(b'1,"\xff\n"\r\n') == '1,"\\xff\n"'


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ""},
        {"delimiter": "\n"},
        {"delimiter": "12345"},
        {"delimiter": '"'},
        {"delimiter": "éé€"},
        {"quote": "''"},
        {"quote": "\n"},
        {"quote": "«"},
        {"null": ("NA", "a,b")},
        {"null": ()},
    ],
)
def test_a_dialect_that_cannot_be_read_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ContractError, match=f"Csv\\({next(iter(options))}="):
        Csv(**options)


def test_a_dialect_survives_json() -> None:
    fmt = Csv(delimiter="|", quote="", header=False, null=["NA", "-"])

    assert format_from({**format_to(fmt), "null": ["NA", "-"]}) == fmt


@given(DIRT.map(b"".join))
@example(b"\n\xef\xbb\xbf")
def test_records_of_any_bytes_are_all_that_is_not_blank_below_the_header(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    records = list(Csv(header=False).records(path, 2))

    assert all(first.end <= second.start for first, second in pairwise(records))
    kept = b"".join(content[record.start : record.end] for record in records)
    assert kept.replace(b"\r", b"").replace(b"\n", b"") == _without_line_ends(content)
    assert list(Csv().records(path, 2)) == records[1:]


def _without_line_ends(content: bytes) -> bytes:
    return content.removeprefix(BOM).replace(b"\r", b"").replace(b"\n", b"")


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6),
    st.sampled_from([",", "|", ";", "\t", "||", "é"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_duckdb_reads_of_sound_records_are_their_cells(
    path: Path, table: list[tuple[str, str]], delimiter: str, end: str
) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if len(delimiter) == 1:
            csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
        else:
            quoted = [['"' + cell.replace('"', '""') + '"' for cell in row] for row in table]
            file.writelines(delimiter.join(row) + end for row in quoted)
    fmt = Csv(delimiter=delimiter, header=False)

    assert fmt.prove(path, 2) == len(table)
    copy = path.with_name("copy.csv")
    assert read(copy, fmt.rewrite(path, list(fmt.records(path, 2)), copy), ["a", "b"]) == table
    # a line end within the first record can mislead DuckDB, which then refuses the file
    with suppress(duckdb.Error):
        assert read(path, fmt, ["a", "b"]) == table
