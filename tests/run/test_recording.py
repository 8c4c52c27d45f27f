"""Whatever happens to a run, the history has exactly one row of each step that its plan names, and says why."""

import json
import os
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from etl.errors import EtlError, StepError
from etl.ledger import Ledger, Run
from etl.ledger.history import DONE, FAILED, KEPT, KILLED, SKIPPED, History, StepId, StepRow
from etl.ledger.run_log import read_log
from etl.operations.purge import purge
from etl.plan import Scope
from etl.project import Project
from etl.run import active, steps
from etl.run.active import ActiveRun, active_run, finish_runs, new_run_id
from etl.sources.formats import FORMATS
from tests.operations.test_kinds import CONTRACTS, FEED
from tests.support import tiny
from tests.support.everything import written
from tests.support.kinds import SAMPLES, TRIED
from tests.support.roads import ROADS
from tests.support.thorough import examples

LAST = date(2024, 3, 20)
#: A table that nothing of the feed is needed for, and one that can be broken.
MORE = {
    "marts/apart.sql": "select 1 as one",
    "marts/second.sql": "-- optional: yes\nselect id from marts.table",
    "marts/third.sql": "select id from marts.second",
    "marts/fourth.sql": "select id from marts.table",
    "audits/many.sql": "-- fail: too many\nselect id from marts.table where id > 900",
}
#: A step that fails, by the stage's own function.
STAGES = {
    "extract": (steps.lake, "extract"),
    "load": (steps.warehouse, "load"),
    "transform": (steps.warehouse, "transform"),
    "audit": (steps.audited, "audit"),
    "publish": (steps.published, "publish"),
}
BROKEN = "select id::integer / 0 as id, error('broken') as x from raw.feed"


def make(root: Path) -> None:
    tiny.project(root, CONTRACTS, {**dict(SAMPLES[kind] for kind in TRIED), **MORE}, FEED)


def steps_of(run: ActiveRun) -> list[tuple[str, object]]:
    """Return the calls of a run's steps, as its tasks make them."""
    stale = run.plan.stale
    found: list[tuple[str, object]] = []
    for source in run.plan.catalog.sources:
        if days := [delivery.date for delivery in run.plan.stale_partitions(source)]:
            # as two workers take them
            found += [("extract", (source, part)) for part in (days[::2], days[1::2]) if part]
    if loads := [key.name for key in stale if key.step == "load"]:
        found.append(("load", (loads,)))
    if models := run.plan.with_stale_models():
        found.append(("transform", (models,)))
    return [*found, *((key.step, ()) for key in stale if key.step in ("audit", "publish"))]


def night(project: Project, fails: str = "", dies: str = "", *, at: int = 0) -> str:
    """Run a night as the tasks do, in which a step fails, or the process dies in it; return its id."""
    run_id = new_run_id()
    run = active_run(project.identity, run_id, Scope(LAST), is_whole=True)
    counts: Counter[str] = Counter()
    try:
        for step, arguments in steps_of(run) if run.same is None else ():
            counts[step] += 1
            is_hit = step in (fails, dies) and counts[step] > at
            with pytest.MonkeyPatch.context() as patch:
                if is_hit:
                    patch.setattr(*STAGES[step], _broken)
                try:
                    getattr(steps, step)(run, *arguments)
                except Exception as error:
                    if dies:
                        return die(run)
                    steps.failed(error, run, step, ())
                    break
    finally:
        finish_runs()
    return run_id


def _broken(*_: object, **__: object) -> None:
    raise StepError("The disk is gone.")


def die(run: ActiveRun) -> str:
    """Leave a run as a process leaves it that is killed."""
    run.finished = True
    os.close(run.lock)
    if run.log:
        run.log.close()
    active._active.pop(run.row.run_id)
    steps.warehouse.close_build(run.project)
    return run.row.run_id


def rows(project: Project, run_id: str) -> dict[StepId, StepRow]:
    found = History(Ledger(project.ledger)).steps([run_id])
    assert len(found) == len({row.id for row in found})
    return {row.id: row for row in found}


def named(project: Project) -> set[StepId]:
    """Return the steps that a plan made now names."""
    stale = tiny.plan(project, LAST).stale
    return {StepId(key.step, key.name) for key in stale}


@st.composite
def nights(draw: DrawFn) -> list[tuple[str, str, int]]:
    step = st.sampled_from(["", *STAGES])
    return [(draw(step), draw(st.sampled_from(["fails", "dies"])), draw(st.integers(0, 1))) for _ in range(3)]


@settings(max_examples=examples(2))
@given(nights())
def test_each_step_of_a_plan_has_one_row_whatever_happens(tmp_path_factory, drawn) -> None:
    project = tiny.once(tmp_path_factory.mktemp("law") / "project", make)
    for number, (step, how, at) in enumerate(drawn, 1):
        tiny.deliver(project, {f"feed/2024-03-{number + 2:02}.csv": FEED["feed/2024-03-01.csv"]})
        wanted = named(project)
        run_id = night(project, **{how: step}, at=at)
        if how == "dies" and step:
            # the next one finds it
            with_lock = active_run(project.identity, new_run_id(), Scope(LAST - timedelta(90)), is_whole=False)
            with_lock.finish()
        found = rows(project, run_id)
        assert found.keys() - {StepId("plan")} == wanted
        assert {row.outcome for row in found.values()} <= {DONE, KEPT, SKIPPED, FAILED, KILLED}
        for row in found.values():
            assert row.why or row.step == "plan"
            assert row.message or row.outcome in (DONE, KEPT), row
            assert (row.started_at != "") == (row.outcome in (DONE, KEPT)) or row.outcome in (
                FAILED,
                KILLED,
                SKIPPED,
            )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.once(tmp_path / "project", make)


def test_a_good_night_is_told_step_by_step(project: Project) -> None:
    found = rows(project, night(project))

    extract, table = found[StepId("extract", "feed")], found[StepId("transform", "marts.table")]
    assert {row.outcome for row in found.values()} == {DONE}
    assert (extract.partitions, extract.parts) == ("2024-03-01..2024-03-02 (2)", 2)
    assert (extract.rows_in, extract.rows_out, extract.rejected, extract.why) == (6, 6, 0, "new delivery")
    assert table.rows_out == 4 and table.why == "never built"
    assert all(row.cpu_seconds is not None and row.peak_memory_bytes for row in found.values())
    assert found[StepId("audit")].did.endswith("checks")


LINES = """
import pandera.pandas as pa
from etl import Csv, Debezium, Excel, FixedWidth, Json, JsonLines, Parquet, Source, Xml

class Sales(pa.DataFrameModel):
    id: int
    item: str

sales = Source(contract=Sales, files="sales/{date}", max_reject_ratio=1.0, format=FORMAT)
"""


@pytest.mark.parametrize("road", ROADS)
@settings(max_examples=examples(3))
@given(days=st.lists(st.lists(st.booleans(), min_size=1, max_size=20), min_size=1, max_size=3))
def test_what_came_of_the_records_of_each_format_is_told(tmp_path_factory, road, days) -> None:
    tables = [
        {"id": [str(n) if sound else "x" for n, sound in enumerate(day)], "item": ["pen" for _ in day]}
        for day in days
    ]
    form, write = ROADS[road]
    files = {f"sales/2024-03-{number:02}": write(table) for number, table in enumerate(tables, 1)}
    contracts = LINES.replace("FORMAT", repr(form(tables[0])()))
    project = tiny.project(tmp_path_factory.mktemp("told"), contracts, {}, files, "threads = 1\n")

    found = rows(project, night(project))

    extract, load = found[StepId("extract", "sales")], found[StepId("load", "sales")]
    came, sound = sum(map(len, days)), sum(map(sum, days))
    assert (extract.rows_in, extract.rows_out, extract.rejected) == (came, sound, came - sound)
    assert (extract.parts, extract.attempts) == (len(days), 1)
    assert load.rows_out == sound


def test_every_format_is_told() -> None:
    assert ROADS.keys() == FORMATS.keys()


def test_a_night_with_nothing_new_records_itself_and_no_steps(project: Project, monkeypatch) -> None:
    monkeypatch.setattr("etl.run.remembered._SETTLED_NS", -(10**12))
    night(project)
    run_id = night(project)

    history = History(Ledger(project.ledger))
    assert history.ledger.runs()[0].outcome == "unchanged"
    assert rows(project, run_id) == {}
    assert history.facts([run_id])[run_id].cpu_seconds is not None


def test_what_waits_says_for_what_and_what_fails_why(project: Project) -> None:
    (project.sql / "marts/table.sql").write_text("select error('broken: canary') as id, '' as city from raw.feed")
    found = rows(project, night(project))

    assert found[StepId("transform", "marts.table")].outcome == FAILED
    assert "broken: canary" in found[StepId("transform", "marts.table")].message
    assert (
        found[StepId("transform", "marts.fourth")].message == "It waits for transform marts.table, which failed."
    )
    assert found[StepId("publish")].message.startswith("It waits for ")
    assert {found[StepId("transform", f"marts.{name}")].outcome for name in ("apart", "incremental")} == {DONE}


def test_a_killed_run_keeps_the_steps_that_it_had_done(project: Project) -> None:
    run_id = night(project, dies="transform")
    before = rows(project, run_id)
    assert before[StepId("publish")].outcome == ""

    night(project)

    found = rows(project, run_id)
    assert Ledger(project.ledger).runs()[1].outcome == "killed"
    assert {found[StepId(step, "feed")].outcome for step in ("extract", "load")} == {DONE}
    assert found[StepId("extract", "feed")].rows_out == 6
    assert found[StepId("transform", "marts.table")].outcome == KILLED
    assert found[StepId("publish")].outcome == SKIPPED
    assert "killed" in found[StepId("publish")].message


def test_a_plan_that_cannot_be_made_is_a_step_that_failed(project: Project) -> None:
    (project.sql / "marts/wrong.sql").write_text("select nothing from raw.feed")
    with pytest.raises(EtlError):
        night(project)

    run = Ledger(project.ledger).runs()[0]
    found = rows(project, run.run_id)
    assert [(row.outcome, "nothing" in row.message) for row in found.values()] == [(FAILED, True)]
    (line,) = read_log(project, run.run_id)
    assert line["level"] == "error" and "wrong.sql" in line["message"]


def test_the_log_of_a_run_says_which_step_said_it(project: Project) -> None:
    run_id = night(project, fails="audit")

    lines = list(read_log(project, run_id))
    assert {line["run_id"] for line in lines} == {run_id}
    assert ("load", "feed") in {(line["step"], line["name"]) for line in lines}
    (failed,) = [line for line in lines if line["level"] == "error"]
    assert failed["step"] == "audit" and "The disk is gone." in failed["message"]
    assert project.logs.stat().st_mode & 0o077 == 0
    assert (project.logs / f"{run_id}.jsonl").stat().st_mode & 0o077 == 0


def test_a_run_ends_though_its_log_cannot_be_written(project: Project) -> None:
    project.logs.write_text("a file where the folder of the logs belongs")

    assert {row.outcome for row in rows(project, night(project)).values()} == {DONE}


def test_runs_and_logs_beyond_what_is_kept_are_deleted_by_the_night(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="threads = 1\nkeep_runs = 2\nkeep_generations = 1\n")
    made = []
    for day in range(3, 7):
        tiny.deliver(project, {f"sales/2024-03-{day:02}.csv": f"id,item\n{day},cup\n"})
        made.append(night(project))

    assert [run.run_id for run in Ledger(project.ledger).runs()] == made[:1:-1]
    assert {path.stem for path in project.logs.iterdir()} == set(made[2:])


def test_the_published_file_has_the_history_of_all_runs(project: Project) -> None:
    failed = night(project, fails="audit")
    first = night(project)
    tiny.deliver(project, {"feed/2024-03-05.csv": FEED["feed/2024-03-01.csv"]})
    last = night(project)

    query = "select run_id, outcome, count(*) from etl.steps where step in ('audit', 'publish') group by all"
    assert set(tiny.published(project, query)) == {
        (failed, "failed", 1),
        (failed, "skipped", 1),
        (first, "done", 2),
        (last, "done", 2),
    }
    untimed = f"select count(*) from etl.steps where seconds is null and run_id = '{first}'"
    assert tiny.published(project, untimed) == [(0,)]
    nameless = "select count(*) from duckdb_columns() where table_name = 'steps' and coalesce(comment, '') = ''"
    assert tiny.published(project, nameless) == [(0,)]


def test_a_purge_leaves_nothing_quoted_in_history_log_and_published_file(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    night(project)
    (project.sql / "marts/more.sql").write_text("select error('canary-' || item) as x from raw.sales")
    night(project)
    (project.sql / "marts/more.sql").write_text("select 1 as one")
    night(project)
    (project.logs / "unattended.log").write_text("failed: canary-book")
    assert "canary-book" in json.dumps(list(written(project)))

    purge(project, "sales")
    night(project)

    assert (project.logs / "unattended.log").read_text() == ""
    old = project.warehouse.resolve().parent
    assert [name for name, text in written(project) if "canary-book" in text and str(old) in name] == []
    assert [name for name, text in written(project) if "canary-book" in text and "generations" not in name] == []


def test_a_history_that_is_damaged_begins_again_and_says_since_when(project: Project) -> None:
    from etl.reports.history import known_runs, since

    night(project)
    project.ledger.write_bytes(b"x" * 4096)
    for suffix in ("-wal", "-shm"):
        Path(f"{project.ledger}{suffix}").unlink(missing_ok=True)
    run_id = night(project)

    ledger = Ledger(project.ledger, is_reading=True)
    assert [run["run_id"] for run in known_runs(project, ledger)] == [run_id]
    assert since(project, ledger).startswith("The history begins on 20")


def test_a_step_needs_what_is_below_it_and_no_more(project: Project) -> None:
    from etl.run.recording import _stands_on

    plan = tiny.plan(project, LAST)
    table, third, apart = (StepId("transform", f"marts.{name}") for name in ("table", "third", "apart"))
    extract, load = StepId("extract", "feed"), StepId("load", "feed")

    assert _stands_on(plan, third, table) and _stands_on(plan, third, extract) and _stands_on(plan, load, extract)
    assert not _stands_on(plan, table, third) and not _stands_on(plan, apart, load)
    assert not _stands_on(plan, extract, load)
    assert _stands_on(plan, StepId("publish"), StepId("audit")) and _stands_on(plan, StepId("audit"), apart)
    assert not _stands_on(plan, apart, StepId("audit"))


def test_a_run_of_the_version_before_has_no_steps_and_is_shown(project: Project) -> None:
    from etl.reports.history import run_details

    Ledger(project.ledger).write_run(
        Run("20240101T000000.000Z-0000", "2024-01-01", "2024-01-01", outcome="published")
    )
    found = run_details(project, Ledger(project.ledger, is_reading=True))
    assert (found["state"], found["steps"], found["trigger"]) == ("published", [], "")
