"""The links through which what is published is reached, and the rename that switches them to a generation.

`warehouse.duckdb` and `lake/<schema>/<table>` lead through `warehouse/current`, which alone is switched: no reader
finds the file of one generation beside the tables of another.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from etl.errors import PublishError
from etl.project import Project
from etl.project.files import flush
from etl.project.others import FILE as FILE
from etl.project.others import RAW
from etl.stages.published.artefacts import are_artefacts_whole
from etl.stages.published.manifest import read_manifest
from etl.stages.published.raw_files import has_raw, is_raw_whole

#: The folder of the exports within a generation.
LAKE = "lake"
#: The report of a generation, beside its file.
REPORT = "report.html"


def switch(project: Project, generation: str) -> None:
    """Make `generation` the current one, with its exports, in one rename.

    Links that lead nowhere may be there for a moment: of a new export before it, of a retired one after it.
    """
    folder = project.generations / generation
    wanted = {export_link(project, table) for table in read_manifest(folder)}
    for link in wanted:
        if not _is_ours(project, link):
            _replace(project, link, _target(project, link))
    if has_raw(folder) and not _leads_to(raw_link(project), project.current / RAW):
        _replace(project, raw_link(project), project.current / RAW)
    _replace(project, project.current, folder)
    if not _leads_to(project.warehouse, project.current / FILE):
        _replace(project, project.warehouse, project.current / FILE)
    if not has_raw(folder) and _leads_to(raw_link(project), project.current / RAW):
        raw_link(project).unlink()
    for link in set(_export_links(project)) - wanted:
        link.unlink()
        with suppress(OSError):
            link.parent.rmdir()


def current(project: Project) -> str | None:
    """Return the generation that analysts see, or None before the first publish."""
    target = project.warehouse.resolve()
    return target.parent.name if project.warehouse.is_symlink() and target.is_file() else None


def raw_link(project: Project) -> Path:
    """Return where raw views find what they read, for whoever opens warehouse.duckdb."""
    return project.warehouse.with_name(RAW)


def export_link(project: Project, table: str) -> Path:
    """Return where a reader of Parquet finds an exported table."""
    return project.lake.joinpath(*table.split("."))


def export_links(project: Project) -> dict[str, Path]:
    """Return where readers find the tables that the current generation exports."""
    return {table: export_link(project, table) for table in read_manifest(project.current)}


def check_free(project: Project, tables: Iterable[str]) -> None:
    """Raise PublishError if something lies where the link of an export is to be."""
    for link in (export_link(project, table) for table in tables):
        if os.path.lexists(link) and not link.is_symlink():
            raise PublishError(
                f"{link} was not made by etl, and an export needs its place. Move it away and run again."
            )


def are_files_whole(project: Project) -> bool:
    """Return whether every file of the current generation but its warehouse is where readers look for it.

    These are exports, large models, and what raw views read. That of the warehouse is asked for elsewhere.
    """
    is_linked = not has_raw(project.current) or _leads_to(raw_link(project), project.current / RAW)
    return (
        is_linked
        and are_exports_whole(project)
        and are_artefacts_whole(project.current)
        and is_raw_whole(project.current)
    )


def are_exports_whole(project: Project) -> bool:
    """Return whether every file of the current generation's exports is there, where readers look for it."""
    for table, exported in read_manifest(project.current).items():
        link = export_link(project, table)
        if not _is_ours(project, link) or not all(os.path.exists(f"{link}/{name}") for name in exported.files):
            return False
    return True


def report_place(project: Project) -> Path:
    """Return where a report is to be written: beside the current generation, or where readers look before one."""
    is_there = current(project) is not None
    return project.current.resolve() / REPORT if is_there else project.report


def link_report(project: Project) -> Path:
    """Have the report of the current generation found at one place; return that."""
    if current(project) is not None and not _leads_to(project.report, project.current / REPORT):
        _replace(project, project.report, project.current / REPORT)
    return project.report


def _target(project: Project, link: Path) -> Path:
    return project.current / LAKE / link.relative_to(project.lake)


def _is_ours(project: Project, link: Path) -> bool:
    return _leads_to(link, _target(project, link))


def _leads_to(link: Path, target: Path) -> bool:
    return link.is_symlink() and os.readlink(link) == os.path.relpath(target, link.parent)


def _export_links(project: Project) -> Iterator[Path]:
    for folder in project.lake.iterdir() if project.lake.is_dir() else ():
        if folder.is_dir() and not folder.is_symlink():
            with os.scandir(folder) as entries:
                links = [Path(entry.path) for entry in entries if entry.is_symlink()]
            yield from (link for link in links if _is_ours(project, link))


def _replace(project: Project, link: Path, target: Path) -> None:
    """Make a link in one rename; it is relative, so that the data can be moved."""
    new = project.scratch / f"{link.name}.link"
    new.parent.mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(target, link.parent))
    os.replace(new, link)
    flush(link.parent)
