"""One fetch: the newest manifest says where to begin, the kind asks, and what is new is landed."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from types import ModuleType
from typing import Any

from etl.errors import EtlError, FetchError, is_full_disk, sentence
from etl.ledger import fingerprint
from etl.project import Project
from etl.project.secret import without_secrets
from etl.sources import Source
from etl.sources.fetches import FETCHES, fetch_to
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.landing import Landing, began
from etl.stages.fetched.limited import limited
from etl.stages.fetched.manifest import Manifest, manifests, newest_manifest
from etl.stages.fetched.retention import forget_old
from etl.stages.fetched.same import holds, same_rows


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What one fetch has brought: the files that were landed, none if nothing is new; and the newest manifest."""

    source: str
    files: tuple[str, ...] = ()
    rows: int | None = None
    bytes: int = 0
    newest: Manifest | None = None
    notes: tuple[str, ...] = ()
    #: Files that were deleted since they are older than keep_days.
    forgotten: tuple[str, ...] = ()


def kind_of(source: Source) -> ModuleType:
    """Return the module that asks, imported with nothing of the others."""
    return import_module(f"etl.stages.fetched.kinds.{FETCHES[type(source.fetch).__name__]}")


def fetch(
    project: Project,
    source: Source,
    day: date,
    *,
    full: bool = False,
    since: str | None = None,
    shared: Any = None,
) -> Fetched:
    """Fetch a source, and land what is new; whoever calls holds the project's lock.

    Raises FetchError that says why it could not be, with nothing secret in it: then nothing has changed, and the
    next fetch begins where this one did.
    """
    try:
        return _fetch(project, source, day, full=full, since=since, shared=shared)
    except (EtlError, OSError) as error:
        raise _told(source, error) from error
    except Exception as error:
        raise _told(source, error, f"{type(error).__name__}: ") from error


def drop_slot(project: Project, source: Source) -> list[str]:
    """Drop the replication slots of a source that is fetched as changes; return the names of those there were.

    The server then keeps nothing for it, and the next fetch has to be a full one. Raises FetchError.
    """
    day = project.today()
    asked = Asked(
        source=source.name,
        fetch=source.fetch,
        day=day,
        newest=newest_manifest(source, project.fetched, day),
        contract=source.contract,
        started=datetime.now(UTC),
        contracts=project.contracts,
        root=project.root,
        fetched=project.fetched,
    )
    try:
        found: list[str] = kind_of(source).drop(asked)
        return found
    except (EtlError, OSError) as error:
        raise _told(source, error) from error


def _fetch(project: Project, source: Source, day: date, *, full: bool, since: str | None, shared: Any) -> Fetched:
    newest = newest_manifest(source, project.fetched, day)
    seconds = source.fetch.seconds("time_limit", source.fetch.time_limit)
    # copies land one by one: those that have landed make no other question of the rest
    after = "" if source.fetch.mode == "copies" else [str(day), newest.to_json() if newest else ""]
    question = fingerprint(fetch_to(source.fetch), full, since or "", after)
    asked = Asked(
        source=source.name,
        fetch=source.fetch,
        day=day,
        full=full,
        since=since,
        newest=newest,
        columns=tuple(column.name for column in source.contract.columns),
        aliases={column.name: tuple(column.aliases) for column in source.contract.columns if column.aliases},
        extra=source.extra,
        contract=source.contract,
        started=began(project, source, question),
        contracts=project.contracts,
        root=project.root,
        fetched=project.fetched,
        deadline=time.monotonic() + seconds,
        shared=shared,
    )
    landing = Landing(project, source, asked)
    try:
        with limited(source, seconds):
            told: Told = kind_of(source).fetch(asked, landing)
        landed = _landed(landing, told)
    finally:
        landing.release()
    landing.clear()
    forgotten = forget_old(project, source, day)
    return Fetched(
        source=source.name,
        files=tuple(landing.landed),
        rows=told.rows if landed is None else landed.rows,
        bytes=landing.bytes,
        newest=landed or newest,
        notes=tuple(told.notes),
        forgotten=forgotten,
    )


def _landed(landing: Landing, told: Told) -> Manifest | None:
    """Put what was written in its place, if it is new; return its manifest."""
    writer, asked = landing.writer, landing.asked
    if writer is None:
        return None
    said = {name: value for name, value in asdict(told).items() if name not in ("is_new", "rows")}
    to = told.to if told.to is not None or asked.newest is None else asked.newest.to
    manifest = landing.manifest(
        landing.next_path(writer.ending), **{**said, "to": to}, rows=writer.rows, cursor=asked.fetch.cursor_column
    )
    writer.close(manifest.to_json())
    landing.check()
    if told.is_new is False or (told.is_new is None and not _is_new(landing, manifest)):
        return None
    landing.put(writer.path, manifest)
    return manifest


def _is_new(landing: Landing, manifest: Manifest) -> bool:
    """Return whether there is anything that the newest file does not hold."""
    asked, writer, newest = landing.asked, landing.writer, landing.asked.newest
    assert writer
    if asked.fetch.mode == "cursor" and not writer.rows:
        # it was looked for, and nothing has come; a cursor that moved all the same is kept for the next time
        return newest is not None and manifest.to != newest.to
    before = _compared_with(landing)
    if before is None:
        return True
    path = landing.root / before.file
    if not path.exists() or path.suffixes[-1:] != writer.path.suffixes[-1:]:
        return True
    if asked.fetch.mode == "cursor":
        is_further = manifest.to != before.to or asked.full
        return is_further or not holds(landing.project, writer.path, path, asked.fetch.cursor_column)
    return not same_rows(landing.project, writer.path, path)


def _compared_with(landing: Landing) -> Manifest | None:
    """Return the manifest of the file that a new one would take the place of, or come after."""
    asked = landing.asked
    if asked.fetch.mode != "date":
        return asked.newest
    return next(
        (known for found, known in manifests(landing.source, landing.root) if found.day == asked.day), None
    )


def _told(source: Source, error: Exception, kind: str = "") -> EtlError:
    """Return what is said of a fetch that failed, without anything secret, and without the rest of a long text."""
    if is_full_disk(error):
        text = f"{source.name}: the disk is full: {error}. Make room. Nothing was landed, and nothing is lost."
    elif isinstance(error, PermissionError | FileNotFoundError) and error.filename:
        text = f"{error.filename}: {error.strerror}. Fix it, or its permissions."
    else:
        text = without_secrets(f"{kind}{error}".strip() or type(error).__name__, source.fetch.variables)
    text = sentence(text if text.startswith(f"{source.name}: ") else f"{source.name}: {text}")
    found = FetchError(text)
    found.is_transient = isinstance(error, EtlError) and error.is_transient
    return found
