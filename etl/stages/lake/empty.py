"""Files without records, and what their source says of them; the same words for the plan and for extraction."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.contract import Source
from etl.errors import EtlError
from etl.stages.lake.pinned import Pinned
from etl.stages.raw import File


def needs_no_header(source: Source, size: int) -> bool:
    """Return whether a file of that size is taken for an empty one before anybody looks for its header."""
    return size == 0 and source.empty == "partition"


def refusal(source: Source, records: int | None) -> str:
    """Return why a file with so many records (None: unknown) is refused; empty if not, or not for that."""
    is_refused = records == 0 and source.empty == "error"
    return "it has no records, and its source says empty='error'" if is_refused else ""


def is_empty(source: Source, file: File) -> bool:
    """Return whether a file has no records. What cannot be read is not empty."""
    if file.size == 0:
        return True
    expected = [column.name for column in source.contract.columns]
    with suppress(EtlError, OSError, ValueError), TemporaryDirectory() as folder:
        pinned = Pinned(file, Path(folder) / "records")
        try:
            opened = source.format.open(pinned.path, expected, Path(folder) / "records")
            return opened.sound + opened.broken == 0
        finally:
            pinned.close()
    return False
