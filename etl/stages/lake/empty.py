"""Files without records, and what their source says of them; the same words for the plan and for extraction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.errors import EtlError
from etl.sources import Source
from etl.sources.formats.totals import is_total
from etl.stages.lake.pinned import Pinned
from etl.stages.raw import File

#: Between the cells of a line, more or less.
_MARKS = re.compile(r"[,;|\t\"]+")


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
    expected = source.contract.delivered
    with suppress(EtlError, OSError, ValueError), TemporaryDirectory() as folder:
        pinned = Pinned(file, Path(folder) / "records")
        try:
            opened = source.format.open(pinned.path, expected, Path(folder) / "records")
            if opened.sound + opened.broken:
                return False
            lines = [skip.place.text for skip in opened.skips(headers=False) if _may_be_record(skip.place.text)]
            return source.skipped == "allow" or not _has_records(source, opened.columns, lines, Path(folder))
        finally:
            pinned.close()
    return False


def _may_be_record(text: str) -> bool:
    """Return whether a skipped line has a number and no word for a total: then somebody must look at it."""
    parts = _MARKS.split(text)
    return any(char.isdigit() for char in text) and not any(map(is_total, parts))


def _has_records(source: Source, columns: Sequence[str], lines: Sequence[str], folder: Path) -> bool:
    """Return whether one of the lines has the shape of a record."""
    path = folder / "lines.txt"
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="")
    expected = source.contract.delivered
    return source.format.record_format(columns).open(path, expected, folder / "lines").sound > 0
