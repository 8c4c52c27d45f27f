"""Where the report is: beside the generation that it tells of, reached by a link; and when it is written."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.project import Project
from etl.project.files import restrict_files, written_aside
from etl.reports.page.data import report_data
from etl.reports.page.document import document, is_report
from etl.stages.published.switching import link_report, report_place

log = logging.getLogger("etl")

#: In so many bytes a report says that it is one.
_BEGINNING = 2_000


def write_report(project: Project, ledger: Ledger, file: Path | None = None) -> Path:
    """Write the report in one rename, by default to where the night does; return where it is to be opened.

    That is beside the current generation, which one link leads to, so that it is switched with it. Raises OSError
    if it cannot be written, and ConfigError if `file` is there and is not a report: nothing else is overwritten.
    """
    if file:
        _check_is_report(file)
    with _without_collection():
        text = document(report_data(project, ledger))
    restrict_files(project.settings.mask)
    target = file or report_place(project)
    # a run under way may empty the scratch folder at any time
    with written_aside(target) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")
    return file or link_report(project)


def _check_is_report(file: Path) -> None:
    if not os.path.lexists(file):
        return
    beginning = file.read_bytes()[:_BEGINNING] if file.is_file() and not file.is_symlink() else b""
    if not is_report(beginning.decode(errors="replace")):
        raise ConfigError(
            f"{file} exists already and is not a report, so it is not overwritten. Name another file."
        )


@contextmanager
def _without_collection() -> Iterator[None]:
    """Look for no garbage: all that is made is needed, and to look through it takes longer than to make it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def refresh(project: Project, ledger: Ledger) -> None:
    """Write the report if the project asks for it; that it could not be is said, and no error: no data is lost."""
    if not project.settings.writes_report:
        return
    try:
        write_report(project, ledger)
    except Exception as error:
        why = error.strerror if isinstance(error, OSError) else error
        log.warning("warning: the report could not be written: %s. Once the cause is gone: etl report", why)


def remove_reports(project: Project) -> None:
    """Delete all reports, which quote values; the next run writes the current one again."""
    name = project.report.name
    # one that was being written when its process was killed has another name
    for folder in (*project.generations.glob("*"), project.report.parent):
        for path in (folder / name, folder / f".{name}.new"):
            path.unlink(missing_ok=True)
