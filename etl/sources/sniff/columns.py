"""What was seen in one column, as the line of a pandera model that accepts it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etl.sources.sniff.notation import Cells, Notation

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
_KEY = re.compile(r"(^|[_\W])(id|key|nb|no|nr|num|number|code|uuid|guid|sku|isbn)$", re.IGNORECASE)
# of the values, so many must be of a narrower type to say so
_NEARLY = 0.9


@dataclass(frozen=True)
class Column:
    """A column of the proposed model: its name in the file, its annotation, Field's arguments, comments."""

    name: str
    annotation: str
    arguments: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


def column(name: str, cells: Cells, notation: Notation, is_first: bool) -> Column:
    """Return the proposal for one column of text."""
    type = notation.type_of(cells)
    read = notation.readers.get(type, str)
    values: Counter[Any] = Counter()
    for text, number in cells.values.items():
        values[read(text)] += number
    comments = _near_misses(cells, notation) if type == "str" else ()
    return describe(name, type, ANNOTATIONS[type], values, cells.nulls.total(), is_first, comments)


def describe(
    name: str,
    type: str,
    annotations: tuple[str, str],
    values: Counter[Any],
    nulls: int,
    is_first: bool,
    comments: Sequence[str] = (),
) -> Column:
    """Return the proposal for a column of `type`, with these values and so many nulls."""
    is_key = not nulls and _is_key(name, type, values, is_first)
    arguments = ["nullable=True"] if nulls or not values else []
    arguments += ["unique=True"] if is_key else []
    found = list(comments) if values else [*comments, "no value was seen"]
    if type in ("int", "float") and values:
        low, high = min(values), max(values)
        if is_key and type == "int":
            # tomorrow's keys are beyond today's
            arguments += [f"ge={min(low, 1)}"] if low >= 0 else []
            found.append(f"{low} to {high} seen")
        else:
            arguments += [f"ge={low!r}", f"le={high!r}"]
    elif type in ("date", "timestamp", "zoned") and values:
        found.append(f"{min(values):%Y-%m-%d} to {max(values):%Y-%m-%d} seen" if min(values).year > 999 else "")
    elif type == "str" and values:
        arguments.append(_set_or_length(values))
    return Column(name, annotations[bool(nulls or not values)], tuple(arguments), tuple(filter(None, found)))


def text_literal(text: str) -> str:
    """Return a text as Python source, in double quotes where that needs no escape."""
    plain = repr(str(text))
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in plain else plain


def _set_or_length(values: Counter[str]) -> str:
    if len(values) <= _MOST_IN_SET and values.total() >= _ROWS_PER_VALUE * len(values):
        return f"isin=[{', '.join(text_literal(value) for value in sorted(values))}]"
    low, high = min(map(len, values)), max(map(len, values))
    return f"str_length={low}" if low == high else f'str_length={{"min_value": {low}, "max_value": {high}}}'


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
