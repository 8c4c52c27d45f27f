"""Models with `engine: spark`: computed by Spark where there is one, else by DuckDB, with the same content."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import duckdb
import pytest

from etl.errors import StepError, TransformError, UnsupportedOnSpark
from etl.ledger import Check, Ledger
from etl.ledger.history import History
from etl.ledger.keys import transform_key
from etl.models import Model, read_models
from etl.models.asked import Header
from etl.run.jobs import witness
from etl.run.jobs.hosts.spark import Spark, open_host
from etl.stages.warehouse import Build
from tests.support import tiny
from tests.support.hosts import CLUSTERS, HOSTS, SPARKS, scheme_of
from tests.support.projects import Project

pytest.importorskip("sqlglot")

CONTRACT = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)
    price: int = pa.Field(ge=0)

sales = Source(contract=Sales, files="sales/{date}.csv")
"""
SQL = {
    "staging/priced.sql": "-- materialized: view\nselect *, price * 2 as dear from raw.sales",
    "marts/items.sql": "-- engine: spark\n-- unique: item\n"
    "select item, sum(dear) as dear, avg(price) as mean, count(*) filter (where price > 2) as many, "
    "max(delivery_date) as newest from staging.priced group by item",
    "marts/filed.sql": "-- engine: spark\n-- storage: lake\n"
    "select item, sum(dear) as dear, count(*) as many from staging.priced group by item",
    # it reads the file of that one, where it lies
    "marts/again.sql": "-- engine: spark\nselect item, dear + 1 as dear from marts.filed",
}
RAW = {
    f"sales/2024-03-0{day}.csv": "id,item,price\n" + "".join(f"{n},item {n % 7},{n * day}\n" for n in range(40))
    for day in (1, 2, 3)
}


def shop(root: Path, executor: str = "") -> Project:
    tiny.project(root, CONTRACT, SQL, RAW, f"threads = 1\n{f'executor = {executor}' if executor else ''}\n")
    return Project(root)


def rows(project: Project) -> list[tuple[object, ...]]:
    with duckdb.connect(str(project.warehouse), read_only=True) as con:
        tables = ("marts.items", "marts.filed", "marts.again")
        described = [row for table in tables for row in con.execute(f"describe {table}").fetchall()]
        return [*described, *(row for t in tables for row in con.execute(f"from {t} order by all").fetchall())]


@pytest.mark.parametrize("kind", SPARKS)
def test_spark_computes_what_duckdb_does(kind: str, tmp_path: Path) -> None:
    alone = shop(tmp_path / "alone")
    assert "spark:" not in alone.published(date="2024-03-31").output
    with HOSTS[scheme_of(kind)]() as url:
        # what means something to Spark in a path
        away = shop(tmp_path / "a [1], b's {é}*%20=x", url)
        night = away.published(date="2024-03-31", is_cold=True, PYTHONPATH=str(CLUSTERS))
        assert f" by {url}" in night.output
        assert rows(away) == rows(alone)
        assert not list((away.data / ".scratch" / "parts").glob("*"))
        assert len(list(away.data.glob("warehouse/parts/marts.filed/*.parquet"))) == 1
        with duckdb.connect(str(away.warehouse), read_only=True) as con:
            said = con.execute("select name, passed from etl.checks where name like '%.witness' order by all")
            assert said.fetchall() == [(f"marts.{name}.witness", True) for name in ("again", "filed", "items")]


@pytest.mark.parametrize("version", ["3.5.8", "4.4.0", "4.10.1", "5.0.0-preview1"])
def test_a_spark_that_nobody_has_compared_is_refused(version: str, tmp_path: Path) -> None:
    spark = Spark("spark://master:7077", SimpleNamespace(version=version))
    with pytest.raises(StepError, match=f"7077 is Spark {version}. What .* with Spark 4.0 to 4.3 only"):
        spark.select("select 1", {}, tmp_path, {})


def test_a_library_that_spark_connect_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise ImportError("[PACKAGE_NOT_INSTALLED] grpcio >= 1.67.0 must be installed; however, it was not found.")

    builder = MagicMock()
    builder.appName.return_value.config.return_value.remote = refuse
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "pyspark.sql", SimpleNamespace(SparkSession=SimpleNamespace(builder=builder)))
    with pytest.raises(
        StepError, match=r"^sc://there needs more: .*grpcio .* Install it: pip install 'etl\[spark\]'"
    ):
        open_host("sc://there")


def test_without_a_spark_duckdb_computes_it(tmp_path: Path) -> None:
    project = shop(tmp_path / "shop", "processes://2")
    assert "marts.items" in project.published(date="2024-03-31").output
    assert len(rows(project)) > 7


def test_what_is_not_on_the_list_ends_the_run_before_it_begins(tmp_path: Path) -> None:
    project = shop(tmp_path / "shop")
    (project.root / "sql/marts/items.sql").write_text(
        "-- engine: spark\nselect\n    hash(item) as h\nfrom raw.sales\n"
    )
    night = project.nightly(date="2024-03-31")
    assert night.exit_code == 35
    assert "sql/marts/items.sql:3: engine: spark has no proof for the function hash()" in night.output


@pytest.mark.parametrize("wrong", ["update t set n = n + 1 where k = 'b'", "delete from t where k = 'b'"])
def test_the_witness_sees_a_row_that_is_another_or_lost(wrong: str, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with duckdb.connect() as con:
        con.execute("create schema raw; create table raw.given as from (values ('a', 1), ('b', 2)) v(k, n)")
        con.execute("create table t as select k, sum(n) as n from raw.given group by k")
        sql = "select k, sum(n) as n from raw.given group by k"
        model = Model(
            "main.t",
            "sql/main/t.sql",
            sql,
            sql,
            reads=("raw.given",),
            columns=(("k", "VARCHAR"), ("n", "HUGEINT")),
            header=Header(engine="spark"),
        )
        build = Build(model, "this content", "")
        witness.testify_keys(con, build, ledger, "run-1", url="spark://x")
        assert ledger.checks()["main.t.witness"].passed
        con.execute(wrong)
        with pytest.raises(TransformError, match="differ from what DuckDB computes"):
            witness.testify_keys(con, build, ledger, "run-2", url="spark://x")
    check = ledger.checks()["main.t.witness"]
    assert (check.table_name, check.severity, check.passed) == ("main.t", "error", False)
    assert check.failing == (2 if "update" in wrong else 1)
    assert [(row.run_id, row.passed) for row in History(ledger).checks()] == [("run-1", True), ("run-2", False)]
    assert "20 values of k" in check.examples[0]
    assert "'b'" not in check.examples[0]


def test_the_audit_takes_over_what_the_witness_said_of_a_table_that_is_still_the_same(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, CONTRACT, {"marts/items.sql": "select item from raw.sales"}, RAW)
    tiny.night(project)
    ledger, query = Ledger(project.ledger), "select name, passed from etl.checks where table_name = 'marts.items'"
    receipt = ledger.receipt(transform_key("marts.items"))
    assert receipt
    said = Check(
        name="marts.items.witness",
        table_name="marts.items",
        severity="error",
        passed=True,
        failing=0,
        examples=[],
        run_id="run-1",
        fingerprint=receipt.fingerprint,
    )
    for sql, found in (("select 1 as n", [(said.name, True)]), ("select 2 as n", [(said.name, True)])):
        ledger.put_check(said)
        (project.sql / "marts/other.sql").write_text(sql)
        tiny.night(project)
        assert tiny.published(project, query) == found
    (project.sql / "marts/items.sql").write_text("select item, price from raw.sales")
    tiny.night(project)
    assert tiny.published(project, query) == []


def test_a_model_that_is_not_a_table_cannot_ask_for_it(tmp_path: Path) -> None:
    from etl.errors import ModelError

    (tmp_path / "sql" / "marts").mkdir(parents=True)
    (tmp_path / "sql/marts/x.sql").write_text("-- materialized: view\n-- engine: spark\nselect 1 as x")
    with pytest.raises(ModelError, match="'engine' goes with materialized: table"):
        read_models(tmp_path / "sql", [])
    assert issubclass(UnsupportedOnSpark, ModelError)
