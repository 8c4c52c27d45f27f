"""Polluted files, each with the truth about it: what its rows are, where they stand, and which are damaged.

The files are made from one small table of our own whose cells are as awkward as cells can be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from etl.sources.formats import Csv

COLUMNS = ("station", "seen", "wind", "remark", "told", "keeper")
BOM = b"\xef\xbb\xbf"
#: Cells of None are null. A cell is quoted where it must be, and so is all of the column `told`.
TABLE: Sequence[tuple[str | None, ...]] = (
    ("Aska", "1901-03-02", "N 4", "clear", "all well", "Odd"),
    ("Bera", "1901-03-02", "NE 5", "haze, then rain", "lamp lit at five", "Liv"),
    ("Cora", "1901-03-03", None, "fog", "horn, twice", None),
    ("Dunø", "1901-03-03", "calm", "", "", "Åse"),
    ("Ekra", "1901-03-04", "S 2", 'the "new" buoy', 'said "aye"', "Per"),
    ("Fugl", "1901-03-04", "S 3", "two\nlines", "first\nsecond, third\n", "Ola"),
    ("Grip", "1901-03-05", "W 9", ", comma first", "comma last,", "Ida"),
    ("Hest", "1901-03-05", "W 10", '"', '""', "Tor"),
    ("Inga", "1901-03-06", " E 1 ", " spaces ", " ", "Una"),
    (None, None, None, None, None, None),
    ("Jan", "1901-03-07", "N 1", "0", "-", "Eli"),
    ("Krok", "1901-03-08", "N 2", "NULL", "end", "Siv"),
)
#: What no mark of any dialect is in.
PLAIN: Sequence[tuple[str | None, ...]] = tuple(
    (f"s{n}", f"d{n}", f"w{n}", None if n % 3 else f"r{n}", f"t{n}", f"k{n}") for n in range(6)
)


@dataclass(frozen=True)
class Row:
    """One row of the truth: its cells, and the physical lines of the file that it is on."""

    cells: tuple[str | None, ...]
    lines: range
    is_damaged: bool


@dataclass(frozen=True)
class Polluted:
    """A file, the dialect it is declared in, and its rows; `strangers` are records that are no row at all."""

    name: str
    content: bytes
    dialect: dict[str, Any]
    rows: Sequence[Row]
    #: Physical lines of records that are none of the table's, so belong in quarantine.
    strangers: frozenset[int] = frozenset()

    @property
    def format(self) -> Csv:
        return Csv(**self.dialect)


@dataclass
class Sheet:
    """A file in the making: texts with their line ends, of which some are rows."""

    dialect: dict[str, Any] = field(default_factory=dict)
    table: Sequence[tuple[str | None, ...]] = TABLE
    end: str = "\n"

    def __post_init__(self) -> None:
        fmt = Csv(**self.dialect)
        self.delimiter, self.quote, self.escape = fmt.delimiter, fmt.quote, fmt.escape
        self.encoding = fmt.encoding
        self.rows = [[self.cell(cell, n == 4) for n, cell in enumerate(row)] for row in self.table]
        self.header = self.delimiter.join(COLUMNS)

    def cell(self, text: str | None, is_quoted: bool) -> str:
        """Return a cell as a sender would write it."""
        if text is None or not self.quote:
            return text or ""
        if not is_quoted and text and not any(mark in text for mark in (self.delimiter, self.quote, "\n", "\r")):
            return text
        guard = self.escape or self.quote
        if self.escape:
            text = text.replace(self.escape, self.escape * 2)
        return self.quote + text.replace(self.quote, guard + self.quote) + self.quote

    def text(self, number: int) -> str:
        """Return a row without its line end."""
        return self.delimiter.join(self.rows[number])

    def file(
        self,
        name: str,
        *,
        changed: dict[int, str | bytes] | None = None,
        ends: dict[int, str] | None = None,
        above: str | bytes = "",
        below: str | bytes = "",
        strangers: int = 0,
        damaged: Sequence[int] = (),
        **options: Any,
    ) -> Polluted:
        """Return the file with some rows changed, which are thereby damaged, and text above and below.

        `ends` are line ends other than the usual; `strangers` is how many of the last lines are no rows. With a
        header of other than one line, or `is_headless`, it is in `above`.
        """
        changed, ends = changed or {}, ends or {}
        head = self._bytes(above)
        is_headless = options.pop("is_headless", self.dialect.get("header", True) != 1)
        if not is_headless:
            head += self._bytes(self.header + self.end)
        content, rows = head, []
        for number, cells in enumerate(self.table):
            text = self._bytes(changed.get(number, self.text(number)))
            line = physical_lines(self._plain(content)) + 1
            lines = range(line, line + physical_lines(self._plain(text)) + 1)
            rows.append(Row(cells, lines, number in changed or number in damaged))
            content += text + self._bytes(ends.get(number, self.end))
        content += self._bytes(below)
        last = len(content_lines(self._plain(content)))
        numbers = frozenset(range(last - strangers + 1, last + 1))
        return Polluted(name, content, {**self.dialect, **options}, rows, numbers)

    def _bytes(self, text: str | bytes) -> bytes:
        return text if isinstance(text, bytes) else text.encode(self.encoding)

    def _plain(self, content: bytes) -> bytes:
        return content.decode(self.encoding, "surrogateescape").encode("utf-8", "surrogateescape")


def content_lines(content: bytes) -> list[bytes]:
    """Return the physical lines of a text without their line ends."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return lines[:-1] if lines[-1] == b"" else lines


def physical_lines(text: bytes) -> int:
    """Return how many line ends are in a text."""
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")


def cells_damaged(sheet: Sheet) -> Iterator[Polluted]:
    """Yield files with one cell damaged: quotes, delimiters and bytes at the wrong places."""
    for row in range(len(sheet.table)):
        for column, cell in enumerate(sheet.rows[row]):
            where = f"r{row}c{column}"
            for kind, damaged in _damaged(sheet, cell):
                cells = [*sheet.rows[row]]
                cells[column] = damaged
                yield sheet.file(f"{kind}_{where}", changed={row: sheet.delimiter.join(cells)})
            cells = sheet.rows[row]
            if column:
                lost = sheet.delimiter.join(cells[:column]) + sheet.delimiter.join(cells[column:])
                yield sheet.file(f"delimiter_lost_{where}", changed={row: lost})
                if any(cells[:column]):  # else nothing is left: a blank line
                    yield sheet.file(f"cut_{where}", changed={row: sheet.delimiter.join(cells[:column])})


def _damaged(sheet: Sheet, cell: str) -> Iterator[tuple[str, str]]:
    yield "delimiter_before", sheet.delimiter + cell
    yield "delimiter_behind", cell + sheet.delimiter
    yield "nul", cell[: len(cell) // 2] + "\0" + cell[len(cell) // 2 :]
    if not sheet.quote:
        return
    for kind, position in (("first", 0), ("middle", len(cell) // 2), ("last", len(cell))):
        yield f"quote_{kind}", cell[:position] + sheet.quote + cell[position:]
    if cell.startswith(sheet.quote):
        yield "space_before_quote", " " + cell
        yield "space_behind_quote", cell + " "
        yield "quote_lost_first", cell[1:]
        yield "quote_lost_last", cell[:-1]


def rows_damaged(sheet: Sheet) -> Iterator[Polluted]:
    """Yield files with one row damaged as a whole."""
    for row, cells in enumerate(sheet.rows):
        for mark in {";", "\t", " ", "|", ","} - {sheet.delimiter}:
            yield sheet.file(f"foreign_{ord(mark):x}_r{row}", changed={row: mark.join(cells)})
        yield sheet.file(f"more_r{row}", changed={row: sheet.text(row) + sheet.delimiter + "more"})
        yield sheet.file(f"not_utf8_r{row}", changed={row: b"\xff" + sheet.text(row).encode()})
        yield sheet.file(f"half_a_character_r{row}", changed={row: sheet.text(row).encode() + b"\xc3"})
        if row:
            yield sheet.file(f"line_end_lost_r{row}", ends={row - 1: ""}, damaged=(row - 1, row))
        split = sheet.delimiter.join(cells[:3]) + sheet.end + sheet.delimiter.join(cells[3:])
        yield sheet.file(f"split_r{row}", changed={row: split})
        for end in ("\n", "\r\n", "\r"):
            yield sheet.file(f"end_{end.encode().hex()}_r{row}", ends={row: end})
            yield sheet.file(f"ends_{end.encode().hex()}_to_r{row}", ends=dict.fromkeys(range(row), end))
            yield sheet.file(f"blank_{end.encode().hex()}_r{row}", ends={row: sheet.end + end})


def around(sheet: Sheet) -> Iterator[Polluted]:
    """Yield files with something above or below their table, or with a part of it."""
    yield sheet.file("as_it_is")
    yield sheet.file("bom", above=BOM)
    yield sheet.file("blank_above", above=sheet.end * 2)
    yield sheet.file("no_final_newline", ends={len(sheet.table) - 1: ""})
    yield sheet.file("double_final_newline", below=sheet.end)
    if sheet.quote:
        last = sheet.delimiter.join(["x"] * 5 + [sheet.quote + "y"])
        yield sheet.file("unterminated_quote_at_the_end", below=last, strangers=1)
    for size in (0, 1):
        part = replace(sheet, table=sheet.table[:size])
        yield part.file(f"rows_{size}")
        yield part.file(f"rows_{size}_double_newline", below=sheet.end)
    for name, names in (
        ("same", COLUMNS),
        ("less", COLUMNS[:4]),
        ("more", (*COLUMNS, "x", "y")),
        ("quoted", tuple(f"{sheet.quote}{name}{sheet.quote}" for name in COLUMNS)),
    ):
        for gap in ("", sheet.end):
            table = [names] + [[f"{name[:3]}{n}" for name in names] for n in range(3)]
            text = gap + "".join(sheet.delimiter.join(line) + sheet.end for line in table)
            yield sheet.file(f"second_table_{name}{'_apart' * bool(gap)}", below=text, strangers=4)


def layouts() -> list[Polluted]:
    """Return files with other lines above and below the table, all declared."""
    names = {"names": COLUMNS}
    header = ",".join(COLUMNS) + "\n"
    stray = header.replace("wind", 'wi"nd'), header.replace("keeper", '"keeper'), '"' + header, "a\n", '"\n'
    return [
        Sheet({"preamble": 3}).file("preamble", above='made "on\n\n1,2,3\n'),
        Sheet({"preamble": 1}).file("preamble_with_bom", above=BOM + b"made on\n"),
        Sheet({"header": False}).file("no_header"),
        Sheet({"header": False}).file("no_header_with_bom", above=BOM),
        Sheet({"header": 2, **names}).file("two_header_lines", above=header * 2),
        Sheet({"header": 3, **names}).file("three_header_lines", above=header * 3),
        Sheet({"header": 2, **names}).file(
            "two_header_lines_again", above=header * 2, below=header * 2, strangers=2
        ),
        Sheet({"header": 2, **names}, table=()).file("two_header_lines_only", above=header * 2),
        Sheet({"header": False, **names}, table=()).file("nothing"),
        Sheet({"footer": 2}).file("footer", below='sum, of\n"all\n'),
        Sheet({"footer": "^sum"}).file("footer_by_pattern", below='sum, of\nsum "all'),
        Sheet({"comment": "#"}).file("comment", above='#"\n', below="#,,,\n"),
        Sheet({"trailing_delimiter": True}, end=",\n").file("trailing_delimiter"),
        Sheet({"null": ["NULL", ""]}, table=TABLE[:-1]).file("null"),
        Sheet({"encoding": "cp1252"}).file("cp1252", below=b"a,\x81\n", strangers=1),
        Sheet({"encoding": "latin-1"}).file("latin_1", below="é\n".encode("latin-1"), strangers=1),
        *(
            Sheet({"header": 1, **names}).file(f"stray_{n}", above=text, is_headless=True)
            for n, text in enumerate(stray)
        ),
    ]


def dialects() -> list[Sheet]:
    """Return the table in many dialects."""
    sheets = []
    for number, delimiter in enumerate((",", ";", "\t", "|", " ", ", ", "||", "é", "~#~")):
        kinds = ({"quote": '"'}, {"quote": "'"}, {"escape": "\\"}, {"quote": ""})
        for other, options in enumerate(kinds):
            table = TABLE if options.get("quote", '"') else PLAIN
            end = ("\n", "\r\n", "\r")[(number + other) % 3]
            sheets.append(Sheet({"delimiter": delimiter, **options}, table, end))
    return sheets
