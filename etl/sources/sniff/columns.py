"""What was seen in one column, as the line of a pandera model that accepts it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from etl.errors import counted, cut, printable
from etl.sources.sniff.notation import Cells, Notation
from etl.sources.sniff.oddities import of_column
from etl.sources.sniff.spellings import spelled

#: Annotations by type: of a column without nulls, and with.
ANNOTATIONS = {
    "bool": ("bool", "pd.BooleanDtype"),
    "int": ("int", "pd.Int64Dtype"),
    "float": ("float", "float"),
    "date": ("date", "date"),
    "timestamp": ("pd.Timestamp", "pd.Timestamp"),
    "zoned": ('Annotated[pd.DatetimeTZDtype, "us", "UTC"]',) * 2,
    "str": ("str", "str"),
}
_MOST_IN_SET = 12
# a set is proposed if every value came so often on average
_ROWS_PER_VALUE = 5
_LONGEST_KEY = 64
_LONGEST_VALUE = 30
_KEY = re.compile(r"(^|[_\W])(id|key|nb|no|nr|num|number|code|uuid|guid|sku|isbn)$", re.IGNORECASE)
# of the values, so many must be of a narrower type to say so
_NEARLY = 0.9


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the proposed model: its name in the file, its annotation without nulls and with, comments."""

    name: str
    annotations: tuple[str, str]
    is_nullable: bool = False
    is_unique: bool = False
    comments: tuple[str, ...] = ()
    #: What a database says of it.
    description: str = ""
    #: What is known of its cells beyond the file's notation.
    metadata: Mapping[str, object] = field(default_factory=dict)
    #: Whether a file may lack it.
    is_optional: bool = False
    #: The columns that are made of its cells: that of the flags behind its numbers.
    beside: tuple[Column, ...] = ()
    #: What is odd about its cells, in words.
    oddities: tuple[str, ...] = ()

    @property
    def annotation(self) -> str:
        """The annotation as it is."""
        return self.annotations[self.is_nullable] + " | None" * self.is_optional

    @property
    def arguments(self) -> list[str]:
        """What Field says beside an alias."""
        said = [f"description={text_literal(self.description)}"] if self.description else []
        said += [f"metadata={literal(self.metadata)}"] if self.metadata else []
        return ["nullable=True"] * self.is_nullable + ["unique=True"] * self.is_unique + said

    def loosened(self, rule: str) -> Column:
        """Return the column without what a rule of it says; the same if that is not the column's word."""
        if rule == "dtype" and self.annotations != ANNOTATIONS["str"]:
            said = (*self.comments, f"not every value is {self.annotations[0]}")
            kept = {key: value for key, value in self.metadata.items() if key == "clean"}
            return replace(self, annotations=ANNOTATIONS["str"], comments=said, metadata=kept, beside=())
        if rule == "not_nullable":
            return replace(self, is_nullable=True)
        return replace(self, is_unique=False) if rule == "unique" else self


def column(name: str, cells: Cells, notation: Notation, is_first: bool) -> Column:
    """Return the proposal for one column of text."""
    given = cells
    cells, notation, metadata = spelled(cells, notation, name)
    type = notation.type_of(cells)
    read = notation.readers.get(type, str)
    values: Counter[Any] = Counter()
    for text, number in cells.values.items():
        values[read(text)] += number
    comments = _near_misses(cells, notation) if type == "str" else ()
    found = describe(name, type, ANNOTATIONS[type], values, cells.nulls.total(), is_first, comments)
    said = metadata.get("number")
    if isinstance(said, dict) and said.get("flags"):
        flags = Column(name=f"{name}_flag", annotations=ANNOTATIONS["str"], is_nullable=True)
        metadata = {**metadata, "number": {**said, "flag_column": flags.name}}
        found = replace(found, beside=(flags,))
    return replace(found, metadata=metadata, oddities=tuple(of_column(name, type, cells, given)))


def describe(
    name: str,
    type: str,
    annotations: tuple[str, str],
    values: Counter[Any],
    nulls: int,
    is_first: bool,
    comments: Sequence[str] = (),
) -> Column:
    """Return the proposal for a column of `type`, with these values and so many nulls.

    What was seen beyond the type is a comment: tomorrow's values are others.
    """
    said = [*comments, _seen(type, values)]
    return Column(
        name=name,
        annotations=annotations,
        is_nullable=bool(nulls or not values),
        is_unique=not nulls and _is_key(name, type, values, is_first),
        comments=tuple(filter(None, said)),
    )


def _seen(type: str, values: Counter[Any]) -> str:
    if not values:
        return "no value was seen"
    low: Any
    low, high = min(values), max(values)
    if type in ("int", "float"):
        return f"{low!r} to {high!r} seen"
    if type in ("date", "timestamp", "zoned"):
        return f"{low:%Y-%m-%d} to {high:%Y-%m-%d} seen" if low.year > 999 else ""
    if type != "str":
        return ""
    if len(values) <= _MOST_IN_SET and values.total() >= _ROWS_PER_VALUE * len(values):
        shown = ", ".join(text_literal(printable(cut(value, _LONGEST_VALUE))) for value in sorted(values))
        return f"one of {shown} seen"
    short, long = min(map(len, values)), max(map(len, values))
    return f"{counted(short, 'character')} seen" if short == long else f"{short:,} to {long:,} characters seen"


def text_literal(text: str) -> str:
    """Return a text as Python source, in double quotes where that needs no escape."""
    plain = repr(str(text))
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in plain else plain


def literal(value: object) -> str:
    """Return plain data as Python source."""
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    return f"[{', '.join(map(literal, value))}]" if isinstance(value, list) else repr(value)


def _is_key(name: str, type: str, values: Counter[Any], is_first: bool) -> bool:
    if type not in ("int", "str") or len(values) < 2 or values.total() > len(values):
        return False
    if type == "str" and max(map(len, values)) > _LONGEST_KEY:
        return False
    return is_first or bool(_KEY.search(name))


def _near_misses(cells: Cells, notation: Notation) -> tuple[str, ...]:
    """Say what nearly every value would be, and which are not: a person knows who is right."""
    total = cells.values.total()
    for type, read in notation.readers.items():
        misses = [text for text in cells.values if read(text) is None]
        missed = sum(cells.values[text] for text in misses)
        if misses and 0 < missed <= max(total * (1 - _NEARLY), total >= 4):
            shown = ", ".join(repr(str(text[:40])) for text in misses[:3])
            name = ANNOTATIONS[type][0]
            return (f"all but {missed:,} of {total:,} values are {name}, which would reject {shown}",)
    return ()
