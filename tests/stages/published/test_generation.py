"""Generations: whole, read-only, one of them current by a symlink; what an open reader sees stays."""

import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.errors import ConfigError, PublishError
from etl.ledger import Ledger, Run, stamp
from etl.ledger.history import StepRow
from etl.ledger.keys import BUILD
from etl.ledger.lock import take_lock
from etl.project import Project, load_project
from etl.stages import published, warehouse
from etl.stages.published import retention
from tests.support import tiny

pytestmark = pytest.mark.sampled


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.project(tmp_path, settings="keep_generations = 3\n")


def publish(project: Project, number: int, **options: Any) -> str:
    """Publish a build with the table marts.n that holds `number`; return the generation."""
    ledger = Ledger(project.ledger)
    run = Run(f"run-{number}", "2024-03-01", f"2024-03-01T01:00:0{number}+00:00", outcome="published")
    with warehouse.open_build(project, ledger, run.run_id) as con:
        con.execute(f"create schema if not exists marts; create or replace table marts.n as select {number} as n")
    ledger.write_run(run)
    receipt = published.publish(
        project, ledger, run, published.Publication(fingerprint=f"content-{number}", **options)
    )
    return str(receipt.details["generation"])


def rollback(project: Project, generation: str = "") -> str:
    """Go back as `etl rollback` does."""
    return published.rollback(project, Ledger(project.ledger), generation, "ann", "wrong prices")


def ledger(project: Project) -> Ledger:
    return Ledger(project.ledger)


def keeping(project: Project, generations: int) -> Project:
    """Return the project with another setting."""
    return replace(project, settings=replace(project.settings, keep_generations=generations))


def seen(project: Project) -> int:
    """What an analyst sees who opens the warehouse now."""
    return int(tiny.published(project, "select n from warehouse.marts.n")[0][0])


def test_a_generation_is_a_read_only_file_that_a_symlink_names(project: Project) -> None:
    assert publish(project, 1) == "run-1"

    assert project.warehouse.is_symlink()
    assert not os.path.isabs(os.readlink(project.warehouse))
    assert project.warehouse.resolve() == project.generations / "run-1" / "warehouse.duckdb"
    assert project.warehouse.stat().st_mode & 0o777 == 0o444
    assert seen(project) == 1
    assert published.current(project) == "run-1"


def test_the_link_still_works_when_the_whole_project_is_moved(project: Project, tmp_path: Path) -> None:
    publish(project, 1)

    moved = project.data.rename(tmp_path / "moved")

    assert tiny.ask(moved / "warehouse.duckdb", "select n from warehouse.marts.n") == [(1,)]


def test_an_open_reader_keeps_what_it_sees_while_new_readers_see_the_new(project: Project) -> None:
    publish(project, 1)

    with duckdb.connect(str(project.warehouse), read_only=True) as reader:
        assert reader.execute("select n from marts.n").fetchall() == [(1,)]
        for number in range(2, 7):
            publish(project, number)
        assert reader.execute("select n from marts.n").fetchall() == [(1,)]
        with duckdb.connect() as other:
            other.execute(f"attach '{project.warehouse.resolve()}' as w (read_only)")
            assert other.execute("select n from w.marts.n").fetchall() == [(6,)]


def test_the_last_generations_are_kept_and_the_ledger_knows_them(project: Project) -> None:
    for number in range(1, 6):
        publish(project, number)

    assert published.generations(project) == ["run-3", "run-4", "run-5"]
    assert [row[0] for row in Ledger(project.ledger).generations()] == ["run-5", "run-4", "run-3"]
    assert [path.name for path in project.generations.iterdir() if path.name.startswith(".")] == []


def test_a_rollback_goes_to_the_generation_before_or_to_the_one_that_is_named(project: Project) -> None:
    for number in (1, 2, 3):
        publish(project, number)

    assert rollback(project) == "run-2"
    assert seen(project) == 2
    assert rollback(project) == "run-1"
    assert rollback(project, "run-3") == "run-3"
    assert seen(project) == 3


def test_after_a_rollback_the_next_publish_is_the_current_one(project: Project) -> None:
    for number in (1, 2, 3):
        publish(project, number)
    rollback(project, "run-1")

    publish(project, 4, force=True)

    assert seen(project) == 4
    assert published.read_hold(project) is None
    assert published.generations(project) == ["run-2", "run-3", "run-4"]


def test_a_rollback_to_nowhere_says_what_there_is(project: Project) -> None:
    with pytest.raises(PublishError, match=r"Nothing is published"):
        rollback(project)
    publish(project, 1)
    with pytest.raises(PublishError, match=r"There is no generation before run-1. See `etl generations`"):
        rollback(project)
    with pytest.raises(PublishError, match=r"There is no generation run-9\. Did you mean run-1\?"):
        rollback(project, "run-9")
    with pytest.raises(PublishError, match=r"There is no generation \.\./run-1"):
        rollback(project, "../run-1")
    assert seen(project) == 1


def test_what_a_killed_publish_left_behind_is_no_generation(project: Project) -> None:
    publish(project, 1)
    half = project.generations / ".new"
    half.mkdir()
    (half / "warehouse.duckdb").write_bytes(b"half")

    assert published.generations(project) == ["run-1"]
    publish(project, 2)
    assert published.generations(project) == ["run-1", "run-2"]


def test_before_the_first_publish_there_is_nothing(project: Project) -> None:
    assert published.current(project) is None
    assert published.generations(project) == []


def test_an_analyst_can_ask_how_fresh_and_how_clean_the_data_is(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={**tiny.SALES, "sales/2024-03-03.csv": "id,item\nx,book\n4,pen\n"})
    run = tiny.night(project)

    columns = tiny.published(
        project,
        "select table_name, list(column_name order by ordinal_position) from information_schema.columns "
        "where table_catalog = 'warehouse' and table_schema = 'etl' group by all",
    )
    assert dict(columns) == {
        "runs": ["run_id", "started_at", "finished_at", "outcome", "batch_date", "git_commit"],
        "steps": [column.name for column in fields(StepRow)],
        "partitions": [
            *("source", "date", "file", "sha256"),
            *("records", "rows", "rejected", "discarded", "lines", "skipped"),
            *("loaded_at", "run_id"),
        ],
        "models": ["name", "materialized", "fingerprint", "rows", "seconds", "built_at", "run_id"],
        "checks": ["name", "table_name", "severity", "passed", "failing", "examples", "run_id"],
        "rejects": [
            *("source", "date", "file", "line", "rule", "fault", "column_name", "message"),
            *("text", "raw", "discarded", "run_id"),
        ],
        "contents": ["table_name", "date", "partition_column", "content"],
        "profiles": [
            *("table_name", "partition", "column_name", "batch_date", "run_id", "rows", "nulls"),
            *("approx_distinct", "not_finite", "min", "max", "mean", "std", "quantiles", "top", "lengths"),
            *("sampled", "measures"),
        ],
    }
    assert tiny.published(project, "select run_id, outcome, finished_at is not null from etl.runs") == [
        (run.run_id, "published", True)
    ]
    assert tiny.published(project, "select sum(rows), sum(rejected), count(*) from etl.partitions") == [(4, 1, 3)]
    assert tiny.published(project, "select line, text from etl.rejects") == [(2, "x,book")]
    assert tiny.published(project, "select name, rows from etl.models") == [("marts.items", 2)]
    assert tiny.published(project, "select bool_and(passed) from etl.checks") == [(True,)]


def test_young_generations_stay_beyond_their_number(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="keep_generations = 1\nkeep_days = 2\n")
    for number in (1, 2, 3):
        publish(project, number)
    old = published.read_record(project.generations / "run-1")
    assert old is not None
    (project.generations / "run-1" / "generation.json").unlink()
    published.write_record(project.generations / "run-1", replace(old, published_at="2024-01-01T00:00:00"))

    publish(project, 4)

    assert published.generations(project) == ["run-2", "run-3", "run-4"]


def test_a_deletion_that_is_killed_leaves_no_half_generation(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        publish(project, number)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retention, "_remove", killed)
        with pytest.raises(KeyboardInterrupt):
            retention.prune(
                replace(project, settings=replace(project.settings, keep_generations=1)), ledger(project)
            )
    assert published.generations(project) == ["run-2", "run-3"]

    published.sweep(project)

    assert sorted(path.name for path in project.generations.iterdir()) == ["run-2", "run-3"]


@pytest.mark.parametrize(("percent", "is_compacted"), [(50, True), (100, False)])
def test_dead_space_is_not_published(tmp_path: Path, percent: int, is_compacted: bool) -> None:
    project = tiny.project(tmp_path, settings=f"compact_percent = {percent}\n")
    with warehouse.open_build(project, ledger(project), "run-1") as con:
        con.execute(
            "create schema marts; create table marts.large as select hash(n) as h from range(4000000) t(n)"
        )
        con.execute("create table marts.kept as select 1 as n; comment on table marts.kept is 'kept'")
        con.execute("create view marts.v as select count(*) as n from marts.kept")
        con.execute("create macro marts.twice(x) as 2 * x")
    with warehouse.open_build(project, ledger(project), "run-1") as con:
        con.execute("drop table marts.large")
    before = project.build.stat().st_size

    publish(project, 2)

    assert (project.build.stat().st_size < before / 4) == is_compacted
    assert project.warehouse.stat().st_size == pytest.approx(project.build.stat().st_size, abs=100_000)
    assert tiny.published(project, "select marts.twice(n) from marts.v") == [(2,)]
    assert tiny.published(project, "select comment from duckdb_tables() where table_name = 'kept'") == [("kept",)]
    receipt = ledger(project).receipts()[BUILD]
    assert receipt.details["stamp"] == stamp(project.build)


def test_nobody_else_can_write_to_what_is_published(project: Project) -> None:
    old = os.umask(0o002)
    try:
        os.close(take_lock(project, "run-1"))
        publish(project, 1)
    finally:
        os.umask(old)

    paths = [project.generations, project.generations / "run-1", *(project.generations / "run-1").iterdir()]
    assert [path.name for path in paths if path.stat().st_mode & 0o022] == []


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="umask = 027\n")
    old = os.umask(0o022)
    try:
        os.close(take_lock(project, "run-1"))
        publish(project, 1)
    finally:
        os.umask(old)

    assert project.warehouse.stat().st_mode & 0o777 == 0o440
    assert (project.generations / "run-1").stat().st_mode & 0o777 == 0o750


def test_going_back_to_an_older_storage_version_publishes_the_same_in_it(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="threads = 1\nstorage_version = latest\n")
    tiny.night(project)
    newest = published.current(project)
    (project.root / "luigi.cfg").write_text("[etl]\nthreads = 1\n")
    older = load_project(project.root)
    with pytest.raises(ConfigError, match=r"cannot lower it\. Delete the file"):
        tiny.night(older)

    older.build.unlink()
    tiny.night(older)

    assert published.current(older) != newest
    with duckdb.connect() as con:
        con.execute(f"attach '{older.warehouse.resolve()}' as x (read_only)")
        query = "select tags['storage_version'] from duckdb_databases() where database_name = 'x'"
        assert con.execute(query).fetchall() == [("v1.2.0+",)]
    assert tiny.stale(tiny.plan(older)) == []


@pytest.mark.parametrize("version", ["v9", "1.2.0", "newest", "v9.9.9"])
def test_a_storage_version_that_no_duckdb_knows_is_refused_at_once(tmp_path: Path, version: str) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project)
    (project.root / "luigi.cfg").write_text(f"[etl]\nstorage_version = {version}\n")
    with pytest.raises(ConfigError, match="storage_version"):
        tiny.plan(load_project(project.root))
