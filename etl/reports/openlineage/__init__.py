"""Events of OpenLineage about runs: written by a process of its own when a run has ended, and posted if asked for.

Nothing of the library is imported here: a night that writes no events does without it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from etl.ledger import Ledger, Run
from etl.project import Project

log = logging.getLogger("etl")

#: Where events are posted to, and with which token, if any; both are nobody's to read.
URL, TOKEN = "ETL_LINEAGE_URL", "ETL_LINEAGE_TOKEN"
INSTALL = "openlineage-python is not installed. Type: pip install 'etl[openlineage]'"
#: The exit code of the process if the library is not there.
MISSING = 3
#: So many seconds may the events of a run take, with their posting; a dead server keeps nobody longer.
_SECONDS = 60.0

#: Runs with events that a server has not taken yet.
_WAITING = "select 1 from lineage where accepted < events limit 1"


def file_of(project: Project, run_id: str) -> Path:
    """Return where the events of a run are."""
    return project.data / "lineage" / f"{run_id}.jsonl"


def write_lineage(project: Project, ledger: Ledger, row: Run) -> None:
    """Write the events of a run that has ended, and post what waits; the log says what could not be done.

    A run that found nothing new has no events. The caller does not have the lock any more.
    """
    is_new = row.outcome not in ("", "unchanged")
    if not is_new and not (os.environ.get(URL, "").strip() and ledger.ask(_WAITING)):
        return
    try:
        done = in_child(project.identity, row.run_id)
    except subprocess.TimeoutExpired:
        log.warning("warning: the lineage of this run was not written in %.0f seconds", _SECONDS)
        return
    if done.returncode == MISSING:
        log.warning("warning: the lineage is not written, since %s", INSTALL)
    elif done.returncode:
        # the end of a traceback names the kind of the error; its text may quote an address
        kind = (done.stderr.strip().splitlines() or ["it was killed"])[-1].partition(":")[0]
        log.warning("warning: the lineage of this run was not written: %s", kind)
    for line in done.stdout.splitlines():
        log.warning("warning: %s", line)


def in_child(root: str, run_id: str) -> subprocess.CompletedProcess[str]:
    """Have the events of a run written and posted; what the process prints are warnings. Raises TimeoutExpired."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "etl.reports.openlineage", root, run_id],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
