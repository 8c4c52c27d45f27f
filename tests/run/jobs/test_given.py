"""Spark is given the files of a table where they lie, if it reads them as DuckDB does, else a copy of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from etl.models.spark_sql import spark_type
from etl.run.jobs.given import given
from etl.stages.warehouse.part_writing import rows_in
from tests.support import tiny
from tests.support.spark_sql import VALUES

#: A column of each type that both have, and of some that Spark lacks.
TYPES = [*VALUES, "VARCHAR", "INTEGER[]", "FLOAT", "SMALLINT", "UINTEGER", "TIME", "BLOB", "TIMESTAMP_NS", "UUID"]


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("create schema marts")
        yield con


def filed(con: duckdb.DuckDBPyConnection, files: list[Path], columns: list[tuple[str, str]]) -> None:
    con.execute(f"create or replace view marts.t as {rows_in(columns, files)}")


@pytest.mark.parametrize("type", TYPES)
def test_a_file_is_given_if_its_types_are_those_of_a_copy(
    type: str, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "t.parquet"
    stored = type.replace("HUGEINT", "DECIMAL(38,0)")
    con.execute(f"copy (select 1 as k, cast(null as {stored}) as v) to '{file}' (format parquet)")
    filed(con, [file], [("k", "INTEGER"), ("v", type)])
    found = given(con, "marts.t", "select `k`, `v` from `etl__marts__t`", tmp_path)
    assert found == [file if spark_type(type) else tmp_path / "marts.t.parquet"]
    if not spark_type(type):
        assert duckdb.read_parquet(str(found[0])).columns == ["k"]


@pytest.mark.parametrize(
    ("second", "columns", "sql", "is_given"),
    [
        ("select 2 as k, 'b' as v", {"k": "INTEGER", "v": "VARCHAR"}, "select `v` from t", True),
        # a column of the table that the files lack
        ("select 2 as k, 'b' as v", {"k": "INTEGER", "v": "VARCHAR", "w": "DATE"}, "select `v` from t", True),
        ("select 2 as k, 'b' as v", {"k": "INTEGER", "v": "VARCHAR", "w": "DATE"}, "select `w` from t", False),
        (
            "select 2 as k, 'b' as v",
            {"k": "INTEGER", "v": "VARCHAR", "w": "DATE"},
            "select distinct * from t",
            False,
        ),
        # another type in one of them, and in the table
        ("select 2::bigint as k, 'b' as v", {"k": "INTEGER", "v": "VARCHAR"}, "select `k` from t", False),
        ("select 2 as k, 'b' as v", {"k": "BIGINT", "v": "VARCHAR"}, "select `k` from t", False),
    ],
)
def test_only_what_the_select_needs_decides(
    second: str, columns: dict[str, str], sql: str, is_given: bool, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file, query in zip(files, ("select 1 as k, 'a' as v", second), strict=True):
        con.execute(f"copy ({query}) to '{file}' (format parquet)")
    items = ", ".join(f"{f'r.{n}' if n != 'w' else 'null'}::{type} as {n}" for n, type in columns.items())
    listed = ", ".join(f"'{file}'" for file in files)
    con.execute(
        f"create view marts.t as select {items} from read_parquet([{listed}], hive_partitioning = false) as r"
    )
    assert (given(con, "marts.t", sql, tmp_path) == files) is is_given


def test_what_is_no_view_of_files_alone_is_copied(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    copy = [tmp_path / "marts.t.parquet"]
    con.execute("create table marts.t as select 1 as k")
    assert given(con, "marts.t", "select `k` from t", tmp_path) == copy


@pytest.mark.parametrize("columns", ["`id`", "`item`, `delivery_date`", "`id`, `_file`"])
def test_of_a_raw_view_the_files_of_the_lake_are_given(columns: str, tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace('{date}.csv"', '{date}.csv", load="view"')
    project = tiny.project(tmp_path / "a [1], b's", contracts, {}, tiny.SALES)
    tiny.night(project)
    with duckdb.connect(str(project.build), read_only=True) as con:
        found = given(con, "raw.sales", f"select {columns} from `etl__raw__sales`", tmp_path)
    assert sorted(found) == sorted(project.lake.rglob("*.parquet"))
    assert len(found) == 2
