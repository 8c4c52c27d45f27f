"""What a published table says of itself: descriptions, units and owners, from contracts and headers.

A column that holds the values of others as they are, and of which nobody says something else, says what they say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.contract import Contract
from etl.contract.contract import comment_of
from etl.contract.expand import expanded
from etl.models import Model, Models
from etl.sources import Catalog, Source
from etl.stages.published.own import OWN

if TYPE_CHECKING:
    import duckdb

_COLUMNS = (
    "select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns() "
    "where database_name = current_database() and not internal group by all"
)
#: What is said of the columns that etl adds to a raw table.
_ADDED = {
    "_file": "The file that the row came from.",
    "_loaded_at": "When the row was loaded.",
    "_extra": "The columns of the file that the contract does not name, as JSON.",
}

#: What is said of a column.
_KINDS = ("description", "unit", "pii")


@dataclass(frozen=True)
class Notes:
    """The notes of one table; `columns` has description, unit and pii, of each column that has any."""

    description: str = ""
    owner: str = ""
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: The names of all columns, with notes or without.
    names: Sequence[str] = ()

    @property
    def comments(self) -> dict[str, str]:
        """The comment of each column, and under an empty name that of the table."""
        table = {"description": self.description, "owner": self.owner}
        columns = {name: comment_of(self.columns.get(name, {})) for name in self.names}
        return {"": comment_of(table), **columns}


_NOTHING = Notes()


def notes_of(
    con: duckdb.DuckDBPyConnection,
    sources: Sequence[Source],
    models: Sequence[Model],
    contracts: Mapping[str, Contract],
) -> dict[str, Notes]:
    """Return the notes of every table, as build.duckdb has its columns; `models` come after those they read."""
    return notes_on(dict(con.execute(_COLUMNS).fetchall()), sources, models, contracts)


def notes_on(
    columns: Mapping[str, Sequence[str]],
    sources: Sequence[Source],
    models: Sequence[Model],
    contracts: Mapping[str, Contract],
) -> dict[str, Notes]:
    """Return the notes of every table whose `columns` are given; `models` come after those they read."""
    found = {name: _own(name, columns[name]) for name in columns if name.startswith("etl.")}
    found |= {source.table: _raw(source, columns[source.table]) for source in sources if source.table in columns}
    for model in models:
        found[model.name] = _model(model, contracts.get(model.name), columns[model.name], found)
    return found


def declared_notes(catalog: Catalog, models: Models) -> dict[str, Notes]:
    """Return the notes of every table that a project declares."""
    columns = {source.table: list(source.columns) for source in catalog.sources.values()}
    columns |= {model.name: [name for name, _ in model.stored] for model in models.models.values()}
    return notes_on(columns, list(catalog.sources.values()), list(models.models.values()), catalog.tables)


def comment(con: duckdb.DuckDBPyConnection, notes: Mapping[str, Notes]) -> None:
    """Make the comments of tables and of their columns what the notes say."""
    from etl.stages.warehouse import set_comments, transaction

    with transaction(con):
        set_comments(con, {table: known.comments for table, known in notes.items()})


def _own(table: str, names: Sequence[str]) -> Notes:
    said = OWN.get(table, {"": "Internal to etl; it may change with any version."})
    return _notes(said[""], "", {name: {"description": said.get(name, "")} for name in names})


def _raw(source: Source, names: Sequence[str]) -> Notes:
    day = "The date of the delivery." if source.is_dated else "The date of the snapshot."
    promised, added = source.contract.notes(), {source.partition: day, **_ADDED}
    columns = {name: {"description": added.get(name, ""), **promised.get(name, {})} for name in names}
    return _notes(source.contract.description, "", columns)


def _model(model: Model, contract: Contract | None, names: Sequence[str], known: Mapping[str, Notes]) -> Notes:
    promised = expanded(contract, names).notes() if contract else {}
    passed, units, said = dict(model.passed), dict(model.header.unit), dict(model.header.column)
    columns = {}
    for name in names:
        own = {"description": said.get(name) or model.kind.said.get(name, ""), "unit": units.get(name, "")}
        own |= promised.get(name, {})
        inherited = _inherited([known.get(t, _NOTHING).columns.get(c, {}) for t, c in passed.get(name, ())])
        columns[name] = inherited | {kind: text for kind, text in own.items() if text}
    description = contract.description if contract and contract.description else model.description
    return _notes(description, model.header.owner, columns)


def _inherited(origins: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what the columns that one holds the values of all say; what is personal in one is so in all."""
    if len(origins) == 1:
        return dict(origins[0])
    found = {}
    for kind in _KINDS:
        texts = dict.fromkeys(origin.get(kind, "") for origin in origins)
        if kind == "pii":
            texts.pop("", None)
        if texts and (kind == "pii" or len(texts) == 1):
            found[kind] = next(iter(texts))
    return found


def _notes(description: str, owner: str, columns: Mapping[str, Mapping[str, str]]) -> Notes:
    said = {name: {kind: notes[kind] for kind in _KINDS if notes.get(kind)} for name, notes in columns.items()}
    return Notes(description, owner, {name: notes for name, notes in said.items() if notes}, tuple(columns))
