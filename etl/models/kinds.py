"""The kinds of models: what each asks of a header, what its table has, and what decides on its rows.

A kind is one object here, and one maker in stages/warehouse/makers.py. Nothing else knows a kind by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from etl.models.asked import ABSENT, Columns, Header

#: The columns that history adds to those of its SELECT, with their types; None is that of `valid_from`.
HISTORY = {"valid_from": None, "valid_to": None, "is_current": "BOOLEAN", "version_number": "BIGINT"}

#: What is said of them.
HISTORY_SAID = {
    "valid_from": "Since when this version of the row holds.",
    "valid_to": "Until when this version of the row held, that time left out; in the year 9999 if it still holds.",
    "is_current": "Whether this version of the row still holds.",
    "version_number": "The number of the version among those of the row, from 1 on.",
}

#: What the SQL of a history calls columns of its own begins like this.
HISTORY_OWN = "_etl_"

_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


class Selected(Protocol):
    """What a kind looks at: a model's header, the columns of its SELECT, and which of them etl added below."""

    @property
    def header(self) -> Header: ...

    @property
    def columns(self) -> Columns: ...

    @property
    def added(self) -> tuple[str, ...]: ...


class Fault(NamedTuple):
    """What is wrong with a model of a kind, and the header key whose line is to be shown for it."""

    key: str
    what: str


class Derived(NamedTuple):
    """How a kind makes a column that the SELECT lacks: of which columns of the SELECT, and in words."""

    of: tuple[str, ...]
    how: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A way to build a model. This one keeps the rows of the SELECT as they are; others say what they change."""

    name: str
    #: The header keys without which it cannot be built, and the others that mean something for it.
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    #: Whether it is a SELECT, and a header may ask for it. Otherwise it is code; its contract says the columns.
    is_select: bool = True
    #: Whether it holds rows; a view holds none.
    is_stored: bool = True
    #: Whether a row belongs to the partition of its date: compared, hashed and exported by partition, and one that
    #: models above may read by date.
    is_partitioned: bool = False
    #: Whether it holds a row once that its SELECT has several times.
    holds_once: bool = False
    #: Whether its maker sees only what is committed, as one with a connection of its own does.
    reads_committed: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The header keys that say how it is built and kept; those about owners, tags and the like go with all."""
        return (*self.needs, *self.takes, *(("export", "optional") if self.is_stored else ()))

    @property
    def said(self) -> Mapping[str, str]:
        """What is said of the columns that it adds to those of its SELECT."""
        return {}

    @property
    def is_plain(self) -> bool:
        """Whether its table has the columns of its SELECT, whatever they are."""
        return type(self).stored is Kind.stored

    def stored(self, model: Selected) -> Columns:
        """Return the columns of the table, with their types."""
        return model.columns

    def derived(self, model: Selected) -> Mapping[str, Derived]:
        """Return how the columns of the table are made that the SELECT does not have."""
        return {}

    def key(self, model: Selected) -> tuple[str, ...]:
        """Return the columns that name a row of the table; none if it promises none."""
        return model.header.key

    def deciding(self, model: Selected) -> frozenset[str]:
        """Return the columns of the SELECT that decide which of its rows the table has.

        Any column that the header names may do so; but a partition that is replaced as a whole chooses nothing.
        """
        header = model.header
        if self.is_partitioned:
            return frozenset()
        named = {*header.key, *header.order, header.deletes, header.valid_from, header.partition}
        return frozenset(named - {"", ABSENT})

    def faults(self, model: Selected) -> Iterator[Fault]:
        """Yield what is wrong with the columns of the SELECT; what the header alone shows is seen before."""
        yield from ()


class _Merge(Kind):
    """Of all rows with one key the newest, unless it says that the key is deleted."""

    def stored(self, model: Selected) -> Columns:
        return tuple((name, type) for name, type in model.columns if name != model.header.deletes)


class _History(Kind):
    """Every version of each key's row, and when it held."""

    @property
    def said(self) -> Mapping[str, str]:
        return HISTORY_SAID

    def stored(self, model: Selected) -> Columns:
        since = since_of(model)
        gone = {model.header.partition, since, model.header.deletes}
        kept = tuple((name, type) for name, type in model.columns if name not in gone)
        return kept + tuple((name, type or dict(model.columns)[since]) for name, type in HISTORY.items())

    def derived(self, model: Selected) -> Mapping[str, Derived]:
        times = tuple(name for name in (since_of(model), model.header.deletes) if name not in ("", ABSENT))
        return dict.fromkeys(HISTORY, Derived(times, "when the row changed"))

    def key(self, model: Selected) -> tuple[str, ...]:
        return (*model.header.key, "valid_from")

    def deciding(self, model: Selected) -> frozenset[str]:
        return super().deciding(model) | {*versioned(model)}

    def faults(self, model: Selected) -> Iterator[Fault]:
        since, types = since_of(model), dict(model.columns)
        if types[since] not in _TIMES:
            key = "valid_from" if model.header.valid_from else "partition"
            yield Fault(key, f"valid_from: {since} is {types[since]}, not a date or timestamp")
        for name in types:
            if name.lower() in HISTORY and name != since:
                what = f"adds a column named {name.lower()}"
                yield Fault("materialized", f"{self.name} {what}. Rename {name} in the SELECT")
            if name.lower().startswith(HISTORY_OWN):
                what = f"keeps names that begin with {HISTORY_OWN} for itself"
                yield Fault("materialized", f"{self.name} {what}. Rename {name} in the SELECT")


def since_of(model: Selected) -> str:
    """Return the column of a history's SELECT that tells since when a row holds."""
    return model.header.valid_from or model.header.partition


def versioned(model: Selected) -> tuple[str, ...]:
    """Return the columns of a history of which a new value is a new version."""
    header = model.header
    if header.versions:
        return header.versions
    times = (header.partition, header.valid_from, header.deletes)
    others = {*header.key, *header.order, *times, *header.ignores, *model.added}
    return tuple(name for name, _ in model.columns if name not in others)


VIEW = Kind(name="view", is_stored=False)
TABLE = Kind(name="table", takes=("storage", "engine"))
INCREMENTAL = Kind(
    name="incremental", needs=("partition",), takes=("lookback", "tolerates", "storage"), is_partitioned=True
)
MERGE = _Merge(name="merge", needs=("key", "order"), takes=("partition", "deletes", "tolerates"), holds_once=True)
SCD2 = _History(
    name="scd2",
    needs=("key", "partition"),
    takes=("order", "deletes", "valid_from", "versions", "ignores", "tolerates"),
    holds_once=True,
)
PYTHON = Kind(name="python", is_select=False, reads_committed=True)
COMMAND = Kind(name="command", is_select=False, reads_committed=True)

#: Every kind by its name, as etl.models and headers have it.
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (VIEW, TABLE, INCREMENTAL, MERGE, SCD2, PYTHON, COMMAND)}

#: The kinds that a header may ask for.
MATERIALIZED = tuple(name for name, kind in KINDS.items() if kind.is_select)


def kinds_with(key: str) -> tuple[str, ...]:
    """Return the kinds that a header may ask for together with a key; all of them if it is about none."""
    own = tuple(name for name in MATERIALIZED if key in KINDS[name].keys)
    return own or MATERIALIZED
