"""A night waits for its required delivery within a window: all else goes on, and what comes is published by it."""

import os
import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from etl.ledger import Ledger
from etl.ledger.history import RUNNING, History
from etl.ledger.keys import transform_key
from etl.ledger.lock import holder
from etl.reports.history import known_runs
from tests.support import tiny, warm
from tests.support.projects import environment, wait_for
from tests.support.receivers import http

CONTRACTS = """
import pandera.pandas as pa
from etl import Files, Source

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)

sales = Source(Sales, Files("sales/{date}.csv"))
crm = Source(Sales, Files("crm/PATH.csv"), required=True, wait="WAIT", poll="1 second")
"""
SQL = {
    "marts/plain.sql": "select id from raw.sales",
    "marts/all.sql": "select id from raw.sales union all select id from raw.crm",
}
#: A night of which the window is over as soon as it waits.
LATE = """
from datetime import UTC, datetime, timedelta
from etl import *
from etl.run import waits

waits._now = lambda: datetime.now(UTC) + timedelta(hours=3)
"""
NOW = datetime.now(UTC)
TODAY = f"{NOW:%Y-%m-%d}"


def window(*minutes: int) -> str:
    """Return a window from and to so many minutes from now."""
    return "-".join(f"{NOW + timedelta(minutes=number):%H:%M}" for number in minutes)


def made(root, wait, path="{date}", **raw):
    contracts = CONTRACTS.replace("WAIT", wait).replace("PATH", path)
    given = {f"sales/{TODAY}.csv": "id,item\n1,book\n", "crm/2024-01-01.csv": "id,item\n2,pen\n", **raw}
    return tiny.project(root, contracts, SQL, given)


def night(project, module="etl", **more):
    variables = {**environment(), "ETL_PROJECT": str(project.root), **more}
    command = ["-m", "luigi", "--module", module, "Nightly", "--date", TODAY]
    return warm.run(command, project.root, variables)


def states(project):
    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        return [run["state"] for run in known_runs(project, ledger, 9)]


def rows(project):
    return tiny.published(project, "select id from marts.all order by id")


def begun(project, *options):
    """Begin a night, and return it when it has done all else and waits."""
    variables = {**environment(), "ETL_PROJECT": str(project.root)}
    found = warm.start(
        ["-m", "luigi", "--module", "etl", "Nightly", "--date", TODAY, *options], project.root, variables
    )
    wait_for(lambda: found.poll() is not None or "deliver crm" in steps(project, RUNNING))
    # all that can be is done before
    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        assert ledger.receipt(transform_key("marts.plain"))
    return found


def steps(project, outcome):
    """Return the steps of a project that came out like that."""
    if not project.ledger.exists():
        return []
    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        return [str(row.id) for row in History(ledger).steps() if row.outcome == outcome]


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_what_comes_within_the_window_is_published_by_the_night_that_waited(tmp_path, options):
    project = made(tmp_path, window(-60, 60))
    process = begun(project, *options)

    # who reads is not held up
    assert states(project) == ["under way"] and holder(project)
    tiny.deliver(project, {f"crm/{TODAY}.csv": "id,item\n3,cup\n"})
    said, _ = process.communicate(timeout=warm.PATIENCE)

    assert process.returncode == 0, said
    assert rows(project) == [(1,), (2,), (3,)]
    assert said.index("built marts.plain") < said.index("extracted crm")
    assert states(project) == ["published"]


def test_a_snapshot_has_to_be_of_today(tmp_path):
    project = made(tmp_path, window(-60, 60), "all", **{"crm/all.csv": "id,item\n2,pen\n"})
    long_ago = time.time() - 3 * 86_400
    os.utime(project.raw / "crm/all.csv", (long_ago, long_ago))
    process = begun(project)
    tiny.deliver(project, {"crm/all.csv": "id,item\n3,cup\n"})
    said, _ = process.communicate(timeout=warm.PATIENCE)

    assert process.returncode == 0, said
    assert rows(project) == [(1,), (3,)]


@pytest.mark.parametrize("path", ["{date}", "all"])
def test_after_the_window_the_night_ends_with_20_and_says_what_has_not_come(tmp_path, path):
    project = made(tmp_path, window(-60, 60), path)
    (tmp_path / "late.py").write_text(LATE)
    ended = night(project, module="late")

    assert ended.returncode == 20, ended.stdout
    assert "the delivery has not come. It was waited for until" in ended.stdout
    assert f"When it is there: etl run --date {TODAY}" in ended.stdout
    assert ended.stdout.count("built marts.plain") == 1
    assert states(project) == ["missing data"]


def test_who_is_told_of_nights_hears_what_was_waited_for_in_vain(tmp_path):
    pytest.importorskip("apprise")
    project = made(tmp_path, window(-60, 60))
    (tmp_path / "late.py").write_text(LATE)
    with http() as server:
        ended = night(project, module="late", ETL_NOTIFY=f"json://127.0.0.1:{server.port}/")

    assert ended.returncode == 20, ended.stdout
    ((_, told),) = server.got
    assert f"crm {TODAY}" in told["message"] and "It was waited for until" in told["message"]


def test_a_night_that_begins_beside_the_window_or_of_an_earlier_day_does_not_wait(tmp_path):
    project = made(tmp_path, window(60, 120))
    ended = night(project)
    assert (ended.returncode, "waiting for" in ended.stdout) == (20, False), ended.stdout


def test_a_night_that_is_asked_to_stop_while_it_waits_stops(tmp_path):
    project = made(tmp_path, window(-60, 60))
    process = begun(project)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=warm.PATIENCE)

    assert process.returncode == 128 + signal.SIGTERM, said
    assert not holder(project)
