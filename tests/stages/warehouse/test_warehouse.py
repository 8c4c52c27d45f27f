"""build.duckdb: partitions are replaced whole, models are built from them, each in one transaction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.contract import Column, Contract
from etl.errors import TransformError, WithdrawnError
from etl.ledger import Key, Ledger, stamp
from etl.ledger.keys import BUILD
from etl.models import Header, Model
from etl.project import Project
from etl.sources import Source
from etl.stages import lake, warehouse
from etl.stages.warehouse import Build, Partition, Table
from tests.support import tiny

SALES = {
    "sales/2024-03-01.csv": tiny.HEADER + "1,book,1\n2,pen,2\nx,,\n",
    "sales/2024-03-02.csv": tiny.HEADER + "3,book,3\n",
}
FIRST, SECOND = date(2024, 3, 1), date(2024, 3, 2)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.project(tmp_path, raw=SALES)


def partitions(project: Project, source: Source) -> dict[date, Partition]:
    """Extract all deliveries; return the partitions to load."""
    found = {}
    for receipt in tiny.take(project, source):
        facts, day = receipt.details, date.fromisoformat(receipt.key.partition)
        counts = {name: facts[name] for name in ("records", "rows", "rejected", "discarded", "lines", "skipped")}
        found[day] = Partition(day, receipt.fingerprint, facts["file"], facts["sha256"], **counts)
    return found


def load(project: Project, source: Source, days: Sequence[date] = (FIRST, SECOND), **options: Any) -> int:
    """Extract and load the partitions of `days`; return how many had to be loaded."""
    wanted = {day: p for day, p in partitions(project, source).items() if day in days}
    table = Table(source=source, content="content", partitions=wanted, **options)
    (receipt,) = warehouse.load(project, [table], Ledger(project.ledger), "run-1")
    return int(receipt.details["loaded"])


def build(project: Project, *models: Model, content: str = "1", **options: Any) -> list[bool]:
    """Build models; return which were built."""
    builds = [Build(model, content, content, is_read=False, **options) for model in models]
    receipts = warehouse.transform(project, builds, Ledger(project.ledger), "run-1")
    return [receipt.details["built"] for receipt in receipts]


def model(sql: str, materialized: str = "table", name: str = "marts.items") -> Model:
    return Model(
        name,
        f"sql/{name.replace('.', '/')}.sql",
        sql,
        sql,
        reads=("raw.sales",),
        header=Header(materialized=materialized),
    )


def ask(project: Project, query: str) -> list[tuple[Any, ...]]:
    return tiny.ask(project.build, query)


def test_a_raw_table_has_the_contracts_columns_the_partition_and_where_a_row_came_from(project: Project) -> None:
    assert load(project, tiny.sales()) == 2

    assert ask(project, "select column_name, column_type from (describe raw.sales)") == [
        ("id", "BIGINT"),
        ("item", "VARCHAR"),
        ("price", "DECIMAL(9,2)"),
        ("delivery_date", "DATE"),
        ("_file", "VARCHAR"),
        ("_loaded_at", "TIMESTAMP WITH TIME ZONE"),
    ]
    assert ask(project, "select id, delivery_date, _file from raw.sales order by id") == [
        (1, FIRST, "sales/2024-03-01.csv"),
        (2, FIRST, "sales/2024-03-01.csv"),
        (3, SECOND, "sales/2024-03-02.csv"),
    ]


def test_what_was_loaded_and_rejected_is_told_in_sql(project: Project) -> None:
    load(project, tiny.sales())

    assert ask(project, "select source, date, file, rows, rejected, run_id from etl.partitions order by date") == [
        ("sales", FIRST, "sales/2024-03-01.csv", 2, 1, "run-1"),
        ("sales", SECOND, "sales/2024-03-02.csv", 1, 0, "run-1"),
    ]
    assert ask(project, "select source, date, line, rule, text from etl.rejects") == [
        ("sales", FIRST, 4, "id.dtype", "x,,")
    ]


def test_loading_again_loads_nothing_and_doubles_nothing(project: Project) -> None:
    load(project, tiny.sales())

    assert load(project, tiny.sales()) == 0
    assert load(project, tiny.sales(), anew=frozenset([FIRST])) == 1
    assert ask(project, "select count(*) from raw.sales") == [(3,)]
    assert ask(project, "select count(*) from etl.partitions") == [(2,)]
    assert ask(project, "select count(*) from etl.rejects") == [(1,)]


def test_a_changed_partition_replaces_itself_only(project: Project) -> None:
    load(project, tiny.sales())
    tiny.deliver(project, {"sales/2024-03-01.csv": tiny.HEADER + "9,pen,9\n"})

    assert load(project, tiny.sales()) == 1
    assert ask(project, "select id from raw.sales order by id") == [(3,), (9,)]
    assert ask(project, "select count(*) from etl.rejects") == [(0,)]


def test_a_withdrawn_partition_leaves_the_table_the_lake_and_the_ledger(project: Project) -> None:
    load(project, tiny.sales())

    load(project, tiny.sales(), [SECOND], withdrawn=[FIRST])

    assert ask(project, "select id from raw.sales") == [(3,)]
    assert ask(project, "select date from etl.partitions") == [(SECOND,)]
    assert ask(project, "select count(*) from etl.rejects") == [(0,)]
    assert not lake.partition_file(project.lake, tiny.sales(), FIRST).exists()
    assert not lake.partition_file(project.quarantine, tiny.sales(), FIRST).exists()
    assert Ledger(project.ledger).receipt(tiny.extract_key("2024-03-01")) is None


def test_too_many_withdrawn_partitions_stop_the_load_and_change_nothing(project: Project) -> None:
    source = tiny.sales(max_withdrawn=1)
    load(project, source)

    with pytest.raises(WithdrawnError, match=r"sales: .* 2 .*2024-03-01, 2024-03-02.*--allow-withdrawn sales"):
        load(project, source, [], withdrawn=[FIRST, SECOND])
    assert ask(project, "select count(*) from raw.sales") == [(3,)]

    load(project, source, [], withdrawn=[FIRST, SECOND], allow_withdrawn=True)
    assert ask(project, "select count(*) from raw.sales") == [(0,)]


def test_one_source_that_cannot_be_loaded_stops_no_other(project: Project) -> None:
    table = Table(source=tiny.sales(), content="content", partitions=partitions(project, tiny.sales()))
    vanished = replace(table, source=tiny.sales(name="returns", max_withdrawn=0), partitions={}, withdrawn=[FIRST])

    with pytest.raises(WithdrawnError, match="returns"):
        warehouse.load(project, [vanished, table], Ledger(project.ledger), "run-1")

    assert ask(project, "select count(*) from raw.sales") == [(3,)]
    assert set(Ledger(project.ledger).receipts()) >= {Key("load", "sales")}
    assert Key("load", "returns") not in Ledger(project.ledger).receipts()


def test_other_columns_remake_the_table(project: Project) -> None:
    load(project, tiny.sales())
    columns = (*tiny.CONTRACT.columns[:2], Column("price", "DOUBLE", True))

    assert load(project, tiny.sales(contract=Contract("Sales", columns))) == 2
    assert ask(project, "select typeof(price) from raw.sales limit 1") == [("DOUBLE",)]
    assert ask(project, "select count(*) from raw.sales") == [(3,)]


def test_a_source_without_deliveries_is_an_empty_table(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={})

    warehouse.load(
        project, [Table(source=tiny.sales(), content="content", partitions={})], Ledger(project.ledger), "run-1"
    )

    assert ask(project, "select count(*) from raw.sales") == [(0,)]


def test_a_partition_of_which_nothing_was_accepted_is_known_too(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": "id\n1\n"})

    assert load(project, tiny.sales(optional=True)) == 1
    assert ask(project, "select rows, rejected from etl.partitions") == [(0, 1)]
    assert ask(project, "select rule from etl.rejects") == [("partition.refused",)]


def test_the_build_is_noted_as_it_was_left(project: Project) -> None:
    load(project, tiny.sales())

    noted = Ledger(project.ledger).receipt(BUILD)

    assert noted is not None
    assert noted.details["stamp"] == stamp(project.build)


def test_a_model_is_built_once_for_a_fingerprint(project: Project) -> None:
    load(project, tiny.sales())
    items = model("select item, count(*) as sales from raw.sales group by item")

    assert build(project, items) == [True]
    assert build(project, items) == [False]
    assert build(project, items, anew=frozenset(["marts.items"])) == [True]
    assert build(project, items, content="2") == [True]
    assert ask(project, "select * from marts.items order by all") == [("book", 2), ("pen", 1)]
    assert ask(project, "select name, materialized, fingerprint, rows, run_id from etl.models") == [
        ("marts.items", "table", "2", 2, "run-1")
    ]


def test_a_model_can_become_a_view_and_a_table_again(project: Project) -> None:
    load(project, tiny.sales())

    for content, kind in enumerate(["table", "view", "table"]):
        build(project, model("select id from raw.sales", kind), content=str(content))
        query = "select table_type from information_schema.tables where table_schema = 'marts'"
        assert ask(project, query) == [({"table": "BASE TABLE", "view": "VIEW"}[kind],)]
        rows = 3 if kind == "table" else None
        assert ask(project, "select materialized, rows from etl.models") == [(kind, rows)]


def test_a_model_may_end_in_a_comment_or_begin_with_one(project: Project) -> None:
    load(project, tiny.sales())

    build(project, model("-- grain: id\nselect id from raw.sales -- all of them"))

    assert ask(project, "select count(*) from marts.items") == [(3,)]


def test_a_model_that_fails_is_named_with_its_file_and_stops_no_other(project: Project) -> None:
    load(project, tiny.sales())
    bad = model("select item::integer as n from raw.sales", name="marts.bad")

    with pytest.raises(TransformError, match=r"marts\.bad \(sql/marts/bad\.sql\) could not be built: .*'"):
        build(project, bad, model("select id from raw.sales"))

    assert ask(project, "select name from etl.models") == [("marts.items",)]
    assert Key("transform", "marts.bad") not in Ledger(project.ledger).receipts()


def test_a_model_that_fails_leaves_its_earlier_table_as_it_was(project: Project) -> None:
    load(project, tiny.sales())
    build(project, model("select id from raw.sales"))

    with pytest.raises(TransformError):
        build(project, model("select no_such_column from raw.sales"), content="2")

    assert ask(project, "select count(*) from marts.items") == [(3,)]
    assert ask(project, "select fingerprint from etl.models") == [("1",)]


def test_what_no_source_and_no_model_makes_any_more_is_dropped(project: Project) -> None:
    load(project, tiny.sales())
    build(project, model("select id from raw.sales"), model("select 1 as x", "view", "marts.gone"))

    with warehouse.open_build(project, Ledger(project.ledger), "run-2") as con:
        warehouse.remove_obsolete(con, [], ["marts.items"])

    query = "select table_schema || '.' || table_name from information_schema.tables where table_schema <> 'etl'"
    assert ask(project, query) == [("marts.items",)]
    assert ask(project, "select name from etl.models") == [("marts.items",)]
    assert ask(project, "select count(*) from etl.partitions") == [(0,)]
