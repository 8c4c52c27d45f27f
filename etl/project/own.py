"""What etl itself makes in a folder of data, told from all else; and the marker that says whose folder it is."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from etl.errors import ConfigError, few
from etl.project import ENVIRONMENTS, Project, environments, load_project
from etl.project.files import write_file
from etl.project.project import ARTEFACTS, PARTS

#: Names the environment that a folder of data belongs to, and its project.
MARKER = ".etl-environment"
#: A model that is too large for a row.
_ARTEFACT = rf"{ARTEFACTS}/\.?[0-9a-f]{{64}}\.model"
#: Every file that etl makes below data/, raw and fetched files apart.
_OWN = re.compile(
    rf"\.(mirror\.)?lock|hooks\.sqlite(-journal)?|\.scratch/.*|{re.escape(MARKER)}|\.{re.escape(MARKER)}\.new|ledger\.sqlite(\.damaged)?(-wal|-shm|-journal)?"
    r"|failures/.*|work/fetch/.*|corrections/[^/]+/[^/]+\.jsonl|lineage/\.?[^/]+\.jsonl(\.new)?|events/\.?[^/]+"
    r"|logs/([^/]+\.jsonl|unattended\.log(\.\d)?)"
    r"|(lake|quarantine(/refused)?)/[^/]+/[^/]+=[^/]+/\.?data\.parquet(\.new)?"
    rf"|warehouse/(build\.duckdb(\.wal)?|\.?hold\.json(\.new)?|candidate/.*|candidate|{PARTS}/.*|{_ARTEFACT}(\.new)?)"
    rf"|warehouse/generations/[^/]+/(generation\.json|(exports|artefacts|raw)\.json|warehouse\.duckdb|(lake|warehouse\.raw)/.*|{_ARTEFACT})",
    re.DOTALL,
)
#: Every link that etl makes there.
_OWN_LINK = re.compile(r"failures/.*|warehouse\.(duckdb|raw)|warehouse/current|lake/[^/]+/[^/]+", re.DOTALL)
#: Folders that nothing can bring back, and that nobody but a person deletes.
KEPT = ("raw", "fetched")


def foreign(project: Project) -> list[str]:
    """Return what lies in the project's folder of data and was not made by etl, links and devices among it.

    Raw and fetched files are passed over; so is the folder that holds `[etl] raw`.
    """
    return [name for name, mode in _walk(project.data, kept_in(project)) if not _is_own(name, mode)]


def kept_in(project: Project) -> set[str]:
    """Return the names in the folder of data that hold raw or fetched files, if there are any."""
    names = set(KEPT)
    if project.raw.is_relative_to(project.data) and project.raw != project.data:
        names.add(project.raw.relative_to(project.data).parts[0])
    return {name for name in names if os.path.lexists(project.data / name)}


def claim(project: Project) -> None:
    """Mark the folder of an environment's data as its own; the usual environment needs no mark.

    Raises ConfigError for a folder that is another one's, or holds what etl did not make; and for one that had the
    mark, and has it no more: a night would fill an empty mount point with a second, smaller truth.
    """
    if not project.environment:
        return
    if (project.data / MARKER).exists():
        return check_owner(project)
    name, data, note = project.environment, project.data, _note(project)
    if _noted(note) == str(data):
        raise ConfigError(
            f"{data} is not the folder of the environment {name}: it has no {MARKER}. Is a disk not "
            f"mounted? Mount it, and run again. If its data is gone for good: etl env create {name}"
        )
    if strange := foreign(project):
        raise ConfigError(
            f"{data} holds what etl did not make: {few(strange)}. The environment {name} needs a folder of its "
            f"own. Set [etl.env.{name}] data to an empty or a new folder."
        )
    mark(project)


def mark(project: Project) -> None:
    """Write the marker; and a note beside the usual data, of a folder that may be on another disk."""
    text = json.dumps({"environment": project.environment, "project": str(project.root)})
    write_file(project.data / MARKER, text)
    note = _note(project)
    if not project.data.resolve().is_relative_to(note.parents[1].resolve()):
        # whoever may write to its own data alone does without
        with suppress(OSError):
            write_file(note, json.dumps({"data": str(project.data)}))


def unmark(project: Project) -> None:
    """Forget where the folder of an environment was."""
    with suppress(OSError):
        _note(project).unlink()


def check_owner(project: Project) -> None:
    """Raise ConfigError unless the marker in the folder of data names this environment of this project."""
    try:
        owner = json.loads((project.data / MARKER).read_text(encoding="utf-8"))
        name, root = str(owner["environment"]), Path(owner["project"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{project.data / MARKER} cannot be read ({error}), so it is not known whose data this is. If it "
            f"belongs to {project.environment}, delete that file and run a night there."
        ) from None
    # a project that was moved or copied takes the folders within it along
    is_here = root == project.root or project.data.is_relative_to(project.root)
    if name != project.environment or not is_here:
        raise ConfigError(
            f"{project.data} holds the data of the environment {name} of {root}, not that of "
            f"{project.environment} of {project.root}. Set [etl.env.{project.environment}] data to another folder."
        )


def is_marked(project: Project) -> bool:
    """Return whether the folder of data has a marker."""
    return (project.data / MARKER).exists()


def _walk(folder: Path, kept: set[str], below: str = "") -> Iterator[tuple[str, int]]:
    """Yield name and mode of everything but folders; of a folder at the top, too, if it is none of etl's."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if not below and entry.name in kept:
            continue
        name, mode = f"{below}{entry.name}", entry.stat(follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            yield name, mode
        elif not below and entry.name not in _FOLDERS:
            yield f"{name}/", mode
        else:
            yield from _walk(Path(entry.path), kept, f"{name}/")


_FOLDERS = (
    ".scratch",
    "corrections",
    "events",
    "failures",
    "lake",
    "lineage",
    "logs",
    "quarantine",
    "warehouse",
    "work",
)


def _is_own(name: str, mode: int) -> bool:
    if stat.S_ISLNK(mode):
        return bool(_OWN_LINK.fullmatch(name))
    return stat.S_ISREG(mode) and bool(_OWN.fullmatch(name))


def _note(project: Project) -> Path:
    """Return where the usual environment notes the place of this one."""
    usual = load_project(project.root, environments(project)[0])
    return usual.data / ENVIRONMENTS / f"{project.environment}.json"


def _noted(note: Path) -> str:
    try:
        return str(json.loads(note.read_text(encoding="utf-8"))["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
