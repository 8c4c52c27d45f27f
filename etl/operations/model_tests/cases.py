"""The text of a test file as cases: what is given night by night, and what is expected. Nothing is run here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from etl.errors import ModelError, sentence

_LINE = re.compile(r"\s*--\s*([a-z_]+):(?:\s+(.*?))?\s*")
_GIVEN = re.compile(r"([a-z_]\w*\.[a-z_]\w*)\s*(?:\((.*)\)|(no rows))?")
_EXPECT = re.compile(r"(?:\((.*)\)|(no rows))?")
_SET = re.compile(r"(\w+)\s*=\s*(.*)")
_COLUMN = re.compile(r'\s*(?:"((?:[^"]|"")+)"|(\w+))\s*(?:,|$)')


@dataclass
class Block:
    """Rows as one SELECT or VALUES: those of a table that is given, or, without a table, those expected.

    `columns` are what its comment says, if it does. `sql` has as many empty lines before it as the file has lines,
    so that DuckDB's line numbers are the file's; it is empty for no rows.
    """

    line: int
    table: str = ""
    columns: tuple[str, ...] = ()
    sql: str = ""


@dataclass
class Night:
    """What comes before one step, and what is expected after it; `date` is what `-- night:` says."""

    date: date | None = None
    given: list[Block] = field(default_factory=list)
    expect: Block | None = None


@dataclass(kw_only=True)
class Case:
    """One test of a model, from a line `-- test: name` to the next.

    `variables` are those of [etl.vars] that `-- set:` gives another value, with the line.
    """

    name: str
    file: str
    line: int
    nights: list[Night]
    variables: dict[str, tuple[int, str]]

    def error(self, line: int, what: str) -> ModelError:
        """Return what is wrong in a line of the file."""
        return error_at(self.file, line, what)


def read_cases(file: str, text: str) -> list[Case]:
    """Return the cases of a test file's text. Raises ModelError naming file and line if it is not a test."""
    reader = _Reader(file)
    for number, line, value in _lines(text):
        match = _LINE.fullmatch(line)
        try:
            reader.take(number, line, match[1] if match else "", value)
        except ValueError as error:
            raise error_at(file, number, str(error)) from None
    reader.end()
    if not reader.cases:
        raise error_at(file, 1, "has no test; one begins with a line `-- test: what it shows`")
    return reader.cases


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, line, and what is after `-- key:`, with the comment lines that a bracket in it goes on for."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        value = (match[2] or "") if match else ""
        if match and match[1] in ("given", "expect"):
            for more in lines[number:]:
                if "(" not in value or ")" in value or not more.lstrip().startswith("--"):
                    break
                value = f"{value} {more.lstrip().lstrip('-').strip()}"
        yield number, line, value


class _Reader:
    """The cases read so far; each line is added to what it belongs to."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.cases: list[Case] = []
        self._keys = {
            "test": self._test,
            "set": self._set,
            "night": self._night,
            "given": self._given,
            "expect": self._expect,
        }
        self._variables: dict[str, tuple[int, str]] = {}
        self._open: Block | None = None
        self._body: list[str] = []

    def take(self, number: int, line: str, key: str, value: str) -> None:
        """Add a line; ValueError says what is wrong with it."""
        if key in self._keys:
            self._close()
            self._keys[key](number, value)
        elif key and (close := difflib.get_close_matches(key, self._keys, n=1, cutoff=0.75)):
            raise ValueError(f"there is no `-- {key}:`. Did you mean `-- {close[0]}:`?")
        elif self._open:
            self._body.append(line)
        elif line.strip() and not line.lstrip().startswith("--"):
            raise ValueError("SQL must stand below `-- given: schema.table (columns)` or `-- expect: (columns)`")

    def end(self) -> None:
        """Close the last case."""
        self._close()
        if self.cases and self.cases[-1].nights[-1].expect is None:
            case = self.cases[-1]
            raise error_at(self.file, case.line, f"the test '{case.name}' has no `-- expect:` at its end")

    def _close(self) -> None:
        block, body = self._open, self._body
        self._open, self._body = None, []
        if block is None:
            return
        if not any(line.strip() and not line.lstrip().startswith("--") for line in body):
            what = f"given: {block.table} no rows" if block.table else "expect: no rows"
            raise error_at(self.file, block.line, f"there is no SQL below it. For no rows, write `-- {what}`")
        block.sql = "\n" * block.line + "\n".join(body)

    def _test(self, number: int, name: str) -> None:
        self.end()
        if not name or "::" in name:
            raise ValueError("a test needs a name without `::`, such as `-- test: a cancelled flight is counted`")
        for case in self.cases:
            if case.name == name:
                raise ValueError(f"the test in line {case.line} has the same name")
        self.cases.append(
            Case(name=name, file=self.file, line=number, nights=[Night()], variables=dict(self._variables))
        )

    def _set(self, number: int, value: str) -> None:
        match = _SET.fullmatch(value)
        if not match:
            raise ValueError(f"set: {value} is not understood. Write it like `-- set: late_minutes = 15`")
        if self.cases and self._is_begun():
            raise ValueError("`-- set:` must stand at the top of the file or of a test")
        variables = self.cases[-1].variables if self.cases else self._variables
        variables[match[1]] = (number, match[2])

    def _night(self, number: int, value: str) -> None:
        day, case = _date("night", value), self._case("night")
        if not self._is_begun():
            case.nights.clear()
        elif not case.nights[0].date:
            raise ValueError("the first `-- night:` must stand above everything given and expected")
        case.nights.append(Night(day))

    def _given(self, number: int, value: str) -> None:
        night, match = self._case("given").nights[-1], _GIVEN.fullmatch(value)
        if not match:
            raise ValueError(
                f"given: {value} is not understood. Write it like `-- given: raw.sales (sale_date, amount)`"
            )
        if night.expect:
            raise ValueError("`-- given:` must stand above `-- expect:`. Begin another step with `-- night:`")
        for block in night.given:
            if block.table == match[1]:
                raise ValueError(f"line {block.line} already gives {match[1]}")
        night.given.append(Block(number, match[1], _columns(match[2])))
        self._open = None if match[3] else night.given[-1]

    def _expect(self, number: int, value: str) -> None:
        night, match = self._case("expect").nights[-1], _EXPECT.fullmatch(value)
        if not match:
            raise ValueError(f"expect: {value} is not understood. Write it like `-- expect: (sale_date, amount)`")
        if night.expect:
            raise ValueError(f"line {night.expect.line} already has what is expected")
        night.expect = Block(number, "", _columns(match[1]))
        self._open = None if match[2] else night.expect

    def _case(self, key: str) -> Case:
        if not self.cases:
            raise ValueError(f"`-- {key}:` belongs to a test. Begin one with `-- test: what it shows`")
        return self.cases[-1]

    def _is_begun(self) -> bool:
        night = self.cases[-1].nights[-1]
        return bool(night.date or night.given) or night.expect is not None


def _columns(text: str | None) -> tuple[str, ...]:
    """Return the names of a list with commas; with double quotes around one, it may be any text."""
    found, rest = [], (text or "").strip()
    while rest:
        match = _COLUMN.match(rest)
        if not match:
            raise ValueError(f"({text}) is not a list of columns with commas between them")
        found.append(match[1].replace('""', '"') if match[1] else match[2])
        rest = rest[match.end() :]
    if len(set(found)) < len(found):
        raise ValueError(f"({text}) names a column twice")
    return tuple(found)


def _date(key: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{key}: {text} is not a date such as 2024-03-01") from None


def error_at(file: str, line: int, what: str) -> ModelError:
    """Return what is wrong in a line of a file."""
    return ModelError(f"{file}:{line}: {sentence(what)}")
