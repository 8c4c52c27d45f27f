"""A night that finds all as the last one left it: it says what a plan would say, and never when there is work."""

import os
import time
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import EtlError
from etl.ledger import Ledger, Run
from etl.ledger.keys import UNCHANGED, load_key
from etl.plan import Scope, make_plan
from etl.project import Project, load_project
from etl.reports.summary import summary
from etl.run import remembered
from etl.run.active import active_run, finish_runs, new_run_id, versions
from etl.run.ending import totals
from etl.run.same import find_same, key_of, see
from tests.support import tiny
from tests.support.thorough import examples

LAST = date(2024, 3, 20)
CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Row(pa.DataFrameModel):
    id: int = pa.Field(ge=0)
    item: str = pa.Field(nullable=True)

sales = Source(contract=Row, files="sales/{date}.csv", max_reject_ratio=1.0)
marked = Source(contract=Row, files="marked/{date}.csv", marker="{file}.done", every="day", lag_days=1)
parts = Source(contract=Row, files="parts/{date}/*.csv", marker="parts/{date}/DONE", optional=True)
sent = Source(contract=Row, files="sent/{date}.csv", same_content="refuse", empty="skip", optional=True)
needed = Source(contract=Row, files="needed/{date}.csv", required=True, every="week", max_withdrawn=9)
stock = Source(contract=Row, files="stock.csv", lag_days=1)
prices = Source(contract=Row, files="prices/all.csv", history=True)
"""
SQL = {
    "staging/sales.sql": "-- materialized: view\nselect * from raw.sales",
    "marts/items.sql": "select item, count(*) as n from staging.sales group by item",
    "marts/days.sql": "-- materialized: incremental\n-- partition: delivery_date\n-- export: parquet\n"
    "select delivery_date, count(*) as n from raw.sales group by all",
    "audits/none.sql": "-- warn: a thing\nselect id from raw.sales where id > 900",
}
ROWS = "id,item\n1,book\n2,pen\n"
RAW = {
    **{
        f"{name}/2024-03-{day:02}.csv": ROWS.replace("2", str(day)) for name in ("sales", "sent") for day in (4, 5)
    },
    "sales/2024-03-06.csv": "id,item\n-1,book\n7,pen\n",
    "marked/2024-03-05.csv": ROWS,
    "marked/2024-03-05.csv.done": "",
    "parts/2024-03-05/a.csv": ROWS,
    "parts/2024-03-05/DONE": "",
    "needed/2024-03-18.csv": ROWS,
    "stock.csv": ROWS,
    "prices/all.csv": ROWS,
}


def make(root: Path) -> None:
    night(tiny.project(root, CONTRACTS, SQL, RAW), LAST)


def night(project: Project, last: date) -> bool:
    """Run a night as the tasks do; return whether it made no plan."""
    run = active_run(project.identity, new_run_id(), Scope(last), is_whole=True)
    try:
        if run.same is None:
            tiny.work(run)
        return run.same is not None
    finally:
        finish_runs()


def check(project: Project, last: date) -> bool:
    """Hold what a night would say without a plan to what the plan says; return whether it would make none."""
    ledger = Ledger(project.ledger)
    same = find_same(project, ledger, Scope(last), versions())
    if same is None:
        return False
    plan = make_plan(project, ledger, Scope(last))
    receipts = ledger.receipts()
    row = Run("", str(last), "", outcome="unchanged")
    assert plan.stale == {} and plan.missing == {}
    assert same.lines == list(summary(plan, ledger, row, receipts))
    assert same.totals == totals(plan, receipts)
    return True


def files(project: Project, *patterns: str) -> list[Path]:
    return sorted(path for pattern in patterns for path in project.data.glob(pattern) if path.is_file())


def deliver(project, number):
    name = ("sales", "marked", "sent", "needed")[number % 4]
    tiny.deliver(project, {f"{name}/2024-03-{1 + number % 28:02}.csv": f"id,item\n{number},new\n"})


def change(project, number):
    path = (found := files(project, "raw/**/*.csv"))[number % len(found)]
    path.write_text(f"id,item\n{number},changed\n")


def change_unseen(project, number):
    """Change a byte, and set back the time of it."""
    path = (found := files(project, "raw/**/*.csv"))[number % len(found)]
    times = path.stat()
    path.write_bytes(path.read_bytes().replace(b"1", b"3"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def remove(project, number):
    (found := files(project, "raw/**/*"))[number % len(found)].unlink()


def rename(project, number):
    path = (found := files(project, "raw/sales/*.csv", "raw/sent/*.csv", "raw/stock.csv"))[number % len(found)]
    path.rename(path.with_name(f"2024-03-{1 + number % 28:02}.csv"))


def link(project, number):
    path = (found := files(project, "raw/**/*.csv"))[number % len(found)]
    aside = project.raw / f"aside-{number}"
    path.rename(aside)
    path.symlink_to(aside if number % 2 else project.root / "luigi.cfg")


def empty(project, number):
    tiny.deliver(project, {f"sent/2024-03-{1 + number % 28:02}.csv": ""})


def mark(project, number):
    tiny.deliver(project, {f"marked/2024-03-{1 + number % 28:02}.csv.done": "", "parts/2024-03-07/DONE": ""})


def part(project, number):
    tiny.deliver(project, {f"parts/2024-03-0{5 + number % 3}/{number}.csv": f"id,item\n{number},part\n"})


def litter(project, number):
    tiny.deliver(project, {("notes.txt", "sales/2024-3-9.csv", "sales/.hidden")[number % 3]: str(number)})


def damage(project, number):
    """Change or remove what etl itself made."""
    made = files(project, "lake/*/*/data.parquet", "quarantine/*/*/data.parquet", "warehouse/build.duckdb")
    path = made[number % len(made)]
    if number % 2:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")


def unpublish(project, number):
    path = (project.warehouse, project.current, *project.generations.glob("*/lake/*/*/*/data.parquet"))[number % 3]
    path.unlink(missing_ok=True)


def code(project, number):
    path = (found := sorted([*project.sql.rglob("*.sql"), project.contracts / "all.py"]))[number % len(found)]
    text = path.read_text()
    comment = "#" if path.suffix == ".py" else "--"
    swapped = {"count(*)": "count(item)", "ge=0": "ge=-1", "> 900": "> 800"}
    for before, after in swapped.items() if number % 3 else ():
        text = text.replace(before, after)
    path.write_text(f"{text}\n{comment} {number}\n")


def setting(project, number):
    (project.root / "luigi.cfg").write_text(
        f"[etl]\nthreads = 1\n{('keep_days = 2', 'timezone = Europe/Berlin')[number % 2]}\n"
    )


def decide(project, number):
    tiny.deliver(project, {f"../corrections/sales/2024-03-0{4 + number % 3}.jsonl": ""})


def forget(project, number):
    Ledger(project.ledger).forget([load_key(("sales", "stock")[number % 2])])


def hold(project, number):
    (project.current.parent / "hold.json").write_text("{")


def nothing(project, number):
    """Leave all as it is."""


CHANGES = (
    deliver, change, change_unseen, remove, rename, link, empty, mark, part, litter,
    damage, unpublish, code, setting, decide, forget, hold, nothing,
)  # fmt: skip
steps = st.tuples(st.sampled_from(CHANGES), st.integers(0, 60), st.integers(-1, 9))


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Take what changed just now for settled: the tests are faster than that, and wait for the clock to tick."""
    monkeypatch.setattr(remembered, "_SETTLED_NS", -(10**12))


@settings(max_examples=examples(2), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 60)), min_size=30, max_size=30))
def test_while_all_looks_the_same_a_plan_comes_out_the_same(changes):
    with TemporaryDirectory() as folder:
        project = tiny.once(Path(folder).resolve() / "project", make)
        plan = make_plan(project, Ledger(project.ledger), Scope(LAST))
        for change, number in changes:
            looks = [*remembered.given(plan), *remembered.made(plan)]
            before, asked = see(looks).hash, key_of(project, versions())
            noted = Ledger(project.ledger)
            noted.cache(UNCHANGED, asked, "noted")
            time.sleep(0.005)
            change(project, number)
            try:
                project = load_project(project.root)
                now = make_plan(project, Ledger(project.ledger), Scope(LAST))
            except EtlError:
                now = None
            is_same = see(looks).hash == before and noted.cached(UNCHANGED, key_of(project, versions())) == "noted"
            if is_same:
                assert now is not None
                assert (now.stale, now.fingerprints, now.missing) == (plan.stale, plan.fingerprints, plan.missing)
            if now is None:
                # nothing more can be planned
                break
            plan = now


@settings(max_examples=examples(2), deadline=None)
@given(st.lists(steps, min_size=2, max_size=3))
def test_a_night_without_a_plan_says_what_the_plan_says(changes):
    with TemporaryDirectory() as folder:
        project = tiny.once(Path(folder).resolve() / "project", make)
        night(project, LAST)
        for change, number, days in changes:
            time.sleep(0.005)
            change(project, number)
            last = LAST + timedelta(days)
            try:
                project = load_project(project.root)
                check(project, last)
                night(project, last)
                check(project, last)
                check(project, last + timedelta(number))
            except EtlError:
                # a night that cannot be: the next one is as wary
                finish_runs()


def test_a_night_after_one_that_published_makes_no_plan(tmp_path):
    project = tiny.once(tmp_path, make)
    night(project, LAST)
    assert night(project, LAST) and night(project, LAST + timedelta(1))
    tiny.deliver(project, {"sales/2024-03-07.csv": "id,item\n8,cup\n"})
    assert not night(project, LAST)
    assert night(project, LAST)


@pytest.mark.parametrize("given", ["marts/dated.sql", "settling", "young"])
def test_what_time_alone_can_change_is_planned(tmp_path, monkeypatch, given):
    contracts, sql = CONTRACTS, dict(SQL)
    if given == "settling":
        contracts = CONTRACTS.replace('"stock.csv"', '"stock.csv", settle_seconds=9')
    if given == "marts/dated.sql":
        sql["audits/old.sql"] = (
            "-- warn: old\nselect id from raw.sales where delivery_date < getvariable('batch_date')"
        )
    if given == "young":
        monkeypatch.setattr(remembered, "_SETTLED_NS", 60 * 10**9)
    project = tiny.project(tmp_path, contracts, sql, RAW)
    night(project, LAST)
    assert check(project, LAST) == (given == "marts/dated.sql")
    assert not check(project, LAST + timedelta(1))


def test_a_model_that_learns_its_code_and_another_version_of_its_library_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tiny.project(tmp_path / "project")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed = tmp_path / "smoothing-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Name: smoothing\nVersion: 1.0\n")

    looks = remembered.given(tiny.plan(project))
    before = see(looks).hash
    project.ml.mkdir()
    assert see(looks).hash != before

    model = project.ml / "guess.py"
    sql = {"ml/training.sql": "select id, delivery_date, 1 as label from raw.sales"}
    tiny.project(project.root, sql=sql)
    declared = 'FEATURES = "ml.training"\nLABEL = "label"\nKEY = ["id"]\nTIME = "delivery_date"\n'
    functions = "def train(rows, params, report): ...\ndef predict(model, rows): ...\n"
    model.write_text(f'{declared}LIBRARIES = ["smoothing"]\n{functions}')
    looks = remembered.given(tiny.plan(project))
    before = see(looks).hash
    assert see(looks).hash == before
    installed.rename(tmp_path / "smoothing-1.1.dist-info")
    assert see(looks).hash != before
    (tmp_path / "smoothing-1.1.dist-info").rename(installed)
    assert see(looks).hash == before
    model.write_text(f'{declared}SEED = 4\nLIBRARIES = ["smoothing"]\n{functions}')
    assert see(looks).hash != before
