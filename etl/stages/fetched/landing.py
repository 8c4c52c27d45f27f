"""Landing: what a kind writes through. Nothing counts until it is whole, flushed, and renamed to its place.

It is written aside, below data/work/fetch/<source>/. What a killed process has left there is gone on with, if it
was the same question and the kind has noted how far it came; else it is removed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import FetchError
from etl.project import Project
from etl.project.files import copy_file, emptied, make_read_only, private, put, write_file, written_aside
from etl.project.secret import without_secrets
from etl.sources import Source
from etl.sources.connectors.landed import PART, Landed
from etl.stages.fetched.asked import Asked
from etl.stages.fetched.limited import too_long
from etl.stages.fetched.manifest import Manifest, beside, read_manifest
from etl.stages.fetched.writers import CopyWriter, LinesWriter, TableWriter, Writer

if TYPE_CHECKING:
    import pyarrow as pa

#: Half a fetch that began longer ago is not gone on with: what the other side remembers of it is over.
_GOES_ON_HOURS = 24


class Landing:
    """Where one fetch of a source writes to: one table, or lines, or copies of files."""

    def __init__(self, project: Project, source: Source, asked: Asked) -> None:
        self.project, self.source, self.asked = project, source, asked
        self.root = project.fetched
        self.aside = private(project.fetching_aside) / source.name
        self.writer: Writer | None = None
        self._copies: list[CopyWriter] = []
        #: What was put in its place, by path below data/fetched.
        self.landed: list[str] = []
        self.bytes = 0

    def table(self, schema: pa.Schema) -> TableWriter:
        """Return what writes Arrow batches of a schema into one Parquet file; a killed one begins again."""
        writer = TableWriter(self._file("table.parquet"), schema, self.check)
        self._begin(writer)
        return writer

    def lines(self) -> LinesWriter:
        """Return what appends JSON Lines; after checkpoint(state) a killed fetch goes on from there."""
        writer = LinesWriter(self._file("lines.jsonl.zst"), self.check)
        self._begin(writer)
        return writer

    def copy(self, name: str, day: date | None = None) -> CopyWriter:
        """Return what writes a file under its own name, and lands it by itself; `day` is that of its folder.

        Raises FetchError for a name that no file may have here.
        """
        check_name(name)
        number = name.encode().hex()[-100:]

        def land(writer: CopyWriter, told: Mapping[str, Any]) -> None:
            self._land(writer, self.manifest(self._copy_path(name, day or self.asked.day), **told))

        writer = CopyWriter(self._file(f"copy-{number}"), name, self.check, land)
        self._copies.append(writer)
        return writer

    def copies(self) -> dict[str, Manifest]:
        """Return the manifest of the newest copy of each name."""
        return {name: read_manifest(self.root / path) for name, path in self.copy_paths().items()}

    def copy_paths(self) -> dict[str, str]:
        """Return the path below data/fetched of the newest copy of each name."""
        return {name: path for name, (_, path) in self._newest_copies.items()}

    @cached_property
    def _newest_copies(self) -> dict[str, tuple[str, str]]:
        """When the newest copy of each name was fetched, and its path; looked for once, then kept up to date."""
        assert isinstance(self.source.connector, Landed)
        found = sorted(self.source.connector.landed(self.root), key=lambda one: one.stamp)
        return {one.name: (one.stamp, one.path) for one in found}

    def check(self) -> None:
        """Raise FetchError if the fetch takes longer than it may; writers call it."""
        if time.monotonic() > self.asked.deadline:
            raise too_long(self.source)

    def manifest(self, file: str, **more: Any) -> Manifest:
        """Return the manifest of a file that is about to be put in its place, with nothing secret in it."""
        return Manifest(
            source=self.source.name,
            kind=type(self.asked.fetch).__name__,
            mode=self.asked.fetch.mode,
            file=file,
            started_at=self.asked.started.isoformat(timespec="seconds"),
            ended_at=datetime.now(UTC).isoformat(timespec="seconds"),
            full=self.asked.full,
            **self._clean(more),
        )

    def next_path(self, ending: str) -> str:
        """Return the path below data/fetched of the next file.

        Its name sorts after those of all others, whatever the clock and the time zone say.
        """
        assert isinstance(self.source.connector, Landed)
        stamps = [found.stamp for found in self.source.connector.landed(self.root)]
        part = PART if self.asked.fetch.mode == "cursor" and self.asked.cursor is not None else ""
        return f"{self.source.name}/{self.asked.day}/{self._stamp(stamps)}{part}{ending}"

    def put(self, written: Path, manifest: Manifest) -> None:
        """Rename a file that was written aside to its place, after what it has beside it; both are flushed."""
        target = self.root / manifest.file
        if written.suffix != ".parquet":
            self._renamed(self._text(manifest), beside(target))
        self._renamed(written, target)
        self.landed.append(manifest.file)
        self.bytes += target.stat().st_size

    def release(self) -> None:
        """Let go of the files that are open; what was noted of them stays, for the next try."""
        if self.writer:
            self.writer.abandon()
        for copy in self._copies:
            copy.abandon()

    def clear(self) -> None:
        """Remove what was written aside."""
        shutil.rmtree(self.aside, ignore_errors=True)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return without_secrets(value, self.asked.fetch.variables)
        if isinstance(value, Mapping):
            return {name: self._clean(each) for name, each in value.items()}
        return [self._clean(each) for each in value] if isinstance(value, list | tuple) else value

    def _land(self, writer: CopyWriter, manifest: Manifest) -> None:
        content = writer.close()
        _, before = self._newest_copies.get(writer.name, ("", ""))
        if not before or read_manifest(self.root / before).content != content:
            self.put(writer.path, replace(manifest, content=content))
            self._newest_copies[writer.name] = (manifest.file.split("/")[2], manifest.file)
        writer.forget()
        self._copies.remove(writer)

    def _copy_path(self, name: str, day: date) -> str:
        last, _ = self._newest_copies.get(name, ("", ""))
        return f"{self.source.name}/{day}/{self._stamp([last] if last else [])}/{name}"

    def _stamp(self, stamps: list[str]) -> str:
        return _after(f"{self._now():%Y%m%dT%H%M%S}", stamps)

    def _now(self) -> datetime:
        return datetime.now(UTC)

    def _text(self, manifest: Manifest) -> Path:
        path = self._file("manifest.json")
        path.write_text(manifest.to_json(), encoding="utf-8")
        return path

    def _renamed(self, written: Path, target: Path) -> None:
        make_read_only(written)
        try:
            put(written, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # data/fetched is on another disk
            with written_aside(target) as aside:
                copy_file(written, aside)
                make_read_only(aside)
            written.unlink()

    def _file(self, name: str) -> Path:
        return private(self.aside) / name

    def _begin(self, writer: Writer) -> None:
        if isinstance(self.writer, TableWriter) and isinstance(writer, TableWriter):
            # what was written is asked for again, with other types
            self.writer.abandon()
        else:
            assert self.writer is None, "a fetch writes one table, or one file of lines"
        self.writer = writer


def began(project: Project, source: Source, question: str) -> datetime:
    """Return when a question was begun: now, or by the process that was killed before it was answered.

    What is left of another question is removed.
    """
    folder = private(project.fetching_aside) / source.name
    note = folder / "question.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(note.read_text(encoding="utf-8"))
        started = datetime.fromisoformat(known["started"])
        age = datetime.now(UTC) - started
        if known["question"] == question and timedelta(0) <= age < timedelta(hours=_GOES_ON_HOURS):
            return started
    emptied(folder)
    now = datetime.now(UTC)
    write_file(note, json.dumps({"question": question, "started": now.isoformat()}))
    return now


def check_name(name: str) -> None:
    """Raise FetchError for the name of a copy that would lie elsewhere, or that no file can have."""
    parts = name.split("/")
    is_unfit = any(part in ("", ".", "..") or len(os.fsencode(part)) > 200 for part in parts)
    if is_unfit or not name.isprintable() or len(os.fsencode(name)) > 1000:
        raise FetchError(f"{name!r} cannot be the name of a fetched file. Have it renamed, or leave it out.")


def _after(now: str, others: list[str]) -> str:
    """Return a stamp that sorts after all others: now, or one more than the last."""
    last = max(others, default="")
    if now > last:
        return now
    head, _, number = last.rpartition("T")
    following = f"{int(number) + 1:0{len(number)}}"
    return f"{head}T{following}" if head else following
