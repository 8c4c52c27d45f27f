"""What is taken of whole projects: the default one, TPC-H's 22 queries. What is not has a reason here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from etl.errors import UnsupportedOnSpark
from etl.ledger import Ledger
from etl.models.spark_sql import translated
from etl.plan.definitions import definitions, raw_tables
from etl.project import load_project
from tests.support.projects import REPOSITORY

pytest.importorskip("sqlglot")

#: The models that are refused, and for what.
REFUSED: Mapping[str, str] = {}


def benchmark(name: str) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "benchmarks"))
        return importlib.import_module(name)


def defined(con: duckdb.DuckDBPyConnection, tables: Mapping[str, Iterable[tuple[str, str]]]) -> None:
    for name, columns in tables.items():
        con.execute(f"create schema if not exists {name.partition('.')[0]}")
        con.execute(f"create table {name} ({', '.join(f'{column} {type}' for column, type in columns)})")


def default(con: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[tuple[str, str]]:
    catalog, models = definitions(load_project(str(REPOSITORY)), Ledger(folder / "ledger.sqlite"))
    defined(con, {given.name: given.columns for given in raw_tables(catalog)})
    defined(con, {model.name: model.stored for model in models.models.values()})
    yield from ((model.name, model.sql) for model in models.models.values() if model.kind.is_select and model.sql)


def tpch(con: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[tuple[str, str]]:
    made = benchmark("models_tpch")
    defined(con, {f"staging.{name}": columns.items() for name, columns in made.COLUMNS.items()})
    yield from ((name, (made.QUERIES / f"{name}.sql").read_text()) for name in made.MARTS)


@pytest.mark.parametrize(("project", "least"), [(default, 15), (tpch, 22)])
def test_what_is_taken_of(project, least: int, tmp_path: Path) -> None:
    with duckdb.connect() as con:
        refused, count = {}, 0
        for name, sql in project(con, tmp_path):
            count += 1
            try:
                translated(con, sql, f"sql/{name}.sql")
            except UnsupportedOnSpark as error:
                refused[name] = str(error)
    assert count >= least
    assert {name: text for name, text in refused.items() if REFUSED.get(name, "nothing") not in text} == {}
    assert {*refused} == {*refused} & {*REFUSED}
