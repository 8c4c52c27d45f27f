"""The rules that the rows of one file break, in order: on the disk, so that millions of them need no memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from weakref import finalize

import numpy as np
import pyarrow as pa

from etl.project.files import private
from etl.stages.lake.sound import Breach, Breaches

#: The mark between the names of rules in a text.
BETWEEN = "\0"
#: So many rows are in memory at a time.
_PART_ROWS = 8192


class Breaking(Mapping[int, Sequence[Breach]]):
    """Rows are added in the order of their numbers; then they are known by them, best asked for in order."""

    def __init__(self, breaches: Breaches, scratch: Path) -> None:
        self._breaches, self._scratch = breaches, scratch
        self._file: Any = None
        self._writer: Any = None
        self._reader: Any = None
        self._starts = [0]
        self._explained: list[np.ndarray] = []
        self._doubled: dict[str, np.ndarray] = {}
        self._numbers: np.ndarray | None = None
        self._part: tuple[int, dict[int, Sequence[Breach]]] = (-1, {})

    def add(self, numbers: np.ndarray, told: pa.Table) -> None:
        """Note rows with the names of the rules, as one text each, and the texts that messages may repeat."""
        if self._writer is None:
            # it has no name, and goes when nobody reads it any more
            self._file = TemporaryFile(dir=private(self._scratch))  # noqa: SIM115
            finalize(self, self._file.close)
            self._writer = pa.ipc.new_file(pa.PythonFile(self._file, "w"), told.schema)
        for start in range(0, len(numbers), _PART_ROWS):
            rows = told.slice(start, _PART_ROWS)
            self._writer.write_batch(rows.combine_chunks().to_batches()[0])
            self._starts.append(self._starts[-1] + rows.num_rows)
        self._explained.append(numbers)

    def double(self, rule: str, numbers: np.ndarray) -> None:
        """Note rows, known ones or not, whose key comes twice; they ascend."""
        if len(numbers):
            self._doubled[rule] = numbers
            self._numbers = None

    def finish(self) -> None:
        """Say that all rows are added."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._reader = pa.ipc.open_file(pa.PythonFile(self._file, "r"))
        self._explained = [np.concatenate([np.empty(0, np.int64), *self._explained])]

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[int]:
        for start in range(0, len(self), _PART_ROWS):
            yield from self._all()[start : start + _PART_ROWS].tolist()

    def __getitem__(self, number: int) -> Sequence[Breach]:
        part, rows = self._part
        if number not in rows:
            position = int(np.searchsorted(self._all(), number))
            if position == len(self) or self._all()[position] != number:
                raise KeyError(number)
            part = position // _PART_ROWS
            rows = dict(self._read(part))
            self._part = (part, rows)
        return rows[number]

    def _all(self) -> np.ndarray:
        if self._numbers is None:
            found = [*self._explained, *self._doubled.values()]
            self._numbers = np.unique(np.concatenate(found)) if self._doubled else found[0]
        return self._numbers

    def _read(self, part: int) -> Iterator[tuple[int, Sequence[Breach]]]:
        """Yield the rows of a part of all."""
        chosen = self._all()[part * _PART_ROWS : (part + 1) * _PART_ROWS]
        (explained,) = self._explained
        first, last = np.searchsorted(explained, [chosen[0], chosen[-1] + 1]).tolist()
        told = dict(zip(explained[first:last].tolist(), self._told(first, last), strict=True))
        doubled = {rule: _between(numbers, chosen) for rule, numbers in self._doubled.items()}
        for number in chosen.tolist():
            more = [Breach(rule) for rule, numbers in doubled.items() if number in numbers]
            yield number, [*told.get(number, ()), *more] if more else told[number]

    def _told(self, first: int, last: int) -> Iterator[Sequence[Breach]]:
        """Yield what was added as the rows from `first` to `last`."""
        for batch, (start, end) in enumerate(pairwise(self._starts)):
            if start < last and first < end:
                low, high = max(first, start), min(last, end)
                names, *texts = self._reader.get_batch(batch).slice(low - start, high - low).columns
                spelled = names.dictionary_encode()
                known = [tuple(text.split(BETWEEN)) for text in spelled.dictionary.to_pylist()]
                shown = zip(*(column.to_pylist() for column in texts), strict=True) if texts else iter(())
                for position in spelled.indices.to_pylist():
                    yield self._breaches.of(known[position], next(shown, ()))


def _between(numbers: np.ndarray, chosen: np.ndarray) -> set[int]:
    """Return those of ascending numbers that are from the first to the last of others."""
    first, last = np.searchsorted(numbers, [chosen[0], chosen[-1] + 1])
    return set(numbers[first:last].tolist())
