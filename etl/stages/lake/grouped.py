"""Many small deliveries of text, joined to blocks: parsed and judged together, written one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from etl.engine.quoting import literal
from etl.sources.formats.blocks import Block
from etl.stages.lake.asking import Asker
from etl.stages.lake.clean import Opening
from etl.stages.lake.in_blocks import Workers, blocks_of, given_back, marks_of
from etl.stages.lake.inputs import lines_of
from etl.stages.lake.place import Extracted, Extraction, origin, scratch_file

if TYPE_CHECKING:
    from etl.stages.lake.judge import Judge, Judged
    from etl.stages.lake.lake_file import Layout

#: Deliveries are judged together up to this size.
_GROUP_BYTES = 2 << 20


class _Group(NamedTuple):
    """Deliveries that are neighbours in a chunk; `first` is the number of the first one."""

    first: int
    openings: Sequence[Opening]


def extract_small(extraction: Extraction, chunk: Sequence[Opening]) -> list[Extracted | None]:
    """Write the rows of deliveries of one layout; None for one with anything to reject, or in doubt."""
    from etl.stages.lake.judge import Judge

    days = f"({literal([opening.delivery.date for opening in chunk])})[_delivery + 1]"
    sample = chunk[0].inputs[0]
    judge = Judge(sample, days, explain=False)
    taking = _Taking(extraction, judge)
    with Workers(extraction) as workers:
        return [one for results in workers.map(taking.taken, _groups(chunk)) for one in results]


def _groups(chunk: Sequence[Opening]) -> Iterator[_Group]:
    first, size = 0, 0
    for number, opening in enumerate(chunk):
        if size and size + opening.delivery.size > _GROUP_BYTES:
            yield _Group(first, chunk[first:number])
            first, size = number, 0
        size += opening.delivery.size
    yield _Group(first, chunk[first:])


class _Taking:
    """Groups on their way, in several threads."""

    def __init__(self, extraction: Extraction, judge: Judge) -> None:
        self._extraction, self._judge = extraction, judge
        self._layout: Layout | None = None

    def taken(self, asker: Asker, group: _Group) -> Sequence[Extracted | None]:
        """Return what was extracted of each delivery of a group."""
        try:
            return self._taken(asker, group)
        except Exception as error:
            for opening in group.openings:
                scratch_file(self._extraction.project, "lake", opening.delivery).unlink(missing_ok=True)
            given_back(error)
            return [None] * len(group.openings)

    def _taken(self, asker: Asker, group: _Group) -> list[Extracted | None]:
        import numpy as np

        from etl.sources.formats.arrow_numpy import from_numbers

        read = self._judge.reader(marks_of(group.openings[0].inputs[0]))
        parts = [block for opening in group.openings for file in opening.inputs for block in blocks_of(file)]
        is_scanned = all(block.is_scanned for block in parts)
        joined = Block(b"".join(block.data for block in parts), sum(block.records for block in parts), is_scanned)
        counts = [opening.records for opening in group.openings]
        numbers = np.arange(group.first, group.first + len(counts), dtype=np.int32)
        judged = self._judge.judged(asker, read.texts(joined), from_numbers(np.repeat(numbers, counts)))
        bounds = np.cumsum([0, *counts])
        failing = np.searchsorted(judged.failing, bounds)
        results: list[Extracted | None] = []
        for position, (opening, (start, end)) in enumerate(zip(group.openings, pairwise(bounds), strict=True)):
            number = group.first + position
            is_clean = failing[position] == failing[position + 1] and number not in judged.doubled
            rows = judged.rows.slice(start, end - start)
            results.append(self._written(opening, rows, judged, number) if is_clean else None)
        return results

    def _written(self, opening: Opening, rows: Any, judged: Judged, number: int) -> Extracted:
        import pyarrow as pa

        from etl.stages.lake.judge import placed
        from etl.stages.lake.lake_file import LakeFile, layout_of

        delivery, source = opening.delivery, self._extraction.source
        tables, first = [], 0
        for file in opening.inputs:
            part = rows.slice(first, file.records)
            tables.append(placed(part, source, delivery.date, file.file.name, len(opening.inputs) > 1))
            first += file.records
        placed_rows = tables[0] if len(tables) == 1 else pa.concat_tables(tables)
        if self._layout is None:
            self._layout = layout_of(placed_rows)
        extracted = Extracted(
            delivery=delivery,
            records=opening.records,
            told=lines_of(opening.inputs),
            rows_file=scratch_file(self._extraction.project, "lake", delivery),
            rows=rows.num_rows,
            warnings=dict(judged.warnings.get(number, {})),
        )
        assert extracted.rows_file is not None
        with LakeFile(extracted.rows_file, self._layout) as written:
            # to count the bytes of a slice takes as long as a tenth of all this
            written.write(placed_rows, delivery.size)
            written.finish(origin(self._extraction, extracted))
        return extracted
