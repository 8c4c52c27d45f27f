"""What all columns of a file have in common: its marks of decimals, its date formats, its texts for null."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from etl.sources.sniff import reading
from etl.sources.sniff.reading import Reader
from etl.sources.sniff.records import Quoted

#: Texts that are never values.
_SURE_NULLS = ("", "\\N", "NULL", "null", "#N/A", "(null)")
#: Texts that are null if other cells of a column that has them are numbers, dates or booleans.
_LIKELY_NULLS = ("NA", "N/A", "n/a", "na", "Null", "None", "none", "NaN", "nan", "-", "--", "?", ".")
_MAYBE_NULL = frozenset(_SURE_NULLS + _LIKELY_NULLS)

_Choice = TypeVar("_Choice")


@dataclass
class Cells:
    """The cells of one column: how often each text occurs, and apart from them what may be a null."""

    values: Counter[str] = field(default_factory=Counter)
    nulls: Counter[str] = field(default_factory=Counter)

    def fit(self, read: Reader) -> bool:
        """Whether there are values, and `read` reads every one."""
        return bool(self.values) and all(read(text) is not None for text in self.values)


#: As Python's strptime reads %y: 1969 to 2068.
LAST_OF_TWO_DIGITS = 2068


@dataclass(frozen=True, kw_only=True)
class Notation:
    """A file's options of the same names, and the types that its cells can have under them."""

    decimal: str = "."
    thousands: str = ""
    date_format: str = ""
    timestamp_format: str = ""
    nulls: tuple[str, ...] = ("",)
    notes: tuple[str, ...] = ()

    @property
    def two_digit_years_until(self) -> int | None:
        """Return the last of the hundred years that years of two digits are taken for; None if there are none."""
        return LAST_OF_TWO_DIGITS if "%y" in self.date_format + self.timestamp_format else None

    @property
    def readers(self) -> dict[str, Reader]:
        """Return the readers by type, the narrowest type first."""
        return {
            "bool": reading.boolean,
            "int": reading.integer(self.decimal, self.thousands),
            "float": reading.number(self.decimal, self.thousands),
            "date": reading.day(self.date_format),
            "timestamp": reading.instant(self.timestamp_format),
            "zoned": reading.zoned,
        }

    def type_of(self, cells: Cells) -> str:
        """Return the narrowest type that has every value: a key of `readers`, or str."""
        found = next((name for name, read in self.readers.items() if cells.fit(read)), "str")
        return "str" if found == "int" and any(map(reading.is_padded, cells.values)) else found


def cells_of(texts: Iterable[str]) -> Cells:
    """Return the counted cells of one column."""
    cells = Cells()
    for text in texts:
        (cells.nulls if text in _MAYBE_NULL and not isinstance(text, Quoted) else cells.values)[text] += 1
    return cells


def find_notation(columns: Sequence[Cells]) -> Notation:
    """Return the notation that gives most columns a type; what is no null in it becomes a value again."""
    decimal, thousands = _most(columns, reading.NUMBER_STYLES, lambda style: reading.number(*style))
    found = Notation(decimal=decimal, thousands=thousands, notes=_number_notes(columns, decimal, thousands))
    untyped = [cells for cells in columns if found.type_of(cells) in ("str", "int", "date", "timestamp")]
    day = _most(untyped, ("", *reading.DATE_FORMATS), reading.day)
    time = _most(untyped, ("", *reading.TIMESTAMP_FORMATS), reading.instant)
    found = replace(found, date_format=day, timestamp_format=time)
    found = replace(found, notes=found.notes + _date_notes(untyped, day, time))
    return replace(found, nulls=_settle_nulls(columns, found))


def _most(columns: Sequence[Cells], choices: Sequence[_Choice], reader: Callable[[_Choice], Reader]) -> _Choice:
    """Return the choice that reads most columns, the first of equals."""
    counts = [sum(cells.fit(reader(choice)) for cells in columns) for choice in choices]
    return choices[counts.index(max(counts))]


def _settle_nulls(columns: Sequence[Cells], notation: Notation) -> tuple[str, ...]:
    typed = [cells for cells in columns if notation.type_of(cells) != "str"]
    believed = {text for cells in columns for text in cells.nulls if text in _SURE_NULLS}
    believed |= {text for cells in typed for text in cells.nulls}
    for cells in columns:
        for text in [text for text in cells.nulls if text not in believed]:
            cells.values[text] += cells.nulls.pop(text)
    return tuple(sorted(believed)) or ("",)


def _number_notes(columns: Sequence[Cells], decimal: str, thousands: str) -> tuple[str, ...]:
    """Say so if `1,234` may be meant either way."""
    if (decimal, thousands) == (".", ""):
        return ()
    other = reading.integer(".", decimal)
    plain = reading.integer(".", "")
    marked = [cells for cells in columns if cells.fit(reading.number(decimal, thousands)) and not cells.fit(plain)]
    if not thousands and marked and all(cells.fit(other) for cells in marked):
        example = next(text for text in marked[0].values if decimal in text)
        return (f"Ambiguous: {example} is read with decimal={decimal!r}; it may be thousands={decimal!r}.",)
    return ()


def _date_notes(columns: Sequence[Cells], day: str, time: str) -> tuple[str, ...]:
    """Say so if days and months may be the other way round."""
    notes = []
    for option, format, reader in (("date_format", day, reading.day), ("timestamp_format", time, reading.instant)):
        if "%y" in format:
            notes.append(f"Years of two digits are read as 1969 to {LAST_OF_TWO_DIGITS}: is that right?")
        swapped = format.replace("%d", "%D").replace("%m", "%d").replace("%D", "%m")
        fitting = [cells for cells in columns if format and cells.fit(reader(format))]
        if swapped == format or not fitting or not all(cells.fit(reader(swapped)) for cells in fitting):
            continue
        if format.startswith("%Y"):
            continue  # nobody writes a year, a day and a month in this order
        example = next(iter(fitting[0].values))
        notes.append(f"Ambiguous: {example} is read with {option}={format!r}; it may be {swapped!r}.")
    return tuple(notes)
