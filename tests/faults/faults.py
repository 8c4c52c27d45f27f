"""What tests of faults have in common: a run in which something happens, and what must hold after the next one."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support import warm

RUNNER = Path(__file__).parent / "runner.py"
DATE = "2018-05-27"


def disturbed(
    project: Any,
    tools: Any,
    arguments: tuple[str, ...] = ("--date", DATE),
    command: tuple[str, ...] = ("Nightly",),
    **plan: Any,
) -> tuple[subprocess.CompletedProcess[str], list[list[Any]]]:
    """Run a night, or another command, in which the plan of runner.py happens; return its end and its effects."""
    log, file = project.root / "effects.jsonl", project.root / "plan.json"
    log.unlink(missing_ok=True)
    known = {"at": -1, "when": "before", "do": "kill", "data": str(project.data), "log": str(log)}
    file.write_text(json.dumps({**known, **plan}))
    done = warm.run([str(RUNNER), str(file), *command, *arguments], project.root, tools.environment())
    effects = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return done, effects


def assert_as(project: Any, content: dict[str, list[str]]) -> None:
    """Hold what is published and what lies around to an undisturbed run."""
    assert project.content() == content
    assert project.leftovers() == []
    assert project.ledger("select generation from switches order by rowid desc limit 1") == [(project.generation,)]


#: What the history must not have once the next run is over, whatever became of those before.
WRONG = {
    "a run without an end": "select run_id from runs where outcome = ''",
    "a step that waits or is under way": "select * from steps where outcome in ('', 'running')",
    "a step of which nobody says why": (
        "select * from steps where outcome not in ('done', 'kept') and message = '' or why = '' and step <> 'plan'"
    ),
    "a step of a run that published, which was not done": (
        "select * from steps join runs using (run_id) "
        "where runs.outcome = 'published' and steps.outcome not in ('done', 'kept')"
    ),
    "a step without a run": "select run_id from steps where run_id not in (select run_id from runs)",
    # of an extract, some partitions may be proved
    "a step that is proved, and was not done": (
        "select steps.* from steps join receipts using (run_id, step, name) where receipts.outcome <> 'failed' "
        "and steps.outcome not in ('done', 'kept') and step <> 'extract'"
    ),
    "a partition that is proved, whose rows nobody counted": (
        "select steps.* from steps join receipts using (run_id, step, name) where receipts.outcome <> 'failed' "
        "and step = 'extract' and (rows_in is null or rows_out is null)"
    ),
}


def assert_history(project: Any) -> None:
    """Hold what the history says of every run to what it promises."""
    assert {what: rows for what, query in WRONG.items() if (rows := project.ledger(query))} == {}


def assert_whole(project: Any, content: dict[str, list[str]]) -> None:
    """Run again, with no other hand, and hold what is published and what lies around to an undisturbed run."""
    project.published()
    assert_as(project, content)
    assert_history(project)
