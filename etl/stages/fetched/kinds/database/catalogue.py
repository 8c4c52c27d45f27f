"""What a database says of the columns of a table, and which of them are fetched how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl.contract.clocks import ZONED
from etl.contract.contract import Column, Contract
from etl.errors import FetchError, few, unknown

#: Families whose values have the same text in the database and in Parquet, so that they are landed typed.
EXACT = ("bool", "int", "text", "date", "timestamp", "zoned")
#: Families that are landed typed only for a contract with such a type: their text may differ.
_FLOATS = ("FLOAT", "DOUBLE")
#: Changes within one of these are said, and do not stop a fetch: the contract judges each value.
_ALIKE = ("int", "text", "decimal", "float")


@dataclass(frozen=True, kw_only=True)
class Held:
    """One column of a table or a query, as the database describes it."""

    name: str
    #: As the database spells it, such as `numeric(12,2)`.
    type: str
    #: What etl makes of it: `bool`, `int`, `float`, `decimal`, `text`, `date`, `timestamp`, `zoned`, `time`,
    #: `bytes`, `uuid`, `json`, `nested`, `zoneless`, a moment whose zone nobody says, or `other`, which is
    #: fetched as the database's own text.
    family: str = "other"
    nullable: bool = True
    is_key: bool = False
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One column that is fetched: the database's, and how it is landed."""

    held: Held
    #: `typed`; `zoned`, the same for a moment that is wanted as one; `text`, the database's own; `json` for a
    #: nested type; `bytes` as text that DuckDB reads as a BLOB.
    form: str


def choose(
    held: Sequence[Held], contract: Contract, extra: str, as_text: Collection[str], where: str
) -> list[Chosen]:
    """Return which columns are fetched, and how, in the database's order.

    Those in `as_text` have values that no type of Parquet holds. Raises FetchError if the table lacks a column of
    the contract, or has one that the contract lacks and `extra` refuses.
    """
    wanted = _wanted(held, contract, where)
    others = [one.name for one in held if one.name not in wanted]
    if others and extra == "refuse":
        raise FetchError(
            f"{where} has columns that the contract {contract.name} does not have: {few(map(repr, others), 20)}. "
            "Add them to the contract, or say extra='ignore' to leave them where they are."
        )
    taken = [one for one in held if one.name in wanted or extra == "keep"]
    _check_zones(taken, wanted, where)
    return [Chosen(held=one, form=form_of(one, wanted.get(one.name), one.name in as_text)) for one in taken]


def _check_zones(taken: Sequence[Held], wanted: Mapping[str, Column], where: str) -> None:
    """Raise FetchError for a moment that is wanted with its zone, which nobody says: a zone would be a guess."""
    for one in taken:
        if one.family == "zoneless" and one.name in wanted and wanted[one.name].type == ZONED:
            raise FetchError(
                f"{where}: the driver does not say the zone of {one.name!r}. Write it in the query as text with "
                "its zone, or fetch it by a Table."
            )


def _wanted(held: Sequence[Held], contract: Contract, where: str) -> Mapping[str, Column]:
    """Return the column of the contract for each column of the table that it takes."""
    names = {one.name for one in held}
    found: dict[str, Column] = {}
    lacking = []
    for column in contract.columns:
        own = next((name for name in (column.name, *column.aliases) if name in names), None)
        if own is not None:
            found[own] = column
        elif column.required:
            lacking.append(column.name)
    if lacking:
        said = f"{where} does not have {few(map(repr, lacking))}, which the contract {contract.name} requires"
        raise FetchError(unknown(said, lacking[0], names, f"It has: {few(sorted(names), 20)}"))
    return found


def form_of(held: Held, column: Column | None, is_odd: bool = False) -> str:
    """Return how a column is landed for a column of the contract, if that has one."""
    type = column.type if column else "VARCHAR"
    if type == "BLOB" and held.family == "bytes":
        return "bytes"
    if held.family in EXACT and not is_odd:
        return "zoned" if held.family == "zoned" and type == ZONED else "typed"
    if held.family == "float" and type in _FLOATS and not is_odd:
        return "typed"
    if held.family == "nested" and (type.endswith("]") or type.startswith(("STRUCT", "MAP"))):
        return "json"
    return "text"


def drifted(before: Iterable[Sequence[str]], now: Sequence[Held], families: Mapping[str, str]) -> Drift:
    """Return how the columns of a table differ from those of an earlier fetch; `families` are those of then."""
    then = {name: type for name, type, *_ in before}
    held = {one.name: one for one in now}
    notes: list[str] = []
    grave: list[str] = []
    for name in then.keys() | held.keys():
        if name not in held:
            notes.append(f"- {name} {then[name]}")
        elif name not in then:
            notes.append(f"+ {name} {held[name].type}")
        elif then[name] != held[name].type:
            said = f"~ {name} {then[name]} -> {held[name].type}"
            is_alike = held[name].family in _ALIKE and families.get(name) == held[name].family
            (notes if is_alike else grave).append(said)
    return Drift(notes=tuple(sorted(notes)), grave=tuple(sorted(grave)))


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How a table's columns changed; what is grave stops the fetch."""

    notes: tuple[str, ...] = ()
    grave: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, as a diff."""
        return (*self.grave, *self.notes)


def check_drift(drift: Drift, where: str, source: str) -> None:
    """Raise FetchError if a column has another type than it had."""
    if drift.grave:
        raise FetchError(
            f"{where} has other types than at the last fetch:\n"
            + "\n".join(drift.lines)
            + f"\nSee whether the contract still holds, then fetch all of it: etl fetch {source} --full"
        )
