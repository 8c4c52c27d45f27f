"""The history of whole nights: what worker processes did arrives, and a kill loses nothing that was done."""

import json
import os
import signal
from pathlib import Path

import pytest

from etl.ledger import Ledger
from etl.ledger.history import History, StepId, StepRow
from etl.ledger.run_log import read_log
from etl.project import Project
from tests.support import tiny, warm
from tests.support.projects import environment, wait_for
from tests.tasks.test_upstream import CONTRACTS, NIGHT, SQL, TASKS

ENDLESS = "select count(*) as n from range(1000000000000) as a(x), raw.sales where x % 7 = id"
ARGUMENTS = ["-m", "luigi", "--module", "etl", "Nightly", "--date", NIGHT]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a source that senders fill, and one whose task makes the delivery of the night."""
    project = tiny.project(tmp_path, CONTRACTS, SQL, {**tiny.SALES, "crm/2024-03-30.csv": "id,item\n7,cup\n"})
    (project.root / "crm.py").write_text(TASKS)
    return project


def variables(project: Project) -> dict[str, str]:
    return environment(ETL_PROJECT=str(project.root), ETL_TRIGGER="watch")


def night(project: Project, *arguments: str) -> dict[StepId, StepRow]:
    """Run a night in a process of its own; return what its history says of each step."""
    warm.run([*ARGUMENTS, *arguments], project.root, variables(project))
    return steps(project)


def steps(project: Project, newest: int = 0) -> dict[StepId, StepRow]:
    ledger = Ledger(project.ledger)
    rows = History(ledger).steps([ledger.runs()[newest].run_id])
    assert len(rows) == len({row.id for row in rows})
    return {row.id: row for row in rows}


def outcomes(found: dict[StepId, StepRow]) -> dict[str, str]:
    return {str(step): row.outcome for step, row in found.items()}


def test_what_workers_did_and_said_is_in_the_history_of_the_run(project: Project) -> None:
    found = night(project, "--workers", "2")

    assert outcomes(found) == dict.fromkeys(
        [
            *("plan", "deliver crm", "extract sales", "extract crm", "load sales", "load crm"),
            *("transform marts.all", "audit", "publish"),
        ],
        "done",
    )
    assert found[StepId("extract", "crm")].rows_out == 2
    assert all(row.cpu_seconds is not None and row.started_at for row in found.values())
    run = Ledger(project.ledger).runs()[0]
    facts = History(Ledger(project.ledger)).facts()[run.run_id]
    assert (facts.trigger, facts.environment) == ("watch", "prod")
    assert "--workers 2" in facts.command
    lines = list(read_log(project, run.run_id))
    assert len({line["pid"] for line in lines}) > 1
    assert {"extract", "load", "transform", "audit", "publish"} <= {line["step"] for line in lines}


def test_a_delivery_that_its_task_did_not_make_is_a_step_that_failed(project: Project) -> None:
    broken = 'raise OSError("no CRM")\n        with self.output()'
    (project.root / "crm.py").write_text(TASKS.replace("with self.output()", broken))
    found = night(project)

    assert found[StepId("deliver", "crm")].outcome == "failed"
    assert "no CRM" in found[StepId("deliver", "crm")].message
    assert found[StepId("extract", "sales")].outcome == "done"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_night_that_is_killed_keeps_what_it_did_and_says_so(project: Project, workers: str) -> None:
    (project.sql / "marts/endless.sql").write_text(ENDLESS)
    process = warm.start([*ARGUMENTS, "--workers", workers], project.root, variables(project))
    endless = StepId("transform", "marts.endless")

    def is_building() -> bool:
        if not project.ledger.exists() or not Ledger(project.ledger, is_reading=True).runs():
            return False
        row = steps(project).get(endless)
        return row is not None and row.outcome == "running"

    wait_for(is_building)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (project.sql / "marts/endless.sql").write_text("select 1 as n")
    # the lock is free when the last of the workers is gone
    wait_for(lambda: warm.run(ARGUMENTS, project.root, variables(project)).returncode == 0)

    newest = next(n for n, run in enumerate(Ledger(project.ledger).runs()) if run.outcome == "killed")
    found = steps(project, newest)
    assert found[endless].outcome == "killed"
    assert {found[StepId(step, "sales")].outcome for step in ("extract", "load")} == {"done"}
    assert {found[StepId(step)].outcome for step in ("audit", "publish")} == {"skipped"}
    assert json.dumps([row.message for row in found.values()]).count("killed") >= 3
