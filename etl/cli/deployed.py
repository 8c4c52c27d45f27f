"""`etl deployed`: which commit ran when, in which environment, and which generations it made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from etl.cli.options import json_option
from etl.cli.registry import LOOK, under
from etl.cli.screen import show, show_table

if TYPE_CHECKING:
    from etl.reports.deployed import Deployment

#: So many letters of a commit are shown, and so many of a time.
_COMMIT, _MINUTE = 10, 16


@under(LOOK)
@click.command()
@json_option
def deployed(as_json: bool) -> None:
    """List which commit ran when, where, and what it published.

    Consecutive runs of a commit are one line, the newest first, of every environment that has data. A promotion
    counts for the commit of the generation. Without git, as in an image, ETL_COMMIT names the commit.
    """
    from etl.project import load_project
    from etl.reports.deployed import deployed as found_in

    found = found_in(load_project())
    show(found, as_json, _show, lambda: [asdict(one) for one in found])


def _show(found: Sequence[Deployment]) -> None:
    names = ("commit", "environment", "since", "until", "runs", "last", "generations", "current", "etl")
    show_table(names, [_cells(one) for one in found])


def _cells(one: Deployment) -> list[str]:
    commit = one.commit[:_COMMIT] + (" and changes" if one.commit and one.is_dirty else "")
    outcome = f"promoted from {one.origin}" if one.origin else one.outcome
    times = [at[:_MINUTE].replace("T", " ") for at in (one.since, one.until)]
    figures = [str(one.runs), outcome, str(len(one.generations))]
    return [commit or "(unknown)", one.environment, *times, *figures, one.current, one.version]
