"""Running cases: a warehouse in memory, filled and built night by night by the steps of a real one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from etl import engine
from etl.engine.quoting import identifier, qualified, set_variable
from etl.errors import unknown
from etl.ledger import fingerprint
from etl.models import Given, Models, models_over
from etl.operations.model_tests.cases import Block, Case, Night, error_at
from etl.operations.model_tests.deliver import deliver
from etl.operations.model_tests.difference import difference
from etl.operations.model_tests.rows import put_rows
from etl.operations.model_tests.scene import Definitions, Scene, known_model, set_scene
from etl.plan.stale import definitions_of
from etl.project import Project
from etl.stages.warehouse import Build, build_models, define_own
from etl.stages.warehouse.build import empty, transaction

if TYPE_CHECKING:
    import duckdb

_EXPECTED = "temp.main._expected"


class Workbench:
    """One project's tables and models, and one database in memory that each case has to itself."""

    def __init__(self, project: Project, definitions: Definitions) -> None:
        self.project, self.definitions = project, definitions
        self._opened = ExitStack()
        self._read: dict[Scene, tuple[Models, Mapping[str, str]]] = {}
        self._numbers = itertools.count()

    def run(self, case: Case, target: str) -> str:
        """Run a test of the model `target`; return how the table differs from what is expected, or nothing.

        Raises ModelError for what is wrong with the test.
        """
        known_model(self.definitions, case.file, target)
        scene = set_scene(self.definitions, case, target)
        variables = self._variables(case)
        with self._warehouse() as con:
            for name, value in variables.items():
                con.execute(set_variable(name, value))
            with transaction(con):
                for table in scene.tables:
                    _define(con, table)
            for night in case.nights:
                self._step(con, case, night, scene, variables)
                if night.expect and (problem := self._compare(con, case, night.expect, scene, target)):
                    return problem
        return ""

    def close(self) -> None:
        """Close the database."""
        self._opened.close()

    def _variables(self, case: Case) -> dict[str, str]:
        """Return the project's variables as a case has them."""
        known = self.project.variables
        for name, (line, _) in case.variables.items():
            if name not in known:
                what = unknown(f"there is no variable {name}", name, known, "Set it in [etl.vars] of luigi.cfg")
                raise error_at(case.file, line, what)
        return {**known, **{name: value for name, (_, value) in case.variables.items()}}

    def _step(
        self,
        con: duckdb.DuckDBPyConnection,
        case: Case,
        night: Night,
        scene: Scene,
        variables: Mapping[str, str],
    ) -> None:
        tables = {table.name: table for table in scene.tables}
        content = fingerprint(next(self._numbers))
        with transaction(con):
            for block in night.given:
                deliver(con, case.file, night, block, tables[block.table], content)
        models, code = self._models(scene)
        builds = [
            Build(
                model,
                content,
                code[name],
                False,
                is_read=name in models.read,
                folder=self.project.sql.parent,
                variables=variables,
            )
            for name, model in models.models.items()
        ]
        _, problems = build_models(con, builds, "test", self.project.settings.cutoff_rows)
        if problems:
            raise error_at(case.file, night.expect.line if night.expect else case.line, "\n".join(problems))

    def _compare(self, con: duckdb.DuckDBPyConnection, case: Case, block: Block, scene: Scene, target: str) -> str:
        model = self._models(scene)[0].models[target]
        names = put_rows(con, case.file, block, Given(target, model.stored), _EXPECTED)
        expected = con.execute(f"from {_EXPECTED}").fetchall()
        got = con.execute(f"select {', '.join(map(identifier, names))} from {qualified(target)}").fetchall()
        text = difference(names, expected, got, model.kind.key(model))
        return f"{case.file}:{block.line}: {target} is not as expected: {text}" if text else ""

    def _models(self, scene: Scene) -> tuple[Models, Mapping[str, str]]:
        """Return the models of a scene, and the fingerprints of their code."""
        if scene not in self._read:
            models = models_over(self._con, self.definitions.models, scene.tables, scene.models)
            self._read[scene] = models, definitions_of(models, self.project.settings.timezone)
        return self._read[scene]

    @cached_property
    def _con(self) -> duckdb.DuckDBPyConnection:
        con = self._opened.enter_context(engine.in_memory(self.project))
        con.execute("set threads = 1")
        define_own(con)
        return con

    @contextmanager
    def _warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend the database with no table but those of the schema etl, which are empty."""
        con = self._con
        try:
            yield con
        finally:
            empty(con)


def _define(con: duckdb.DuckDBPyConnection, table: Given) -> None:
    con.execute(f"create schema if not exists {identifier(table.name.split('.')[0])}")
    columns = ", ".join(f"{identifier(name)} {type}" for name, type in table.columns)
    con.execute(f"create table {qualified(table.name)} ({columns})")
