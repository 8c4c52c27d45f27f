"""What holds for Project alone: a generation of another project is a delivery of this one."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl import engine
from etl.errors import ContractError, FetchError
from etl.ledger import Ledger
from etl.ledger.lock import take_lock
from etl.operations.fetching import fetch_now
from etl.plan.definitions import definitions
from etl.project import Project, load_project
from etl.project.others import RECORD
from etl.sources import fetches
from etl.stages import fetched, published
from etl.stages.fetched import newest_manifest
from etl.stages.published import FILE
from tests.support import publishers, tiny

DAY = date(2024, 3, 1)
HEAD = "import pandera.pandas as pa\nimport pandas as pd\nimport pyarrow as arrow\nfrom etl import *\n"
BOOKS, PENS = [(1, "book")], [(1, "book"), (2, "pen")]
COLUMNS = "id bigint, item varchar"


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """The project whose publications others read."""
    return publishers.project(tmp_path / "shop")


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Project]:
    """Make a project beside the shop that reads a table of it."""

    def made(
        fields: str = "id: int; item: str", fetch: str = "'../shop', 'marts.items'", more: str = ""
    ) -> Project:
        model = "\n    ".join(fields.split("; "))
        source = f"items = Source(contract=Items, fetch=Project({fetch}){more})"
        contracts = f"{HEAD}class Items(pa.DataFrameModel):\n    {model}\n\n{source}\n"
        found = tiny.project(tmp_path / "reader", contracts, {"marts/items.sql": "from raw.items"}, {})
        monkeypatch.setenv("ETL_PROJECT", str(found.root))
        return found

    return made


def fetch(project: Project, **options: Any) -> fetched.Fetched:
    source = definitions(project, Ledger(project.ledger))[0].sources["items"]
    return fetched.fetch(project, source, DAY, **options)


def rows(project: Project, columns: str = "id, item") -> list[tuple[Any, ...]]:
    tiny.night(project, DAY)
    return tiny.published(project, f"select {columns} from marts.items order by all")


def test_a_rollback_there_is_a_delivery_here(shop: Project, reader: Callable[..., Project]) -> None:
    here = reader()
    first = publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS)})
    assert fetch(here).newest.snapshot == first
    second = publishers.publish(shop, {"marts.items": (COLUMNS, PENS)})
    assert fetch(here).newest.more["generation"] == second
    assert rows(here) == PENS
    published.switch(shop, first)
    assert fetch(here).newest.more["generation"] == first
    assert rows(here) == BOOKS


def test_what_holds_the_same_is_not_even_opened(
    shop: Project, reader: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = reader()
    publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS), "marts.other": (COLUMNS, BOOKS)})
    assert fetch(here).files
    publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS), "marts.other": (COLUMNS, PENS)})
    monkeypatch.setattr(engine, "reading", None)
    assert fetch(here).files == ()


def test_another_column_in_the_contract_is_read_of_the_same_generation(
    shop: Project, reader: Callable[..., Project]
) -> None:
    publishers.publish(shop, {"marts.items": (COLUMNS, PENS)})
    assert fetch(reader("id: int", more=", extra='ignore'")).files
    assert fetch(reader("id: int; item: str")).files
    assert rows(load_project()) == PENS


def test_no_lock_of_the_other_project_is_asked_for_and_none_of_its_code_is_run(
    shop: Project, reader: Callable[..., Project]
) -> None:
    (shop.root / "contracts").mkdir()
    (shop.root / "contracts/all.py").write_text("raise RuntimeError('imported')")
    # of a newer etl, too
    (shop.root / "luigi.cfg").write_text("[etl]\nunheard_of = 1\n")
    publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS)})
    lock = take_lock(shop, "a night")
    try:
        assert fetch(reader()).files
    finally:
        os.close(lock)
    assert not shop.ledger.exists()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("id bigint", r"marts.items of .*/shop does not have 'item', which the contract Items requires"),
        (f"{COLUMNS}, price int", r"has columns that the contract Items does not have: 'price'"),
        ("id varchar, item varchar", r"id is VARCHAR there, and BIGINT in the contract"),
        ("id date, item varchar", r"id is DATE there, and BIGINT in the contract"),
        ("id bigint[], item varchar", r"id is BIGINT\[\] there, and BIGINT in the contract"),
        ("id bigint, item int", r"item is INTEGER there, and VARCHAR in the contract"),
        ("id bigint, item boolean", r"item is BOOLEAN there, and VARCHAR in the contract"),
        ("id bigint, item union(a int)", r"item is UNION\(a INTEGER\) there, and no file can hold a UNION"),
    ],
)
def test_a_column_that_is_missing_or_of_another_type_is_said_before_anything_is_loaded(
    shop: Project, reader: Callable[..., Project], columns: str, said: str
) -> None:
    publishers.publish(shop, {"marts.items": (columns, [])})
    here = reader()
    with pytest.raises(FetchError, match=f"items: .*{said}"):
        fetch(here)
    assert list(here.fetched.glob("*/*/*")) == []


@pytest.mark.parametrize(
    ("type", "field", "values"),
    [
        ("hugeint", "int", [2**62]),
        ("hugeint", "pd.ArrowDtype(arrow.decimal128(38, 0))", [10**38 - 1, -(10**38) + 1]),
        ("uuid", "str", ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]),
        ("enum('a', 'b')", "str", ["a", "b"]),
        ("json", "str", ['{"a": [1, 2.50]}']),
        ("bit", "str", ["0101"]),
        ("decimal(30, 10)", "pd.ArrowDtype(arrow.decimal128(30, 10))", ["12345678901234567890.0123456789"]),
        ("double", "float", ["0.1", "inf"]),
        ("real", "pd.ArrowDtype(arrow.float32())", ["0.1"]),
        ("date", "pd.ArrowDtype(arrow.date32())", ["0001-01-01", "9999-12-31"]),
        ("timestamp", "pd.ArrowDtype(arrow.timestamp('us'))", ["2024-02-29 23:59:59.999999"]),
        ("timestamptz", "pd.ArrowDtype(arrow.timestamp('us', 'UTC'))", ["2024-03-31 01:30:00+00"]),
        ("time", "pd.ArrowDtype(arrow.time64('us'))", ["23:59:59.999999"]),
        ("boolean", "bool", [True, False]),
        ("blob", "pd.ArrowDtype(arrow.binary())", ["\\x00\\xFF"]),
        ("int[]", "pd.ArrowDtype(arrow.list_(arrow.int32()))", ["[1, NULL, 3]"]),
        ("struct(a int)", "pd.ArrowDtype(arrow.struct([('a', arrow.int32())]))", ["{'a': 1}"]),
    ],
)
def test_each_value_arrives_exactly(
    shop: Project, reader: Callable[..., Project], type: str, field: str, values: list[object]
) -> None:
    model = field if field in ("int", "str", "float", "bool") else f"{field} = pa.Field()"
    publishers.publish(shop, {"marts.items": (f"v {type}", [(value,) for value in values])})
    here = reader(f"v: {model}")
    assert fetch(here).rows == len(values)
    there = tiny.published(shop, "select v::varchar from marts.items order by 1")
    assert sorted(rows(here, "v::varchar")) == there


def test_what_is_half_there_is_never_read(shop: Project, reader: Callable[..., Project]) -> None:
    here = reader()
    with pytest.raises(FetchError, match=r"shop cannot be read: it has published nothing yet"):
        fetch(here)
    publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS)})
    fetch(here)
    name = publishers.publish(shop, {"marts.items": (COLUMNS, PENS)})
    folder = shop.generations / name
    whole = {file: (folder / file).read_bytes() for file in (FILE, RECORD)}
    halves = [
        (FILE, None),
        (RECORD, None),
        (FILE, whole[FILE][:9000]),
        (RECORD, whole[RECORD][:90]),
        (RECORD, b"[]"),
    ]
    for file, half in halves:
        (folder / file).unlink() if half is None else (folder / file).write_bytes(half)
        with pytest.raises(FetchError, match="leads to nothing that is whole") as caught:
            fetch(here)
        # whoever copies it may be at it
        assert caught.value.is_transient
        (folder / file).write_bytes(whole[file])
    folder.rename(folder.with_name(f".old-{name}"))
    with pytest.raises(FetchError, match="leads to nothing that is whole"):
        fetch(here)
    assert rows(here) == BOOKS


def test_all_tables_are_those_of_one_generation_whatever_becomes_of_it(shop: Project, tmp_path: Path) -> None:
    model = "class {0}(pa.DataFrameModel):\n    id: int\n    item: str\n\n"
    names = ("a", "b")
    texts = [
        f"{model.format(n.upper())}{n} = Source(contract={n.upper()}, fetch=Project('../shop', 'marts.{n}'))"
        for n in names
    ]
    here = tiny.project(tmp_path / "reader", HEAD + "\n".join(texts), {}, {})
    first = publishers.publish(shop, {"marts.a": (COLUMNS, BOOKS), "marts.b": (COLUMNS, BOOKS)})
    sources = definitions(here, Ledger(here.ledger))[0].sources
    from etl.run.fetching import shared_by

    with shared_by([sources[name] for name in names], 0) as shared:
        fetched.fetch(here, sources["a"], DAY, shared=shared)
        publishers.publish(shop, {"marts.a": (COLUMNS, PENS), "marts.b": (COLUMNS, PENS)})
        shutil.rmtree(shop.generations / first)
        fetched.fetch(here, sources["b"], DAY, shared=shared)
    said = [newest_manifest(sources[name], here.fetched) for name in names]
    assert [(one.more["generation"], one.rows) for one in said if one] == [(first, 1), (first, 1)]


def test_another_environment_is_read_if_it_is_named_and_only_then(
    shop: Project, reader: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = tiny.at(shop, shop.data / "environments" / "staging")
    publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS)})
    publishers.publish(staging, {"marts.items": (COLUMNS, PENS)})
    here = reader()
    (here.root / "luigi.cfg").write_text("[etl]\nthreads = 1\n[etl.env.staging]\nraw = own\n")
    monkeypatch.setenv("ETL_ENV", "staging")
    assert rows_fetched(load_project(here.root)) == 1
    monkeypatch.delenv("ETL_ENV")
    assert rows_fetched(reader(fetch=f"{str(shop.root)!r}, 'marts.items', environment='staging'")) == 2


def rows_fetched(project: Project) -> int | None:
    return fetch(project).rows


def test_a_table_or_a_project_that_is_not_there_is_said(shop: Project, reader: Callable[..., Project]) -> None:
    publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS)})
    with pytest.raises(FetchError, match=r"shop publishes no table marts.item .*Did you mean marts.items"):
        fetch(reader(fetch="'../shop', 'marts.item'"))
    with pytest.raises(FetchError, match=r"/nowhere has no luigi.cfg with an \[etl\] section"):
        fetch(reader(fetch="'../nowhere', 'marts.items'"))
    here = reader(fetch="'.', 'marts.items'")
    publishers.publish(here, {"marts.items": (COLUMNS, BOOKS)})
    with pytest.raises(FetchError, match="is what this project itself publishes"):
        fetch(here)


@pytest.mark.parametrize("given", [("", "marts.items"), (3, "marts.items"), ("../shop", "items"), ("../shop", "")])
def test_a_declaration_that_names_no_project_or_table_is_refused(given: tuple[Any, Any]) -> None:
    with pytest.raises(ContractError, match=r"fetch=Project\("):
        fetches.fetch_class("Project")(*given)


def test_a_night_there_and_a_night_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = tiny.project(tmp_path / "shop")
    tiny.night(shop)
    contract = "class Items(pa.DataFrameModel):\n    item: str\n    sales: int\n\n"
    source = "items = Source(contract=Items, fetch=Project('../shop', 'marts.items'))\n"
    here = tiny.project(tmp_path / "reader", HEAD + contract + source, {"marts/items.sql": "from raw.items"}, {})
    monkeypatch.setenv("ETL_PROJECT", str(here.root))
    assert [row.outcome for row in fetch_now([], day=DAY)] == ["landed"]
    assert rows(here, "item, sales") == [("book", 2), ("pen", 1)]

    # another generation with the same table
    tiny.deliver(shop, {"sales/2024-03-03.csv": "id,item\n"})
    tiny.night(shop)
    assert [row.outcome for row in fetch_now([], day=DAY)] == ["unchanged"]
    tiny.deliver(shop, {"sales/2024-03-04.csv": "id,item\n4,pen\n"})
    tiny.night(shop)
    assert [row.outcome for row in fetch_now([], day=DAY)] == ["landed"]
    assert rows(here, "item, sales") == [("book", 2), ("pen", 2)]


def test_settings_that_cannot_be_read_are_said(shop: Project, reader: Callable[..., Project]) -> None:
    (shop.root / "luigi.cfg").write_text("[etl\n")
    with pytest.raises(FetchError, match=r"luigi\.cfg:1: "):
        fetch(reader())


def test_keep_days_keeps_the_newest(shop: Project, reader: Callable[..., Project]) -> None:
    publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS)})
    here = reader()
    source = definitions(here, Ledger(here.ledger))[0].sources["items"]
    source.fetch = replace(source.fetch, keep_days=1)
    fetched.fetch(here, source, DAY)
    publishers.publish(shop, {"marts.items": (COLUMNS, PENS)})
    assert len(fetched.fetch(here, source, date(2024, 5, 1)).forgotten) == 1


DAYS = "day date, item varchar"


def test_of_a_table_by_date_only_the_dates_that_changed_are_deliveries(
    shop: Project, reader: Callable[..., Project]
) -> None:
    here = reader("day: pa.Date; item: str", "'../shop', 'marts.items', partition='day'", ", partition='day'")

    def hold(*rows: tuple[str, str]) -> int:
        publishers.publish(shop, {"marts.items": (DAYS, rows)}, {"marts.items": "day"})
        return len(fetch(here).files)

    first, second, third = ("2024-02-01", "a"), ("2024-02-02", "b"), ("2024-02-03", "c")
    assert hold(first, second) == 2
    assert hold(second, first) == 0
    assert hold(first, second, third) == 1
    assert rows(here, "day::varchar, item") == [first, second, third]
    # one is changed, and one is gone
    assert hold(first, ("2024-02-02", "x")) == 2
    assert rows(here, "day::varchar, item") == [first, ("2024-02-02", "x")]
    assert hold(first, ("2024-02-02", "x")) == 0
    # a rollback brings it again
    assert hold(first, second, third) == 2
    assert rows(here, "day::varchar, item") == [first, second, third]
    assert hold() == 3
    assert rows(here, "day::varchar, item") == []


def test_old_dates_stay_however_long_ago_they_were_fetched(shop: Project, reader: Callable[..., Project]) -> None:
    fetches_by_day = "'../shop', 'marts.items', partition='day', keep_days=5"
    here = reader("day: pa.Date; item: str", fetches_by_day, ", partition='day'")
    source = definitions(here, Ledger(here.ledger))[0].sources["items"]
    for month, items in ((3, "ab"), (4, "ac"), (5, "ac")):
        held = [(f"2024-02-0{n}", item) for n, item in enumerate(items, 1)]
        publishers.publish(shop, {"marts.items": (DAYS, held)}, {"marts.items": "day"})
        forgotten = fetched.fetch(here, source, date(2024, month, 1)).forgotten
    assert forgotten == () and len(list(here.fetched.glob("*/*/*/*.parquet"))) == 2


@pytest.mark.parametrize(
    ("partitions", "held", "said"),
    [
        ({}, [("2024-02-01", "a")], "is built as a whole, not by day"),
        ({"marts.items": "other"}, [("2024-02-01", "a")], "is built by other, not by day"),
        ({"marts.items": "day"}, [(None, "a")], "has rows without a day"),
    ],
)
def test_a_table_that_is_not_built_by_that_column_is_refused(
    shop: Project, reader: Callable[..., Project], partitions: dict[str, str], held: list[Any], said: str
) -> None:
    table = ("day date, item varchar, other date default '2024-02-01'", [(*row, "2024-02-01") for row in held])
    publishers.publish(shop, {"marts.items": table}, partitions)
    fetch_it = "'../shop', 'marts.items', partition='day'"
    here = reader("day: pa.Date; item: str", fetch_it, ", partition='day', extra='ignore'")
    with pytest.raises(FetchError, match=said):
        fetch(here)


def test_a_real_incremental_model_is_read_by_its_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = {
        "marts/items.sql": "-- materialized: incremental\n-- partition: delivery_date\n"
        "select delivery_date, item, count(*) as sales from raw.sales group by all"
    }
    shop = tiny.project(tmp_path / "shop", sql=sql)
    tiny.night(shop)
    contract = "class Items(pa.DataFrameModel):\n    delivery_date: pa.Date\n    item: str\n    sales: int\n\n"
    source = "items = Source(contract=Items, fetch=Project('../shop', 'marts.items', partition='delivery_date'))\n"
    here = tiny.project(tmp_path / "reader", HEAD + contract + source, {"marts/items.sql": "from raw.items"}, {})
    monkeypatch.setenv("ETL_PROJECT", str(here.root))
    assert len(fetch_now([], day=DAY)[0].files) == 2
    tiny.deliver(shop, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    tiny.night(shop)
    assert len(fetch_now([], day=DAY)[0].files) == 1
    tiny.night(here)
    found = tiny.published(here, "select delivery_date::varchar, item, sales from marts.items order by all")
    assert found == [("2024-03-01", "book", 1), ("2024-03-01", "pen", 1), ("2024-03-02", "cup", 1)]


def test_a_watch_looks_at_the_link_that_the_other_project_switches(
    shop: Project, reader: Callable[..., Project]
) -> None:
    from etl.operations.watch.declared import tell

    publishers.publish(shop, {"marts.items": (COLUMNS, BOOKS)})
    assert tell(reader())["pointers"] == [str(shop.current)]
    # one that is not there yet keeps no watch from beginning
    to_come = tell(reader(fetch="'../to_come', 'marts.items'"))["pointers"]
    assert to_come == [str(shop.root.parent / "to_come/data/warehouse/current")]
    staging = reader(fetch="'../shop', 'marts.items', environment='staging'")
    assert tell(staging)["pointers"] == [str(shop.data / "environments/staging/warehouse/current")]
