"""Retention: fetched files that a source declares to be too old are deleted; nothing else ever is."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

from etl.project import Project
from etl.sources import Source
from etl.sources.connectors.landed import Landed
from etl.stages.fetched.manifest import beside


def forget_old(project: Project, source: Source, today: date) -> tuple[str, ...]:
    """Delete the fetched files of dates further back than keep_days; the newest, or that of each name, stays.

    Return the paths of those that were deleted.
    """
    if source.fetch.keep_days is None:
        return ()
    assert isinstance(source.connector, Landed)
    oldest = today - timedelta(source.fetch.keep_days)
    found = sorted(source.connector.landed(project.fetched), key=lambda one: (one.stamp, one.path))
    newest = {one.name if source.fetch.keeps_each else "": one.path for one in found}
    gone = [one.path for one in found if one.day < oldest and one.path not in newest.values()]
    for path in gone:
        # the file first: a manifest by itself means nothing
        (project.fetched / path).unlink(missing_ok=True)
        beside(project.fetched / path).unlink(missing_ok=True)
        with suppress(OSError):
            (project.fetched / path).parent.rmdir()
    return tuple(gone)
