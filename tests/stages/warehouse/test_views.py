"""Raw tables as views over the lake: the same rows and types as loaded ones, whatever comes and goes."""

import random
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract
from etl.engine.quoting import literal
from etl.errors import ContractError
from etl.ledger import Ledger
from etl.operations import purge
from etl.project import Project, load_project
from etl.sources import Source
from etl.stages import lake, warehouse
from etl.stages.published import read_record
from etl.stages.warehouse import Table
from tests.operations.test_kinds import CONTRACTS, HEADER
from tests.support import tiny
from tests.support.both_ways import EDGES, OTHERS, TYPES
from tests.support.kinds import SAMPLES, TRIED
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

DAYS = [date(2024, 3, day) for day in (1, 2, 3)]
VIEW = tiny.CONTRACTS.replace('"sales/{date}.csv"', '"sales/{date}.csv", load="view"')

#: By itself, what is a view stays one.
TABLE = VIEW.replace('"view"', '"table"')


def load(project: Project, source: Source, **options: Any) -> int:
    """Extract and load all deliveries; return how many had to be loaded."""
    wanted = partitions(project, source)
    (receipt,) = warehouse.load(
        project, [Table(source=source, content="c", partitions=wanted, **options)], Ledger(project.ledger), "run-1"
    )
    return int(receipt.details["loaded"])


def partitions(project: Project, source: Source) -> dict[date, warehouse.Partition]:
    found = {}
    for receipt in tiny.take(project, source):
        facts, day = receipt.details, date.fromisoformat(receipt.key.partition)
        names = ("file", "sha256", "records", "rows", "rejected", "discarded", "lines", "skipped")
        found[day] = warehouse.Partition(day, receipt.fingerprint, **{name: facts[name] for name in names})
    return found


def held(project: Project, name: str = "sales") -> tuple[list[Any], list[Any]]:
    """Return the columns of a raw table with their types, and its rows as text, but for when they were loaded."""
    columns = f"select column_name, column_type from (describe raw.{name})"
    rows = f"select (columns(* exclude _loaded_at))::varchar from raw.{name} order by all"
    return tiny.ask(project.build, columns), tiny.ask(project.build, rows)


def check_counted(project: Project) -> None:
    """Check that the rows of the raw table are as many as files and the table beside it say."""
    with duckdb.connect(project.build, read_only=True) as con:
        ((rows,),) = con.execute("select count(_loaded_at is null) from raw.sales").fetchall()
        assert warehouse.count_rows(con, "raw.sales") == rows


def kind_of(project: Project) -> str:
    query = "select table_type from information_schema.tables where table_schema = 'raw'"
    ((kind,),) = tiny.ask(project.build, query)
    return str(kind)


@pytest.mark.parametrize("type", sorted({*TYPES, *OTHERS}))
@given(data=st.data())
@settings(max_examples=examples(2), deadline=None)
def test_a_view_has_the_rows_and_types_of_the_table_for_every_type(
    type: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = tiny.project(tmp_path_factory.mktemp("types"), raw={})
    contract = Contract("X", columns=(Column("x", type, True), Column("n", "INTEGER", False)))
    options: dict[str, Any] = {"contract": contract, "max_reject_ratio": 1, "max_withdrawn": 9}
    table, view = tiny.sales(**options, load="table"), tiny.sales(**options, load="view")
    words = st.lists(st.sampled_from([text for text in EDGES if text.isascii()]), max_size=12)
    for day in data.draw(st.lists(st.sampled_from(DAYS), max_size=3)):
        lines = [f'"{word}",{number}\n' for number, word in enumerate(data.draw(words))]
        tiny.deliver(project, {f"sales/{day}.csv": f"x,n\n{''.join(lines)}"})
        load(project, view)
        assert kind_of(project) == "VIEW"
        check_counted(project)
        viewed = held(project)
        load(project, table)
        assert kind_of(project) == "BASE TABLE"
        assert held(project) == viewed


def test_a_late_a_changed_and_a_withdrawn_delivery_are_seen(tmp_path: Path) -> None:
    project, source = tiny.project(tmp_path, raw={}), tiny.sales(load="view")
    assert (load(project, source), held(project)[1]) == (0, [])

    tiny.deliver(project, {"sales/2024-03-02.csv": tiny.HEADER + "2,pen,2\nx,,\n"})
    assert load(project, source) == 1
    tiny.deliver(project, {"sales/2024-03-01.csv": tiny.HEADER + "1,book,1\n"})
    assert load(project, source) == 1
    tiny.deliver(project, {"sales/2024-03-02.csv": tiny.HEADER + "3,ink,3\n"})
    assert (load(project, source), load(project, source)) == (1, 0)
    assert [row[0] for row in held(project)[1]] == ["1", "3"]

    (project.raw / "sales/2024-03-01.csv").unlink()
    load(project, source, withdrawn=[DAYS[0]])
    assert [row[0] for row in held(project)[1]] == ["3"]


def test_a_file_that_no_receipt_names_is_not_there(tmp_path: Path) -> None:
    project, source = tiny.project(tmp_path, raw=tiny.SALES | {}), tiny.sales(load="view", contract=tiny.CONTRACT)
    tiny.deliver(project, {"sales/2024-03-01.csv": tiny.HEADER + "1,book,1\n"})
    (project.raw / "sales/2024-03-02.csv").unlink()
    load(project, source)
    stray = lake.partition_file(project.lake, source, DAYS[2])
    stray.parent.mkdir()
    shutil.copy(lake.partition_file(project.lake, source, DAYS[0]), stray)

    assert len(held(project)[1]) == 1


def test_what_a_refusal_has_kept_of_an_earlier_contract_stays_until_it_is_replaced(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": tiny.HEADER + "1,book,1\n"})
    tiny.deliver(project, {"sales/2024-03-02.csv": tiny.HEADER + "2,pen,2\n"})
    load(project, tiny.sales(load="view"))
    kept = partitions(project, tiny.sales())[DAYS[0]]
    wider = Contract("Sales", columns=(*tiny.CONTRACT.columns, Column("colour", "VARCHAR", True)))
    source = tiny.sales(contract=wider, load="view")
    (project.raw / "sales/2024-03-01.csv").unlink()
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item,price,colour\n2,pen,2,red\n"})

    table = Table(
        source=source,
        content="c",
        partitions={**partitions(project, source), DAYS[0]: kept},
        kept=frozenset(DAYS[:1]),
    )
    warehouse.load(project, [table], Ledger(project.ledger), "run-2")
    query = "select id, colour, delivery_date from raw.sales order by id"
    assert tiny.ask(project.build, query) == [(1, None, DAYS[0]), (2, "red", DAYS[1])]
    check_counted(project)

    tiny.deliver(project, {"sales/2024-03-01.csv": "id,item,price,colour\n9,ink,1,blue\n"})
    load(project, source)
    assert tiny.ask(project.build, query) == [(2, "red", DAYS[1]), (9, "blue", DAYS[0])]


def test_readers_get_what_a_refusal_has_kept_of_an_earlier_contract(tmp_path: Path) -> None:
    """The table beside the view is published with it: without it, no row of the source could be read."""
    project = tiny.project(tmp_path, VIEW, raw={"sales/2024-03-01.csv": "id,item\n1,book\n"})
    tiny.night(project)
    wider = VIEW.replace("\n    item:", "\n    colour: str\n    item:").replace('view"', 'view", optional=True')
    (tmp_path / "contracts/all.py").write_text(wider)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item,colour\n2,pen,red\n"})
    tiny.night(project)

    query = "select id, colour, delivery_date from raw.sales order by id"
    assert tiny.published(project, query) == [(1, None, DAYS[0]), (2, "red", DAYS[1])]


@pytest.mark.parametrize("load", ["table", "view"])
def test_a_snapshot_stays_when_the_next_one_does_not_keep_a_changed_contract(load: str, tmp_path: Path) -> None:
    """The rows in the lake are of the contract of before: as a refused one, they lack a column."""
    text = VIEW.replace("sales/{date}.csv", "sales.csv").replace('"view"', f'"{load}", optional=True')
    project = tiny.project(tmp_path, text, raw={"sales.csv": "id,item\n1,book\n"})
    tiny.night(project)
    (tmp_path / "contracts/all.py").write_text(text.replace("\n    item:", "\n    colour: str\n    item:"))
    tiny.deliver(project, {"sales.csv": "id,item\n2,pen\n"})
    tiny.night(project, date(2024, 4, 1))

    assert tiny.published(project, "select id, colour, item from raw.sales") == [(1, None, "book")]


def test_when_a_row_was_loaded_is_said_by_a_view_too(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": tiny.HEADER + "1,book,1\n"})
    load(project, tiny.sales(load="view"))

    query = "select _loaded_at = loaded_at, source from raw.sales, etl.partitions"
    assert tiny.ask(project.build, query) == [(True, "sales")]


def random_feed(chance: random.Random, start: int) -> str:
    rows = [
        f"{chance.randrange(5)},{start + number},{chance.choice('UV')},"
        f"{chance.choice(('true', 'false'))},a{number}"
        for number in range(chance.randrange(6))
    ]
    return HEADER + "\n".join([*rows, ""])


@given(seed=st.integers(0, 2**32))
@settings(max_examples=examples(2), deadline=None)
def test_every_kind_of_model_is_published_the_same(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    chance, sql = random.Random(seed), dict(SAMPLES[kind] for kind in TRIED if kind != "view")
    root = tmp_path_factory.mktemp("kinds")
    sides = [
        tiny.project(
            root / name,
            CONTRACTS.replace('"day")', f'"day", max_withdrawn=9, min_rows_ratio=0, load="{name}")'),
            sql,
            {},
        )
        for name in ("table", "view")
    ]
    for number in range(3):
        day = chance.choice(DAYS)
        text, is_gone = random_feed(chance, 10 * number), chance.random() < 0.2
        for side in sides:
            tiny.deliver(side, {f"feed/{day}.csv": text})
            if is_gone:
                (side.raw / f"feed/{day}.csv").unlink()
            tiny.night(side)
        table, view = (read_record(side.current) for side in sides)
        assert table and view
        assert view.tables == table.tables
        assert len(view.tables) == len(sql) + 1


def test_to_load_a_table_or_not_builds_no_model_again(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project)
    before = tiny.published(project, "select * from etl.models")
    for contracts, kind in ((VIEW, "VIEW"), (TABLE, "BASE TABLE")):
        (tmp_path / "contracts/all.py").write_text(contracts)
        planned = tiny.night(project)
        steps = [text for text in tiny.stale(planned) if text.split()[0] in ("extract", "transform")]
        assert steps == []
        query = "select table_type from information_schema.tables where table_schema = 'raw'"
        assert tiny.published(project, query) == [(kind,)]
        assert tiny.published(project, "select * from etl.models") == before
        assert tiny.stale(tiny.plan(project)) == []


def test_what_is_published_without_raw_reads_no_other_file(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, VIEW, settings="publish_raw = no\n")
    tiny.night(project)
    elsewhere = tmp_path / "elsewhere.duckdb"
    shutil.copy(project.warehouse, elsewhere)
    shutil.rmtree(project.lake)

    assert sorted(tiny.ask(elsewhere, "from marts.items")) == [("book", 2), ("pen", 1)]
    assert tiny.ask(elsewhere, "select count(*) from duckdb_views() where not internal") == [(0,)]
    assert tiny.ask(elsewhere, "select rows from etl.partitions order by date") == [(2,), (1,)]


def test_a_history_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="stay as they were taken, so they are loaded"):
        tiny.sales(files="sales.csv", history=True, load="view")
    with pytest.raises(ContractError, match="load is one of auto, table, view"):
        tiny.sales(load="maybe")


def test_data_that_was_moved_is_read_where_it_is(tmp_path: Path) -> None:
    project = tiny.project(tmp_path / "a [1]", VIEW)
    tiny.night(project)
    (tmp_path / "a [1]").rename(tmp_path / "b's")
    moved = load_project(tmp_path / "b's")
    tiny.deliver(moved, {"sales/2024-03-03.csv": "id,item\n4,ink\n"})
    with warehouse.open_build(moved, Ledger(moved.ledger), "run-1") as con:
        assert con.execute("select count(*) from raw.sales").fetchall() == [(3,)]
    tiny.night(moved)

    assert sorted(tiny.published(moved, "from marts.items")) == [("book", 2), ("ink", 1), ("pen", 1)]
    assert literal(str(tmp_path / "a"))[1:-1] not in str(tiny.ask(moved.build, "select sql from duckdb_views()"))


def test_what_is_purged_is_gone_and_comes_back_only_from_raw(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, VIEW)
    tiny.night(project)
    (project.raw / "sales/2024-03-01.csv").unlink()
    purge.purge(project, "sales", DAYS[0])
    assert not lake.partition_folders(project, "sales")[0].name.endswith(str(DAYS[0]))
    tiny.night(project)

    assert tiny.ask(project.build, "select id from raw.sales") == [(3,)]
    assert tiny.published(project, "from marts.items") == [("book", 1)]
