"""What a published table says of itself: descriptions, units and owners, from its contract and its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.contract import Contract
from etl.contract.contract import comment_of
from etl.contract.expand import expanded
from etl.models import Model
from etl.stages.warehouse import set_comments

if TYPE_CHECKING:
    import duckdb

_COLUMNS = (
    "select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns() "
    "where database_name = current_database() and not internal group by all"
)


@dataclass(frozen=True)
class Notes:
    """The notes of one table; `columns` has description, unit and pii, of each column that has any."""

    description: str = ""
    owner: str = ""
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def comments(self) -> dict[str, str]:
        """The comment of each column, and under an empty name that of the table."""
        table = {"description": self.description, "owner": self.owner}
        return {"": comment_of(table), **{name: comment_of(notes) for name, notes in self.columns.items()}}


def notes_of(
    con: duckdb.DuckDBPyConnection, models: Sequence[Model], contracts: Mapping[str, Contract]
) -> dict[str, Notes]:
    """Return the notes of each model, as build.duckdb has its columns; what a contract says goes first."""
    columns = dict(con.execute(_COLUMNS).fetchall())
    return {model.name: _notes(model, contracts.get(model.name), columns[model.name]) for model in models}


def comment(con: duckdb.DuckDBPyConnection, notes: Mapping[str, Notes]) -> None:
    """Make the comments of tables and of their columns what the notes say."""
    set_comments(con, {table: known.comments for table, known in notes.items()})


def _notes(model: Model, contract: Contract | None, columns: Sequence[str]) -> Notes:
    promised = expanded(contract, columns).notes() if contract else {}
    units = {name: {"unit": unit} for name, unit in model.header.unit}
    found = {name: {**units.get(name, {}), **promised.get(name, {})} for name in columns}
    description = contract.description if contract else ""
    return Notes(description, model.header.owner, {name: known for name, known in found.items() if known})
