"""Models whose partitions are files go the whole way: with every kind that can, and with all operations."""

import itertools
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from etl.ledger import Ledger
from etl.models.kinds import KINDS
from etl.operations import environments, purge
from etl.operations.diff import compare, request_of
from etl.operations.reproduce import reproduce
from etl.project import Project, load_project
from etl.project.others import RAW
from etl.reports.query import ask
from etl.reports.tables import known_tables
from etl.stages import published
from etl.stages.mirrored.contents import Hashes, contents
from etl.stages.warehouse import months
from tests.operations.test_kinds import CONTRACTS, FEED, HEADER
from tests.operations.test_reproduce import commit, git, night
from tests.support import tiny
from tests.support.kills import kill_before
from tests.support.kinds import FILED, IN_FILES, TRIED

THIRD = {"feed/2024-03-03.csv": f"{HEADER}1,7,Rom,false,g\n9,8,Rom,false,h\n"}
TABLES = [f"marts.{kind}" for kind in FILED]
#: More side effects than a night has.
MOST = 200


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in git, published twice, in a folder whose name DuckDB takes for a pattern."""
    return tiny.once(tmp_path / "a [1], b's", published_twice)


def published_twice(root: Path) -> None:
    sql = {file: text for file, text in map(exported, TRIED)}
    project = tiny.project(root, CONTRACTS, sql, {}, settings="threads = 1\n[etl.env.staging]\n")
    git(project, "init", "-q")
    commit(project)
    for number, (file, text) in enumerate(FEED.items(), 1):
        tiny.deliver(project, {file: text})
        night(project, date(2024, 3, number))


def exported(kind: str) -> tuple[str, str]:
    file, text = IN_FILES[kind]
    return file, f"-- export: parquet\n{text}" if kind in FILED else text


def rows(project: Project, table: str) -> list[tuple[object, ...]]:
    return tiny.published(project, f"from {table} order by all")


def every(project: Project) -> dict[str, list[tuple[object, ...]]]:
    return {table: rows(project, table) for table in TABLES}


def third(project: Project) -> None:
    tiny.deliver(project, THIRD)
    night(project, date(2024, 3, 3))


def test_what_is_exported_is_what_is_published(project: Project) -> None:
    for table in TABLES:
        files = (project.lake / table.replace(".", "/")).rglob("*.parquet")
        assert rows(project, table) == read(files, "order by all")


def read(files: Iterable[Path], rest: str) -> list[tuple[object, ...]]:
    # the names would be taken for patterns
    named = [str(file).replace("[", "[[]") for file in files]
    with duckdb.connect() as con:
        return con.execute(f"from read_parquet($1) {rest}", [named]).fetchall()


def test_each_generation_keeps_what_it_holds(project: Project) -> None:
    second = every(project)
    published.rollback(project, Ledger(project.ledger))
    first = every(project)
    assert all(0 < len(first[table]) < len(second[table]) for table in TABLES)

    published.rollback(project, Ledger(project.ledger), published.generations(project)[-1])
    assert every(project) == second
    third(project)
    for name in published.generations(project)[:-1]:
        published.delete_generation(project, Ledger(project.ledger), name)
    shutil.rmtree(project.parts)
    assert all(len(rows(project, table)) > len(second[table]) for table in TABLES)


def test_the_rows_that_differ_are_told(project: Project) -> None:
    found = {item.table: item for item in compare(project, request_of(project, "previous", "current"))}

    second = {table: {*rows(project, table)} for table in TABLES}
    published.rollback(project, Ledger(project.ledger))
    for table in TABLES:
        first = {*rows(project, table)}
        told = (found[table].status, found[table].added, found[table].removed)
        assert told == ("changed", len(second[table] - first), len(first - second[table]))


def test_it_is_listed_as_what_it_is(project: Project) -> None:
    found = {item["table"]: item for item in known_tables(project, project.warehouse)}

    for kind in FILED:
        assert (found[f"marts.{kind}"]["kind"], found[f"marts.{kind}"]["rows"]) == (
            kind,
            len(rows(project, f"marts.{kind}")),
        )


def test_each_generation_comes_back_as_it_was(project: Project) -> None:
    for name in published.generations(project):
        with reproduce(project, name) as found:
            assert found.different == []
            compared = [found._is_different(table) for table in TABLES]
            assert compared == [False] * len(TABLES)


def test_an_environment_has_its_own(project: Project) -> None:
    held = every(project)
    staging = made(project, "staging")
    shutil.rmtree(project.parts)
    assert every(staging) == held
    third(staging)

    assert every(project) == held
    assert all(len(rows(staging, table)) > len(held[table]) for table in TABLES)
    assert str(project.parts) + "/" not in str(tiny.ask(staging.build, "select sql from duckdb_views()"))
    assert [name for name in environments.foreign(staging) if name.startswith("warehouse/parts")] == []


def made(project: Project, name: str) -> Project:
    os.environ["ETL_PROJECT"] = str(project.root)
    try:
        return environments.create(name).project
    finally:
        del os.environ["ETL_PROJECT"]


def test_a_promoted_generation_is_whole_without_where_it_came_from(project: Project) -> None:
    staging = made(project, "staging")
    third(staging)
    held, record = every(staging), published.read_record(staging.current)
    assert record

    assert published.promote(staging, project, Ledger(project.ledger), replace(record, origin={})) == "linked"

    shutil.rmtree(staging.data)
    assert every(project) == held
    # the build is another one, and goes on
    third(project)
    assert every(project) == held


def test_a_mirror_has_what_the_views_read(project: Project) -> None:
    ledger, generation = Ledger(project.ledger), project.current.resolve()

    found = contents(project, ledger, generation.name, Hashes(project, ledger)).files

    files = [str(path.relative_to(generation)) for path in generation.glob(f"{RAW}/*/*/*.parquet")]
    assert len(files) == sum(2 if KINDS[kind].is_partitioned else 1 for kind in FILED)
    assert [found[name].bytes > 0 for name in files] == [True] * len(files)


def test_what_is_purged_is_in_no_file(project: Project) -> None:
    (project.raw / "feed/2024-03-01.csv").unlink()
    purge.purge(project, "feed", date(2024, 3, 1))
    tiny.night(project)
    purge.purge_generations(project, "feed", date(2024, 3, 1))

    assert all(len(rows(project, table)) > 0 for table in TABLES)
    assert not list(project.data.rglob("*2024-03-01*"))
    # the row with id 1 was of that day alone
    for table in TABLES:
        assert read(project.data.rglob(f"{table}/*.parquet"), "where id = 1") == []


def test_a_candidate_that_is_set_aside_has_files_of_its_own(project: Project) -> None:
    published.set_aside(project)
    shutil.rmtree(project.parts)

    for table in TABLES:
        assert ask(f"from {table} order by all", published.candidate(project))[1] == rows(project, table)


def in_january(root: Path) -> None:
    """Publish days of the newest month, each of which has a file of its own."""
    days = {f"feed/2024-01-0{day}.csv": f"{HEADER}{day},{day},Ulm,false,a\n" for day in range(1, months.MOST + 2)}
    tiny.night(tiny.project(root, CONTRACTS, dict(map(exported, TRIED)), days))


#: What was published, and what comes: a day alone, or one by which a month is old, and has one file from then on.
NIGHTS = {
    "a new day": (published_twice, THIRD),
    "a month becomes a file": (in_january, {"feed/2024-03-10.csv": f"{HEADER}91,9,Rom,false,g\n"}),
}


@pytest.mark.parametrize("name", NIGHTS)
def test_a_night_that_is_killed_leaves_what_was_there_or_all_of_the_new(name: str, tmp_path: Path) -> None:
    make, new = NIGHTS[name]
    project = tiny.once(tmp_path / "a [1], b's", make)
    before, files = every(project), len(list(project.parts.rglob("*.parquet")))
    tiny.deliver(project, new)
    seen, at = [], 1
    while is_killed(project, at):
        seen.append(every(project))
        at += 7
    assert at < MOST
    after = every(project)
    assert all(len(after[table]) > len(before[table]) for table in TABLES)
    assert before in seen
    assert all(found in (before, after) for found in seen)
    tiny.night(project)
    assert every(project) == after
    named = tiny.ask(project.build, "select distinct name || '/' || file from etl._files order by all")
    there = sorted(str(path.relative_to(project.parts)) for path in project.parts.rglob("*.parquet"))
    assert there == [each for (each,) in named]
    assert not (project.parts / ".new").exists()
    # of each month one
    assert name == "a new day" or len(there) < files


def is_killed(project: Project, at: int) -> bool:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    # a run that has the number of another one publishes nothing
    process = context.Process(target=_night, args=(str(project.root), at, next(tiny.numbers)))
    process.start()
    process.join()
    return process.exitcode == -signal.SIGKILL


def _night(root: str, at: int, number: int) -> None:
    project = load_project(root)
    tiny.numbers = itertools.count(number)
    try:
        kill_before(at, str(project.data))
        tiny.night(project)
    finally:
        os._exit(0)
