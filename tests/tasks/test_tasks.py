"""What is asked of Luigi: an option that lacks is said, and so are dates that nobody delivered."""

from datetime import date
from pathlib import Path

import pytest

from etl import tasks
from etl.ledger import Ledger
from etl.reports.summary import summary
from etl.tasks.options import Asked
from tests.support import tiny

#: The options that each task needs that can be asked for.
NEEDS = {
    "RawFile": "--source, --date",
    "LakePartition": "--source, --dates",
    "Fetched": "--source",
    "LoadedTable": "--source",
    "BuiltModel": "--name",
    "AuditedWarehouse": "",
    "PublishedWarehouse": "",
    "Nightly": "",
    "Backfill": "--start, --stop",
    "Retried": "--date",
    "DeliveredSample": "--until",
    "Promoted": "--source-env, --target-env",
    "Tuned": "--name",
}


def test_every_task_is_judged() -> None:
    found = {name for name, task in vars(tasks).items() if isinstance(task, type) and issubclass(task, Asked)}
    assert found - {"Step", "Batch", "WarehouseStep"} == NEEDS.keys(), "add the options that the new task needs"


@pytest.mark.parametrize(("name", "options"), [(name, options) for name, options in NEEDS.items() if options])
def test_an_option_that_lacks_is_said_in_a_line(name: str, options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("etl.tasks.options.log.error", lambda text, *values: said.append(text % values))
    with pytest.raises(SystemExit) as stop:
        getattr(tasks, name)()
    assert (stop.value.code, said) == (2, [f"{name} needs {options}. See luigi --module etl {name} --help"])


@pytest.mark.parametrize(
    ("first", "last", "said"), [(1, 9, True), (2, 2, False), (3, 3, True), (1, 1, False)]
)  # fmt: skip
def test_a_backfill_over_dates_that_nobody_delivered_says_so(
    tmp_path: Path, first: int, last: int, said: bool
) -> None:
    project = tiny.project(tmp_path)
    start, stop = (date(2024, 5 if (first, last) == (1, 9) else 3, day) for day in (first, last))
    planned = tiny.night(project, stop, first=start)
    ledger = Ledger(project.ledger)
    run = next(run for run in ledger.runs() if run.run_id == planned.run_id)
    lines = list(summary(planned, ledger, run, ledger.receipts()))
    assert (f"  nobody delivered anything from {start} to {stop}" in lines) == said
