"""Any bytes, in any dialect, through the extraction of a delimited file, and what must hold whatever they are.

Used by the tests and by benchmarks/fuzz.py, which goes on for as long as it is told.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from etl.sources.formats import Csv
from tests.support import reference
from tests.support.reference import Found, Marks

BOM = b"\xef\xbb\xbf"
DELIMITERS = (",", ";", "\t", " ", "|", "||", ", ", "é", "a|", "'", "|;|")
QUOTES = ('"', "'", "")
ESCAPES = ("", "\\", "!")
COMMENTS = ("", "#", "//")
NULLS: Sequence[tuple[str, ...]] = (("",), ("NA", ""), ("a",), ("-", "null"))
#: What dirty files are made of, beside the marks of their dialect.
DIRT = (b"\n", b"\r", b"\r\n", b"a", b"b,c", b"\0", b"\xff", b"\xc3", "é".encode(), BOM, b" ", b"NA", b"\\", b"#")


def dialect(numbers: Iterator[int]) -> tuple[Csv, int]:
    """Return a dialect and a width that numbers choose; what cannot be declared is never chosen."""

    def chosen(choices: Sequence[Any]) -> Any:
        return choices[next(numbers, 0) % len(choices)]

    quote, escapes = chosen(QUOTES), ""
    if not quote:
        escapes = chosen(("", "copy", "mysql"))
    delimiters = DELIMITERS if not escapes else (",", ";", "\t", " ", "|", "'")
    delimiter = chosen([mark for mark in delimiters if not quote or quote not in mark])
    escape = chosen([mark for mark in ESCAPES if quote or not mark])
    nulls = chosen([texts for texts in NULLS if not any(text in delimiter for text in texts if text)])
    width = chosen((1, 2, 3))
    fmt = Csv(
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        comment=chosen(COMMENTS),
        null=nulls,
        trailing_delimiter=chosen((False, False, bool(not escapes))),
        escapes=escapes,
        header=chosen((False, True)),
        names=[f"c{n}" for n in range(width)],
    )
    return fmt, width


def marks(fmt: Csv) -> Marks:
    """Return a dialect for the reference."""
    texts = (fmt.delimiter, fmt.quote, fmt.escape, fmt.comment)
    delimiter, quote, escape, comment = (text.encode() for text in texts)
    return Marks(delimiter, quote, escape, comment, fmt.nulls, fmt.trailing_delimiter, fmt.escapes)


def tokens(fmt: Csv) -> list[bytes]:
    """Return what content in a dialect is made of: its marks, dirt, and whole records."""
    own = [mark.encode() for mark in (fmt.delimiter, fmt.quote, fmt.escape, fmt.comment) if mark]
    behind = fmt.delimiter if fmt.trailing_delimiter else ""
    guard, quote = fmt.escape or fmt.quote, fmt.quote
    lines = []
    for cell in ("x", f"{quote}y{fmt.delimiter}{guard * bool(quote)}{quote}z\n{quote}", f"{quote}\nw{quote}"):
        record = fmt.delimiter.join([cell] * len(fmt.names)) + behind
        lines += [f"{record}\n".encode(), f"{record}\r\n".encode()]
    sequences = (
        b"\\",
        b"\\\\",
        b"\\t",
        b"\\N",
        b"\\x4",
        b"\\.",
        b"\\101",
        b"\\\n",
        b"\\\r\n",
        b"\\xff",
        b"\\0",
        b"\\Z",
    )
    own += sequences if fmt.escapes else ()
    return [*own, *own[:2], *DIRT, *lines, *lines]


def content(fmt: Csv, dirt: bytes) -> bytes:
    """Return a file: dirt, below a header line if the dialect has one."""
    end = b"\r\n" if len(dirt) % 3 == 0 else b"\n"
    return (fmt.delimiter.encode().join(name.encode() for name in fmt.names) + end if fmt.header else b"") + dirt


def from_bytes(data: bytes) -> tuple[Csv, bytes]:
    """Return a dialect and a file that any bytes stand for; with an odd first byte, of tokens."""
    numbers = iter(data[1:10])
    fmt, _ = dialect(numbers)
    dirt = data[10:]
    if data[:1] and data[0] % 2:
        known = tokens(fmt)
        dirt = b"".join(known[byte % len(known)] for byte in dirt)
    return fmt, content(fmt, dirt)


class Harness:
    """Takes files apart, and lets DuckDB read them, in one folder and with one connection."""

    def __init__(self, folder: Path) -> None:
        self._file, self._scratch = folder / "file.csv", folder / "scratch"
        self._con = duckdb.connect()
        self._con.execute("set threads = 1")

    def check(self, fmt: Csv, data: bytes) -> None:
        """Take a file apart in every way; AssertionError if anything is wrong, altered, invented or lost."""
        self._file.write_bytes(data)
        opened = fmt.open(self._file, fmt.names, self._scratch)
        try:
            if not self._is_refused(opened):
                # what was only counted rests on DuckDB: it may refuse the file, but not read it otherwise
                compare(fmt, data, self._rows(opened), [], opened.sound)
            opened.verify()
            rejects = [(f.place.line, f.place.raw or f.place.text.encode()) for f in opened.faults()]
            compare(fmt, data, self._rows(opened), rejects, opened.sound)
            everything = [(f.place.line, f.place.raw or f.place.text.encode()) for f in opened.everything()]
            assert everything == [(found.line, found.text) for found in expected(fmt, data)]
            within = sum(_line_ends(text) for _, text in everything)
            assert opened.lines == _lines(data.removeprefix(BOM)) - within
            assert opened.lines == len(everything) + opened.skipped
            places = [(p.line, p.raw or p.text.encode()) for p in opened.places(range(opened.sound))]
            assert sorted(places + rejects) == sorted(everything)
        finally:
            opened.close()
        assert not list(self._scratch.parent.glob("scratch*"))

    def _is_refused(self, opened: Any) -> bool:
        if opened.broken or opened.file != self._file:
            return True
        try:
            self._rows(opened)
        except duckdb.Error:
            return True
        return False

    def _rows(self, opened: Any) -> list[tuple[Any, ...]]:
        numbered = opened.reader.numbered(opened.file, list(opened.columns))
        rows = self._con.execute(f"from {numbered} order by _record").fetchall()
        names = ", ".join(f'"{name}"' for name in opened.columns)
        relation = opened.reader.relation([opened.file], list(opened.columns))
        unnumbered = self._con.execute(f"select {names} from {relation}").fetchall()
        assert Counter(unnumbered) == Counter(row[:-1] for row in rows)
        return [row[:-1] for row in rows]


def expected(fmt: Csv, data: bytes) -> list[Found]:
    """Return the records that the reference finds in a file."""
    body = data.removeprefix(BOM)
    return reference.records(_below_header(fmt, body), len(fmt.names), marks(fmt), 2 if fmt.header else 1)


def _lines(text: bytes) -> int:
    return _line_ends(text) + (text[-1:] not in (b"", b"\n", b"\r"))


def _line_ends(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


def _below_header(fmt: Csv, body: bytes) -> bytes:
    if not fmt.header:
        return body
    below = body.removeprefix(fmt.delimiter.encode().join(name.encode() for name in fmt.names))
    return below[2 if below.startswith(b"\r\n") else 1 :]


def compare(
    fmt: Csv, data: bytes, rows: list[tuple[Any, ...]], rejects: list[tuple[int, bytes]], records: int
) -> None:
    """Compare what was found with the reference; a record of several lines may be in quarantine for doubt."""
    assert len(rows) == records
    held = dict(rejects)
    assert len(held) == len(rejects)
    wanted = expected(fmt, data)
    doubted = [one for one in wanted if one.cells is not None and one.line in held]
    assert all(b"\n" in one.text or b"\r" in one.text for one in doubted), "a sound record is rejected"
    assert rows == [one.cells for one in wanted if one.cells is not None and one.line not in held]
    assert held == {one.line: one.text for one in wanted if one.cells is None or one.line in held}
