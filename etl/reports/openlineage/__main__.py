"""The process that writes the events of a run, and posts what waits: `python -m etl.reports.openlineage ROOT RUN`.

Each line that it prints is a warning for the log of the run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from etl.ledger import Ledger, Run
from etl.ledger.history import History
from etl.project import Project, load_project
from etl.project.files import write_file
from etl.project.secret import scrubbed
from etl.reports.openlineage import MISSING, file_of
from etl.reports.openlineage.posting import forget, note, post_waiting


def main(root: str, run_id: str) -> int:
    """Write the events of a run, and of those before it that were killed; then post what waits."""
    try:
        import openlineage.client  # noqa: F401
    except ImportError:
        return MISSING
    project = load_project(root)
    ledger = Ledger(project.ledger)
    for run in _unwritten(project, ledger, run_id):
        write(project, ledger, run, is_current=run.run_id == run_id)
    forget(project, ledger)
    for warning in post_waiting(project, ledger):
        print(scrubbed(warning), flush=True)
    return 0


def write(project: Project, ledger: Ledger, run: Run, *, is_current: bool = True) -> None:
    """Write the events of a run as one whole file, one event a line.

    Of a run that is not the current one nobody knows the code that it ran: it has no schemas and no lineage.
    """
    from openlineage.client.serde import Serde

    from etl.reports.openlineage.datasets import Known, known
    from etl.reports.openlineage.events import events

    code: Known | None = known(project, ledger) if is_current else None
    lines = [scrubbed(Serde.to_json(event)) for event in events(project, ledger, run, code)]
    write_file(file_of(project, run.run_id), "".join(f"{line}\n" for line in lines))
    note(ledger, run.run_id, len(lines))


def _unwritten(project: Project, ledger: Ledger, run_id: str) -> Iterator[Run]:
    """Yield the run, and those since the oldest file that could not write their own; the oldest first."""
    runs = {run.run_id: run for run in reversed(ledger.runs())}
    folder = file_of(project, run_id).parent
    first = min((path.stem for path in folder.glob("*.jsonl")), default=run_id)
    for name in History(ledger).runs_with_steps():
        run = runs.get(name)
        if run and run.outcome and name >= min(first, run_id) and not file_of(project, name).exists():
            yield run


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
