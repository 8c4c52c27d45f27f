"""A delivery that fails on more nights than the project tries it again is left out, until something changes."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.ledger import Ledger
from etl.ledger.parking import FailedNights, failed_nights, forget_failed_nights, note_failed_nights
from etl.operations.retry import parked_sources, what_failed
from etl.plan import Scope
from etl.project import Project, load_project
from etl.reports.page.data import report_data
from etl.run import steps
from etl.run.active import active_run, finish_runs, new_run_id
from tests.run.test_recording import steps_of
from tests.support import tiny
from tests.support.thorough import examples

GOOD, BAD = "id,item\n1,book\n", "id,thing\n1,book\n"


def project(root: Path, retry_failed: int = 2, contracts: str = tiny.CONTRACTS) -> Project:
    raw = {"sales/2024-03-01.csv": GOOD, "sales/2024-03-02.csv": BAD}
    return tiny.project(root, contracts, {}, raw, f"threads = 1\nretries = 0\nretry_failed = {retry_failed}\n")


def night(project: Project, day: int, **scope: str) -> str:
    """Run the night of a day in March; return how it ended."""
    run = active_run(project.identity, new_run_id(), Scope(date(2024, 3, day), **scope), is_whole=True)
    try:
        for step, arguments in steps_of(run) if run.same is None else ():
            try:
                getattr(steps, step)(run, *arguments)
            except Exception as error:
                steps.failed(error, run, step, ())
                break
    finally:
        finish_runs()
    return run.row.outcome


def rows(project: Project) -> int:
    ((number,),) = tiny.published(project, "select count(*) from raw.sales")
    return int(number)


def test_it_fails_as_often_as_it_is_tried_and_is_parked_then(tmp_path: Path) -> None:
    made = project(tmp_path)

    assert [night(made, day) for day in (3, 3, 4, 5, 6, 7)] == [*["failed"] * 4, "published", "unchanged"]
    assert rows(made) == 1
    ((said,),) = [run.summary["notes"].values() for run in Ledger(made.ledger).runs()[:1]]
    assert said[0] == (
        "2024-03-02 is parked, since it failed on 3 nights, the last time on 2024-03-05. A changed file, contract "
        "or source is tried at once. To try it as it is, and see why it fails: etl retry"
    )


def test_what_is_parked_stays_on_the_first_page(tmp_path: Path) -> None:
    made = project(tmp_path)
    for day in (3, 4, 5, 6, 7):
        night(made, day)
        found = report_data(made, Ledger(made.ledger))["night"]

        is_parked = day > 4
        assert [source["parked"] for source in found["sources"]] == [["2024-03-02"] if is_parked else []]
        said = "Parked, since it failed night after night: sales 2024-03-02."
        assert (said in found["points"], found["level"] == "green") == (is_parked, False)


def test_a_changed_delivery_is_tried_at_once(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert [night(made, day) for day in (3, 4, 5, 6)] == [*["failed"] * 3, "published"]

    tiny.deliver(made, {"sales/2024-03-02.csv": GOOD})

    assert night(made, 7) == "published"
    assert rows(made) == 2
    assert failed_nights(Ledger(made.ledger)) == {}


def test_a_changed_contract_is_tried_at_once(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert [night(made, day) for day in (3, 4, 5, 6)] == [*["failed"] * 3, "published"]

    (tmp_path / "contracts/all.py").write_text(tiny.CONTRACTS.replace('csv")', 'csv", extra="ignore")'))

    assert night(load_project(str(tmp_path)), 7) == "failed"


def test_what_is_parked_is_tried_when_it_is_asked_for(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert [night(made, day) for day in (3, 4, 5, 6)] == [*["failed"] * 3, "published"]
    ledger = Ledger(made.ledger)

    again = what_failed(ledger, ledger.runs()[0], parked_sources(made, ledger))

    assert again is not None and again.arguments[-2:] == ["--sources-only", "sales"]
    assert night(made, 6, sources="sales") == "failed"
    assert night(made, 7) == "unchanged"


def test_what_was_taken_before_stays(tmp_path: Path) -> None:
    made = project(tmp_path)
    tiny.deliver(made, {"sales/2024-03-02.csv": GOOD})
    assert night(made, 3) == "published"
    tiny.deliver(made, {"sales/2024-03-02.csv": BAD, "sales/2024-03-04.csv": GOOD})

    assert [night(made, day) for day in (4, 5, 6, 7)] == [*["failed"] * 3, "published"]

    assert rows(made) == 3


@pytest.mark.parametrize("options", ["required=True, lag_days=9", ""])
def test_it_fails_each_night_if_it_is_required_or_nothing_is_to_be_parked(tmp_path: Path, options: str) -> None:
    contracts = tiny.CONTRACTS.replace('csv")', f'csv", {options})')
    made = project(tmp_path, retry_failed=1 if options else 0, contracts=contracts)

    assert [night(made, day) for day in (3, 4, 5, 6)] == ["failed"] * 4


@settings(max_examples=examples(20))
@given(nights=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 6)), max_size=8))
def test_nights_are_counted_by_content_and_date(
    tmp_path_factory: pytest.TempPathFactory, nights: list[tuple[str, int]]
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("l") / "ledger.sqlite")
    count, last, content = 0, 0, ""
    for which, day in nights:
        count = 1 if which != content else count + (day > last)
        last, content = max(last, day), which
        note_failed_nights(ledger, [FailedNights("sales", "", which, 1, last_date=f"2024-03-0{day}")])

    assert [one.nights for one in failed_nights(ledger).values()] == [count][: len(nights)]
    forget_failed_nights(ledger, "sales", [""])
    assert failed_nights(ledger) == {}
