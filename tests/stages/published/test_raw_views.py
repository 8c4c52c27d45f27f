"""Raw tables that are views are published with links to the files that they read, wherever the file is opened."""

import errno
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from etl.engine.quoting import literal, one_path
from etl.errors import ConfigError, EtlError, ModelError
from etl.ledger import Ledger
from etl.operations import purge
from etl.operations.diff import compare, request_of
from etl.project import Project, load_project
from etl.project.others import RAW
from etl.reports.query import ask
from etl.run import steps
from etl.stages import published
from etl.stages.mirrored.contents import Hashes, contents
from etl.stages.published import read_record, rollback
from tests.support import tiny
from tests.support.kills import kill_before

VIEW = tiny.CONTRACTS.replace('"sales/{date}.csv"', '"sales/{date}.csv", load="view"')
SQL = {**tiny.SQL, "staging/sales.sql": "-- materialized: view\nselect id, item from raw.sales"}
SALES = [(1, "book"), (2, "pen"), (3, "book")]
QUERY = "select id, item from raw.sales order by id"
OTHER = {"sales/2024-03-02.csv": "id,item\n7,ink\n"}
#: More than a publish does.
MOST = 30


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """A project that has published once, and whose folder has a name that DuckDB takes for a pattern."""
    return tiny.once(tmp_path / "a [1], b's", nightly)


def nightly(root: Path) -> None:
    tiny.night(tiny.project(root, VIEW, SQL))


def from_another_folder(path: str, *, before: str = "", table: str = "raw.sales") -> list[tuple[int, str]]:
    """Ask a file as somebody does who knows nothing of etl, from a folder that has none of it."""
    with duckdb.connect() if before else duckdb.connect(path, read_only=True) as con:
        con.execute(before)
        return con.execute(QUERY.replace("raw.sales", table)).fetchall()


def test_a_published_file_is_whole_from_any_folder(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("ETL_PROJECT", str(shop.root))
    generation = shop.current.resolve()
    for file in (shop.warehouse, generation / published.FILE, shop.current / published.FILE):
        assert from_another_folder(str(file)) == SALES
        assert from_another_folder(str(file), table="staging.sales") == SALES
        assert from_another_folder(os.path.relpath(file, "/")) == SALES
        assert ask(QUERY, file)[1] == SALES


def test_a_copy_of_its_folder_is_whole_without_the_project(shop: Project, tmp_path: Path) -> None:
    copy = shutil.copytree(shop.current.resolve(), tmp_path / "x[y]")
    shutil.rmtree(shop.root)

    assert from_another_folder(f"{copy}/{published.FILE}") == SALES


def test_a_project_that_was_moved_is_read_where_it_is(shop: Project, tmp_path: Path) -> None:
    moved = shop.root.rename(tmp_path / "moved")
    project = load_project(moved)

    assert from_another_folder(str(project.warehouse)) == SALES
    assert ask(QUERY, project.warehouse)[1] == SALES


def test_who_attaches_it_says_where_the_folder_beside_it_is(shop: Project, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shop.root.rename(plain)
    attach = f"attach '{plain}/data/warehouse.duckdb' as shop (read_only)"

    with pytest.raises(duckdb.IOException, match="No files found"):
        from_another_folder("", before=attach, table="shop.raw.sales")
    where = f"set variable warehouse_raw = '{plain}/data/warehouse.raw'"
    assert from_another_folder("", before=f"{where}; {attach}", table="shop.raw.sales") == SALES


def test_no_other_generation_is_read_in_its_place(shop: Project) -> None:
    first = shop.current.resolve()
    tiny.deliver(shop, OTHER)
    tiny.night(shop)
    second = shop.current.resolve()

    assert from_another_folder(f"{first}/{published.FILE}") == SALES
    assert from_another_folder(f"{second}/{published.FILE}") == [*SALES[:2], (7, "ink")]
    with pytest.raises(duckdb.IOException, match="No files found"):
        where = f"set variable warehouse_raw = {literal(one_path(second / RAW))}"
        attach = f"attach {literal(str(first / published.FILE))} as s (read_only)"
        from_another_folder("", before=f"{where}; {attach}", table="s.raw.sales")


def test_a_generation_says_of_a_view_what_it_says_of_a_table(shop: Project, tmp_path: Path) -> None:
    table = tiny.project(tmp_path / "table", tiny.CONTRACTS, SQL)
    tiny.night(table)
    mine, others = read_record(shop.current), read_record(table.current)

    assert mine and others and mine.tables == others.tables
    query = "select column_name, data_type, comment from duckdb_columns() where schema_name = 'raw' order by all"
    assert tiny.published(shop, query) == tiny.published(table, query)
    described = "select comment from duckdb_{}s() where {}_name = 'sales' and schema_name = 'raw'"
    assert tiny.published(shop, described.format("view", "view")) == tiny.published(
        table, described.format("table", "table")
    )


def test_the_rows_that_differ_are_told(shop: Project) -> None:
    tiny.deliver(shop, OTHER)
    tiny.night(shop)

    found = {item.table: item for item in compare(shop, request_of(shop, "previous", "current"))}

    assert (found["raw.sales"].status, found["raw.sales"].added, found["raw.sales"].removed) == ("changed", 1, 1)


def test_links_take_no_room_and_go_with_their_generation_alone(tmp_path: Path) -> None:
    nightly(tmp_path)
    shop = load_project(tmp_path)
    first = shop.current.resolve()
    (lake,) = (shop.lake / "sales").glob("*=2024-03-01/data.parquet")
    (link,) = first.glob(f"{RAW}/*/sales/2024-03-01.parquet")
    assert link.samefile(lake)
    there = lake.stat().st_nlink

    tiny.deliver(shop, OTHER)
    tiny.night(shop)
    assert lake.stat().st_nlink == there + 1
    rollback(shop, Ledger(shop.ledger))
    assert tiny.published(shop, QUERY) == SALES
    rollback(shop, Ledger(shop.ledger), published.generations(shop)[-1])
    published.delete_generation(shop, Ledger(shop.ledger), first.name)

    assert lake.stat().st_nlink == there
    assert tiny.published(shop, QUERY) == [*SALES[:2], (7, "ink")]


def test_a_file_system_without_links_has_copies(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    tiny.deliver(shop, OTHER)
    monkeypatch.setattr(os, "link", broken)
    tiny.night(shop)

    assert tiny.published(shop, QUERY) == [*SALES[:2], (7, "ink")]


def test_a_link_that_is_gone_is_made_again_by_the_next_night(shop: Project) -> None:
    (link,) = shop.current.glob(f"{RAW}/*/sales/2024-03-01.parquet")
    link.unlink()
    assert tiny.stale(tiny.plan(shop)) != []

    tiny.night(shop)

    assert tiny.published(shop, QUERY) == SALES


def test_a_promoted_generation_is_whole_without_where_it_came_from(tmp_path: Path) -> None:
    prod = tiny.project(tmp_path, VIEW, SQL, settings="threads = 1\n[etl.env.staging]\n")
    staging = load_project(prod.root, "staging")
    tiny.night(staging)
    record = read_record(staging.current)
    assert record

    assert published.promote(staging, prod, Ledger(prod.ledger), replace(record, origin={})) == "linked"

    shutil.rmtree(staging.data)
    assert tiny.published(prod, QUERY) == SALES
    assert ask(QUERY, prod.warehouse)[1] == SALES


def test_a_mirror_has_what_the_views_read(shop: Project) -> None:
    name, ledger = shop.current.resolve().name, Ledger(shop.ledger)

    found = contents(shop, ledger, name, Hashes(shop, ledger)).files

    assert [found[f"{RAW}/{name}/sales/2024-03-0{n}.parquet"].bytes > 0 for n in (1, 2)] == [True, True]


def test_what_is_purged_is_in_no_generation_that_is_made_then(shop: Project) -> None:
    (shop.raw / "sales/2024-03-01.csv").unlink()
    purge.purge(shop, "sales", date(2024, 3, 1))
    tiny.night(shop)
    assert purge.purge_generations(shop, "sales", date(2024, 3, 1)) != []

    assert tiny.published(shop, QUERY) == SALES[2:]
    assert not list(shop.data.rglob("*2024-03-01*"))


def test_a_candidate_that_is_set_aside_has_links_of_its_own(shop: Project) -> None:
    for _ in range(2):
        published.set_aside(shop)
        assert ask(QUERY, published.candidate(shop))[1] == SALES
        assert len(list((published.candidate(shop).parent / RAW).iterdir())) == 1
    shutil.rmtree(shop.lake)
    assert tiny.ask(published.candidate(shop), QUERY) == SALES


@pytest.mark.parametrize(
    "query",
    [
        "copy (select 1) to '{}/x.parquet'",
        "explain analyze copy (select 1) to '{}/x.parquet'",
        "select 1; copy (select 1) to '{}/x.parquet'",
        "prepare p as copy (select 1) to '{}/x.parquet'",
        "select * from read_text('{}/../../../../ledger.sqlite')",
    ],
)
def test_a_query_writes_nothing_there_and_reads_nothing_else(shop: Project, query: str, tmp_path: Path) -> None:
    plain = load_project(shop.root.rename(tmp_path / "plain"))
    (folder,) = (plain.current.resolve() / RAW).iterdir()
    before = sorted(plain.data.rglob("*"))

    with pytest.raises(EtlError, match=r"is only read|Cannot access file"):
        ask(query.format(folder), plain.warehouse)

    assert sorted(plain.data.rglob("*")) == before


def test_without_links_it_is_left_out_and_no_view_can_read_it(tmp_path: Path) -> None:
    settings = "publish_raw = no\n"
    project = tiny.project(tmp_path, VIEW, settings=settings)
    tiny.night(project)
    assert tiny.published(project, "select count(*) from duckdb_views() where not internal") == [(0,)]
    assert not os.path.lexists(project.data / RAW)

    (tmp_path / "luigi.cfg").write_text("[etl]\n")
    tiny.night(load_project(tmp_path))
    assert tiny.published(project, QUERY) == SALES
    (tmp_path / "luigi.cfg").write_text(f"[etl]\n{settings}")
    tiny.night(load_project(tmp_path))
    assert not os.path.lexists(project.data / RAW)

    with pytest.raises(ModelError, match=r"sql/staging/sales.sql: it is a view and reads raw.sales, which is not"):
        tiny.plan(tiny.project(tmp_path / "other", VIEW, SQL, settings=settings))
    with pytest.raises(ConfigError, match="publish_raw = maybe is neither links nor no"):
        tiny.project(tmp_path / "third", VIEW, settings="publish_raw = maybe\n")


def test_a_publish_that_is_killed_leaves_what_was_there_or_all_of_the_new(shop: Project) -> None:
    tiny.deliver(shop, OTHER)
    new = [*SALES[:2], (7, "ink")]
    seen = set()
    for at in (1, 4, 7, 10, 13, 16, MOST):
        killed = is_killed(shop, at)
        assert killed or at == MOST
        found = tiny.published(shop, QUERY)
        assert found in (SALES, new)
        seen.add(found == new)
    tiny.night(shop)
    assert tiny.published(shop, QUERY) == new
    assert not [path for path in shop.generations.iterdir() if path.name.startswith(".")]


def is_killed(project: Project, at: int) -> bool:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_publish, args=(str(project.root), at))
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


def _publish(root: str, at: int) -> None:
    project, whole = load_project(root), steps.publish

    def publish(*arguments: object) -> object:
        kill_before(at, str(project.data))
        return whole(*arguments)  # type: ignore[arg-type]

    steps.publish = publish  # type: ignore[assignment]
    try:
        tiny.night(project)
    finally:
        os._exit(0)
