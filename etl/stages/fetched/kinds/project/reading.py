"""What is read of a table of another project: which columns, by which SELECT, and what a manifest says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from etl.engine.quoting import qualified
from etl.project.others import Publication
from etl.sources.fetches.project import Project
from etl.stages.fetched.asked import Asked
from etl.stages.fetched.kinds.database.catalogue import Held, choose
from etl.stages.fetched.kinds.project.columns import check_types, columns_for, family_of

if TYPE_CHECKING:
    import duckdb

#: So many rows are one batch.
BATCH = 100_000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A table of a generation, with the columns that it has, and the SELECT of those that are taken."""

    there: Publication
    table: str
    environment: str
    held: Sequence[Held]
    query: str

    @classmethod
    def of(cls, asked: Asked, there: Publication, table: str, con: duckdb.DuckDBPyConnection) -> Reading:
        """Return what is to be read. Raises FetchError for a column that lacks, or is of another type."""
        where = f"{table} of {there.root}"
        types = con.execute(f"describe {qualified(table)}").fetchall()
        held = [Held(name=column, type=str(type), family=family_of(str(type))) for column, type, *_ in types]
        chosen = [one.held for one in choose(held, asked.contract, asked.extra, (), where)]
        check_types(chosen, asked.contract, where)
        query = f"select {', '.join(columns_for(con, table, chosen))} from {qualified(table)}"
        environment = cast("Project", asked.fetch).environment
        return cls(there=there, table=table, environment=environment, held=held, query=query)

    @property
    def told(self) -> dict[str, Any]:
        """What a manifest says of it in the places of its own."""
        import duckdb

        return {
            "snapshot": self.there.generation,
            "columns": [(one.name, one.type) for one in self.held],
            "query": self.query,
            "versions": {"duckdb": duckdb.__version__},
        }

    @property
    def more(self) -> Mapping[str, Any]:
        """What else a manifest says of it."""
        return {
            "project": str(self.there.root),
            "environment": self.environment,
            "table": self.table,
            "generation": self.there.generation,
            "published_at": self.there.published_at,
        }
