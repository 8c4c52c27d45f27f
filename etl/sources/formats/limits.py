"""How much a file may become when it is decoded: kilobytes can stand for gigabytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import UnreadableError

if TYPE_CHECKING:
    from zipfile import ZipInfo

#: A record that is longer than its format allows is one broken record up to so many bytes, and then several.
LONGEST_BYTES = 1 << 25
#: What any file may become.
ALWAYS_BYTES = 100_000_000
#: More columns are not read.
MOST_COLUMNS = 20_000
#: So many characters in the names of all columns; texts of records repeat them.
_MOST_NAME_CHARACTERS = 1 << 18
#: So many broken records of a small file are kept in mind; of a large one, one for so many of its bytes.
_MOST_BROKEN, _BROKEN_BYTES = 1_000_000, 16


def too_long(most: int) -> str:
    """Return the problem of a record that is longer than its format allows."""
    return f"the record is longer than {most:,} bytes; max_record_bytes= of the format allows more"


def check_packing(path: Path, members: Iterable[ZipInfo]) -> None:
    """Raise UnreadableError for files in a zip archive that are not deflated.

    Of all else the library unpacks a block at once, whatever it becomes: 1 KB may be gigabytes.
    """
    from zipfile import ZIP_DEFLATED, ZIP_STORED, compressor_names  # type: ignore[attr-defined]

    for member in members:
        if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            how = compressor_names.get(member.compress_type, str(member.compress_type))
            raise UnreadableError(
                f"{path} is a zip archive whose files are packed with {how}, and only deflate is read. Nothing of "
                "it was taken. Ask for an archive as usual programs make them."
            )


class Limit:
    """What one file may become: `times` its size, and `most` bytes in all, of which `left` are left."""

    def __init__(self, path: Path, times: int) -> None:
        self.path, self._times, self._size = path, times, path.stat().st_size
        self.most = self.left = max(ALWAYS_BYTES, times * self._size)

    def take(self, size: int) -> None:
        """Count decoded bytes. Raises UnreadableError beyond the limit."""
        self.left -= size
        if self.left < 0:
            self.refuse()

    def check(self, size: int) -> None:
        """Raise UnreadableError if so many bytes would be more than are left; they do not count."""
        if size > self.left:
            self.refuse()

    def check_items(self, items: int) -> None:
        """Raise UnreadableError for more parts of sound and broken records than can be kept in mind."""
        most = max(_MOST_BROKEN, self._size // _BROKEN_BYTES)
        if items > most:
            raise UnreadableError(
                f"{self.path} has more than {most:,} parts that are not records. Is it a file of this format?"
            )

    def refuse(self) -> None:
        """Raise UnreadableError."""
        raise UnreadableError(
            f"{self.path} becomes more than {self.most:,} bytes when it is decoded, from {self._size:,}: that is "
            f"more than {self._times} times its size, as a zip bomb does. Nothing of it was taken. If its sender "
            f"can be trusted, give the format of its source a max_expansion of more than {self._times}."
        )

    def check_columns(self, names: Sequence[str]) -> None:
        """Raise UnreadableError for more columns, or longer names, than any table has."""
        size = sum(map(len, names))
        if len(names) <= MOST_COLUMNS and size <= _MOST_NAME_CHARACTERS:
            return
        raise UnreadableError(
            f"{self.path} has {len(names):,} columns, with names of {size:,} characters in all; no more than "
            f"{MOST_COLUMNS:,} columns and {_MOST_NAME_CHARACTERS:,} characters are read. Is its header one?"
        )
