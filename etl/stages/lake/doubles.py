"""Keys that come twice in a delivery taken in blocks: among the rows written, and those that break other rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from etl.contract import Unique
from etl.engine.quoting import paths
from etl.sources.formats.arrow_numpy import numbers
from etl.stages.lake.breaking import Breaking
from etl.stages.lake.judge import doubtful
from etl.stages.lake.place import Extraction
from etl.stages.lake.sound import duplicates_policy, unique_rule

_DOUBLED = "memory.main.doubled"
_CHOSEN = {"first": "min(_at) over (partition by _key)", "last": "max(_at) over (partition by _key)"}


class _Found(NamedTuple):
    """What breaks a rule: rows of the target by their positions, and records of each file by their numbers."""

    rule: str
    positions: np.ndarray
    records: Sequence[np.ndarray]


class Doubles:
    """Looks for the rows of the file `target`, and of the tables `doubtful`, that have a key in common."""

    def __init__(self, extraction: Extraction, uniques: Sequence[Unique], target: Path) -> None:
        self._extraction, self._uniques = extraction, uniques
        self._written = f"read_parquet({paths([target])}, hive_partitioning = false, file_row_number = true)"
        #: The rules that such rows break.
        self.rules = {unique.name: unique_rule(unique, "true") for unique in uniques}

    def tell(self, sound: Sequence[int], broken: Sequence[Breaking]) -> np.ndarray:
        """Note such rows in `broken`, file by file; return the positions in `target` of those that must go.

        `sound` counts the sound records of each file; those that are not in `broken` are in `target`, in order.
        """
        found = [self._found(number, unique, len(sound)) for number, unique in enumerate(self._uniques)]
        dropped = np.unique(np.concatenate([np.empty(0, np.int64), *(one.positions for one in found)]))
        first = 0
        for number, (count, file) in enumerate(zip(sound, broken, strict=True)):
            last = first + count - len(file)
            low, high = np.searchsorted(dropped, [first, last])
            # which records were written is only asked for if any of them goes
            kept = np.setdiff1d(np.arange(count), np.fromiter(file, np.int64)) if high > low else dropped[:0]
            for one in found:
                mine = one.positions[(first <= one.positions) & (one.positions < last)]
                file.double(one.rule, np.union1d(kept[mine - first], one.records[number]))
            first = last
        return dropped

    def _found(self, number: int, unique: Unique, files: int) -> _Found:
        keys = self._extraction.source.contract.key(unique)
        names = ", ".join(f"k{position}" for position in range(2 * len(keys)))
        kept = ", ".join([*keys, *["true"] * len(keys)])
        written = f"(select file_row_number as _at, row({kept}) as _key from {self._written})"
        broken = f"(select file, record, row({names}) as _key from {doubtful(number)})"
        every = f"(select _key from {written} union all select _key from {broken})"
        doubled = f"select _key from {every} group by _key having count(*) > 1"
        self._extraction.con.execute(f"create or replace table {_DOUBLED} as {doubled}")
        is_doubled = f"_key in (select _key from {_DOUBLED})"
        chosen = _CHOSEN.get(duplicates_policy(self._extraction.source, unique), "null")
        positions = self._numbers(
            f"select _at from (select _at, {chosen} as _chosen from {written} where {is_doubled}) "
            "where _at is distinct from _chosen order by _at"
        )
        records = [
            self._numbers(f"select record from {broken} where file = {file} and {is_doubled} order by record")
            for file in range(files)
        ]
        return _Found(unique.name, positions, records)

    def _numbers(self, query: str) -> np.ndarray:
        column = self._extraction.con.sql(query).to_arrow_table().column(0)
        return np.concatenate([np.empty(0, np.int64), *(numbers(chunk, np.int64) for chunk in column.chunks)])
