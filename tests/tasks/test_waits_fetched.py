"""A night waits for a required source beyond files: it is fetched again and again, until it has come."""

from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest

from etl.ledger import Ledger
from etl.ledger.keys import transform_key
from tests.support import stores, tiny, warm
from tests.support.projects import environment, wait_for
from tests.tasks.test_waits import LATE, SQL, TODAY, states, window

pytestmark = pytest.mark.sampled

CONTRACTS = """
import os
from pathlib import Path
import pandera.pandas as pa
from etl import Fetch, Files, Sftp, Source

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)

PLACE = Path(os.environ["ETL_PROJECT"]) / "there.txt"

def answer():
    yield {"id": "3", "item": PLACE.read_text()}

def daily(date):
    yield {"id": "3", "item": PLACE.read_text()}

sales = Source(Sales, Files("sales/{date}.csv"))
crm = Source(Sales, fetch=FETCH, required=True, wait="WAIT", poll="1 second")
"""


@contextmanager
def _server(folder):
    """A folder elsewhere, with the file of an earlier day."""
    pytest.importorskip("asyncssh")
    (folder / "held").mkdir()
    with stores.sftp(folder / "held") as held:
        held.put("in/2024-01-01.csv", b"id,item\n2,pen\n")
        yield SimpleNamespace(
            fetch=f"{held.fetch()}, files='{{date}}.csv'",
            bring=lambda: held.put(f"in/{TODAY}.csv", b"id,item\n3,cup\n"),
            environment=held.environment,
            rows=[(1,), (2,), (3,)],
            why=f"there is no {TODAY}.csv to fetch",
        )


@contextmanager
def _function(folder, name, why):
    yield SimpleNamespace(
        fetch=f"Fetch({name})",
        bring=lambda: (folder / "there.txt").write_text("cup"),
        environment={},
        rows=[(1,), (3,)],
        why=why,
    )


#: By kind: the files of a server, a day that cannot be asked for yet, and something that is down.
KINDS = {
    "files": _server,
    "date": lambda folder: _function(folder, "daily", "it could not be fetched at "),
    "down": lambda folder: _function(folder, "answer", "it could not be fetched at "),
}


def made(root, fetch, wait):
    contracts = CONTRACTS.replace("FETCH", fetch).replace("WAIT", wait)
    given = {f"sales/{TODAY}.csv": "id,item\n1,book\n"}
    return tiny.project(root, contracts, SQL, given, "threads = 1\nretries = 0\n")


def started(project, kind, *options, module="etl"):
    variables = {**environment(), **kind.environment, "ETL_PROJECT": str(project.root)}
    command = ["-m", "luigi", "--module", module, "Nightly", "--date", TODAY, *options]
    return warm.start(command, project.root, variables)


def has_built(project):
    if not project.ledger.exists():
        return False
    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        return bool(ledger.receipt(transform_key("marts.plain")))


@pytest.mark.parametrize(("name", "options"), [("files", ()), ("date", ("--workers", "2")), ("down", ())])
def test_what_comes_within_the_window_is_fetched_and_published_by_the_night_that_waited(tmp_path, name, options):
    with KINDS[name](tmp_path) as kind:
        project = made(tmp_path, kind.fetch, window(-60, 60))
        process = started(project, kind, *options)
        wait_for(lambda: process.poll() is not None or has_built(project))
        kind.bring()
        said, _ = process.communicate(timeout=warm.PATIENCE)

    assert process.returncode == 0, said
    assert f"waiting for crm {TODAY} until" in said and kind.why in said
    assert tiny.published(project, "select id from marts.all order by id") == kind.rows
    # that it was not there at first is no problem of the run
    assert "warning" not in said and "failed" not in said.replace("failed once", ""), said
    assert states(project) == ["published"]


@pytest.mark.parametrize("name", KINDS)
def test_what_is_there_at_once_is_not_waited_for(tmp_path, name):
    with KINDS[name](tmp_path) as kind:
        project = made(tmp_path, kind.fetch, window(-60, 60))
        kind.bring()
        said, _ = (process := started(project, kind)).communicate(timeout=warm.PATIENCE)

    assert (process.returncode, "waiting for" in said, said.count("fetched crm")) == (0, False, 1), said


@pytest.mark.parametrize("name", KINDS)
def test_after_the_window_it_is_asked_once_more_and_said_to_be_missing(tmp_path, name):
    with KINDS[name](tmp_path) as kind:
        project = made(tmp_path, kind.fetch, window(-60, 60))
        (tmp_path / "late.py").write_text(LATE)
        said, _ = (process := started(project, kind, module="late")).communicate(timeout=warm.PATIENCE)

    assert process.returncode == 20, said
    assert "the delivery has not come. It was waited for until" in said and kind.why in said
    assert said.count("built marts.plain") == 1
    assert states(project) == ["missing data"]


def test_the_files_of_a_server_that_are_required_are_missing_without_a_window_too(tmp_path):
    with _server(tmp_path) as kind:
        project = made(tmp_path, kind.fetch, "")
        said, _ = (process := started(project, kind)).communicate(timeout=warm.PATIENCE)

    assert (process.returncode, "waiting for" in said) == (20, False), said
    assert states(project) == ["missing data"]
