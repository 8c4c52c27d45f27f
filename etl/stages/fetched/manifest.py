"""The manifest of a fetched file: what was asked, what came, and the cursor; it lies in the file itself.

A Parquet file has it in its metadata, under `etl.manifest`. What cannot hold it has it beside: that file is put in
place first, and counts for nothing until the fetched file is there. So one rename brings data and cursor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from etl.errors import FetchError
from etl.sources import Source
from etl.sources.connectors.landed import MANIFEST, Landed, LandedFile

#: The key of the manifest in the metadata of a Parquet file.
KEY = b"etl.manifest"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is known of one fetched file; times are UTC, ISO 8601. `to` is the cursor at which the next one begins.

    Cursors are what JSON can hold: texts, numbers, or objects of a kind's own.
    """

    source: str
    kind: str
    mode: str
    #: The path below data/fetched.
    file: str
    started_at: str
    ended_at: str
    rows: int | None = None
    cursor: str = ""
    start: Any = None
    to: Any = None
    horizon: Any = None
    #: The snapshot, log position or tag that was read.
    snapshot: Any = None
    #: The sender's columns with their types.
    columns: Sequence[Sequence[str]] = ()
    query: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    #: The hash of the rows, whatever their order.
    content: str = ""
    #: Whether it was asked for everything.
    full: bool = False
    notes: Sequence[str] = ()
    #: What else a kind keeps, as what JSON can hold.
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the manifest as text."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Return the manifest that to_json() wrote; what a newer etl has added is left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in json.loads(text).items() if name in known})


def manifests(source: Source, root: Path) -> Iterator[tuple[LandedFile, Manifest]]:
    """Yield the fetched files of a source with their manifests, the newest first, each read when asked for.

    Raises FetchError for a file without one: where the next fetch begins is not to be guessed.
    """
    assert isinstance(source.connector, Landed)
    for found in sorted(source.connector.landed(root), key=lambda found: (found.stamp, found.path), reverse=True):
        if not found.problem:
            yield found, read_manifest(root / found.path)


def newest_manifest(source: Source, root: Path, until: date | None = None) -> Manifest | None:
    """Return the manifest of the file that was fetched last; None if there is none.

    Files of dates after `until` are from a clock, or a hand, that was ahead: no night takes them yet, so what they
    hold is fetched again. A source that brings each row once must not go back behind them.
    """
    assert isinstance(source.connector, Landed)
    found = [one for one in source.connector.landed(root) if not one.problem]
    is_free = source.fetch.mode != "cursor" or source.fetch.repeats_rows
    usual = [one for one in found if until is None or one.day <= until] if is_free else found
    newest = max(usual, key=lambda one: (one.stamp, one.path), default=None)
    return read_manifest(root / newest.path) if newest else None


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a fetched file. Raises FetchError if it has none."""
    try:
        return Manifest.from_json(_text(path))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FetchError(
            f"{path} has no manifest that can be read ({type(error).__name__}): it is not known where to go on. "
            "Restore the file from a backup, or move it away: then what it held is fetched again."
        ) from error


def beside(path: Path) -> Path:
    """Return where the manifest of a file lies that cannot hold its own."""
    return path.with_name(path.name + MANIFEST)


def holds_its_own(path: Path) -> bool:
    """Return whether a fetched file of that name has its manifest in itself."""
    return path.suffix == ".parquet" and not beside(path).exists()


def _text(path: Path) -> bytes:
    if not holds_its_own(path):
        return beside(path).read_bytes()
    import pyarrow.parquet as pq

    metadata: Mapping[bytes, bytes] = pq.read_metadata(path).metadata or {}
    return metadata[KEY]
