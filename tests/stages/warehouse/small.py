"""A warehouse in memory: raw tables that are filled by hand, and the models of a few SELECTs built on them."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from etl.engine.quoting import set_variable
from etl.ledger import fingerprint
from etl.models import Context, Given, Models, read_models
from etl.plan.stale import definitions_of
from etl.stages.warehouse import Build, build_models, define_own

NO_CONTEXT = Context()
_contents = itertools.count()


class Warehouse:
    """An open in-memory warehouse of `given` raw tables and the models in `sql`, by name."""

    def __init__(
        self,
        root: Path,
        given: Sequence[Given],
        sql: Mapping[str, str],
        cutoff_rows: int = 1000,
        context: Context = NO_CONTEXT,
        file: Path | str = ":memory:",
    ) -> None:
        self.given = {table.name: table for table in given}
        self.root, self.cutoff_rows, self.context = root, cutoff_rows, context
        self.con = duckdb.connect(str(file), config={"threads": 1})
        define_own(self.con)
        for table in given:
            columns = ", ".join(f"{name} {type}" for name, type in table.columns)
            self.con.execute(f"create table {table.name} ({columns})")
            self.con.execute("insert into etl._tables values ($1, '', '')", [table.name.removeprefix("raw.")])
        self.problems: list[str] = []
        self.models = self.read(sql)

    def read(self, sql: Mapping[str, str]) -> Models:
        """Read the models from now on, from other texts."""
        for name, text in sql.items():
            path = (
                self.root
                / "sql"
                / (name if "/" in name or name.endswith(".py") else f"{name.replace('.', '/')}.sql")
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.models = read_models(self.root / "sql", list(self.given.values()), self.context)
        for variable, value in self.context.variables.items():
            self.con.execute(set_variable(variable, value))
        return self.models

    def deliver(self, table: str, day: Any, rows: Iterable[Sequence[Any]] | None) -> None:
        """Replace what a raw table holds of a day (of a snapshot: all), as loading does; None: it is withdrawn."""
        given, source = self.given[table], table.removeprefix("raw.")
        where = f"where {given.partition} = $1" if given.partition else "where $1 is not null"
        self.con.execute(f"delete from {table} {where}", [day])
        self.con.execute("delete from etl._loaded where source = $1 and date = $2", [source, day])
        rows = None if rows is None else [list(row) for row in rows]
        if rows is not None:
            content = fingerprint(str(day), sorted(map(str, rows)))
            self.con.execute("insert into etl._loaded values ($1, $2, $3, true)", [source, day, content])
        if rows:
            self.con.executemany(f"insert into {table} values ({', '.join('?' * len(given.columns))})", rows)
        days = self.con.execute("select date, fingerprint from etl._loaded where source = $1", [source]).fetchall()
        content = fingerprint(sorted(map(str, days)))
        self.con.execute("update etl._tables set content = $1 where source = $2", [content, source])

    def build(self) -> dict[str, Any]:
        """Build every model as a night does; return, by model, what its receipt says was done."""
        done = self._build()
        assert not self.problems, self.problems
        return done

    def tried(self) -> tuple[list[str], list[str]]:
        """Build every model; return those that could be built, and what failed."""
        return list(self._build()), self.problems

    def _build(self) -> dict[str, Any]:
        definitions = definitions_of(self.models, "UTC")
        content = f"content {next(_contents)}"
        builds = [
            Build(
                model,
                content,
                definitions[name],
                is_read=name in self.models.read,
                folder=self.root,
                variables=self.context.variables,
            )
            for name, model in self.models.models.items()
        ]
        receipts, self.problems = build_models(self.con, builds, "run-1", self.cutoff_rows)
        return {receipt.key.name: receipt.details for receipt in receipts}

    def built(self) -> list[str]:
        """Build every model; return those that were not left as they were."""
        return [name for name, details in self.build().items() if details["built"]]

    def partitions(self, model: str) -> list[str] | None:
        """Build every model; return the partitions of one that were replaced, None for all of it."""
        found: list[str] | None = self.build()[model]["partitions"]
        return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, in order."""
        return self.con.execute(f"from ({query}) order by all").fetchall()

    def anew(self, table: str) -> list[tuple[Any, ...]]:
        """Return the rows of a model as a full build from nothing would make them, in order."""
        self.con.execute("begin")
        for name in self.models.models:
            kind = "view" if self.models.models[name].materialized == "view" else "table"
            self.con.execute(f"drop {kind} if exists {name} cascade")
        self.con.execute("delete from etl.models; delete from etl._builds; delete from etl._partitions")
        self.con.execute("commit")
        self.build()
        return self.rows(f"from {table}")
