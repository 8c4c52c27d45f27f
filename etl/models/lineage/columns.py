"""What lineage is told in: columns, the expressions that they are made by, and what decides on rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple


class Origin(NamedTuple):
    """A column of a table; of a SELECT within a model, whose table is then `model/name`; or of a raw file."""

    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


class Expression(NamedTuple):
    """A part of a model's file as it is written there, and the line that it begins in."""

    sql: str
    line: int


Origins = tuple[Origin, ...]


@dataclass(frozen=True)
class Made:
    """What a column is made of; it has several expressions if it comes out of a union."""

    values: Origins
    expressions: tuple[Expression, ...] = ()
    #: The columns whose values it holds as they are: several out of a union; none if it is computed.
    same: Origins = ()

    def __or__(self, other: Made) -> Made:
        same = unique(self.same + other.same) if self.same and other.same else ()
        return Made(unique(self.values + other.values), (*self.expressions, *other.expressions), same)


@dataclass(frozen=True)
class Traced:
    """What was found of a table, a view, or a SELECT within one."""

    columns: Mapping[str, Made]
    #: The columns that decide which rows it has, and in which order: of joins, conditions, groups and so on.
    rows: Origins = ()
    #: The tables that it reads, and the SELECTs within it: other rows there are other rows here.
    reads: tuple[str, ...] = ()
    file: str = ""
    _: KW_ONLY
    #: Why its SQL cannot be taken apart; then every column may be made of every column of what it reads.
    opaque: str = ""


@dataclass(frozen=True)
class Found:
    """The columns of a SELECT by name, what decides on its rows, and the tables and SELECTs that it reads."""

    columns: list[tuple[str, Made]]
    rows: Origins = ()
    reads: tuple[str, ...] = ()


class Untraceable(Exception):
    """Raised for SQL that cannot be taken apart without a guess; the message says what it is."""


def unique(columns: Iterable[Origin]) -> Origins:
    """Return each column once, in the order in which they come first."""
    return tuple(dict.fromkeys(columns))
