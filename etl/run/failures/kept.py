"""The bundles that are kept, and how long; light to import, since every run asks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress

from etl.ledger import Ledger
from etl.project import Project

#: The file of a bundle that says what it is of.
FACTS = "bundle.json"
#: The project in a bundle, with the inputs of the step as its data.
PROJECT = "project"


def forget_bundles(project: Project, run_ids: Iterable[str], ledger: Ledger, since: str = "") -> None:
    """Delete what failed steps left of runs that the history has forgotten, or never had.

    Of what is left only that of the last runs stays, and nothing of runs that began before the day `since`.
    """
    for run_id in run_ids:
        shutil.rmtree(project.failures / run_id, ignore_errors=True)
    with suppress(OSError):
        there = set(os.listdir(project.failures))
        known = {run.run_id for run in ledger.runs()} if there else set()
        last = sorted(there & known)[-project.settings.keep_failures :] if there else []
        for run_id in there - {name for name in last if name >= since}:
            shutil.rmtree(project.failures / run_id, ignore_errors=True)


def forget_all_bundles(project: Project) -> None:
    """Delete what all failed steps have left: it may hold what was purged. Raises OSError if it cannot be."""
    with suppress(FileNotFoundError):
        shutil.rmtree(project.failures)
