"""Rows of partitions in files, before these are in place and then."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Staged(NamedTuple):
    """A file with rows of partitions, which is moved or removed when they are in place.

    If it `is_ordered`, it can be the file of its partitions as it is. `sha256` is its hash, if that is known.
    """

    path: Path
    is_ordered: bool = True
    sha256: str = ""


class PartFile(NamedTuple):
    """The file of a model's partition: its name, the rows of the partition, and the bytes of the whole file."""

    name: str
    rows: int
    bytes: int
