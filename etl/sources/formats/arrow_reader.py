"""Blocks of sound delimited records as Arrow tables of texts: one parse, and the proof that it read every record.

Arrow refuses a line with other cells than there are columns. What it takes without a word is a blank line, as a
record without cells, a stray quote, and a byte order mark at the start, which it drops.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

from etl.sources.formats.arrow_values import count, text_bytes
from etl.sources.formats.blocks import Block, Marks, Unproven
from etl.sources.formats.splitter import MAX_RECORD_BYTES

#: The cell behind the last delimiter, of files in which every line ends in one.
_BEHIND = "_behind"
_FEED = ord("\n")


class BlockReader(NamedTuple):
    """Reads blocks of one dialect: the cells called `names`, of which the `wanted` ones are looked at."""

    marks: Marks
    names: Sequence[str]
    wanted: Sequence[str]

    def texts(self, block: Block) -> Mapping[str, pa.StringArray]:
        """Return the wanted cells of a block's records, in order; Unproven if that is not sure to be all."""
        if not block.records:
            return {name: pa.nulls(0, pa.string()) for name in self.wanted}
        data = block.data
        view = np.frombuffer(data, np.uint8)
        if not block.is_scanned:
            self._check_lines(view, block.records)
        if bytes(data[:3]) == codecs.BOM_UTF8:
            data = codecs.BOM_UTF8 + bytes(data)
        try:
            table = csv.read_csv(pa.py_buffer(data), *self._options(len(data), is_ascii=_is_ascii(view)))
        except pa.ArrowInvalid as error:
            raise Unproven(str(error)) from error
        if table.num_rows != block.records:
            raise Unproven(f"{table.num_rows} rows of {block.records} records")
        cells = {name: _single(table.column(name)) for name in table.column_names}
        if self.marks.trailing:
            behind = cells.pop(_BEHIND)
            # a null text there would be one too
            is_null = behind.null_count and any(self.marks.nulls) and not block.is_scanned
            if is_null or len(text_bytes(behind)):
                raise Unproven("there is text behind the last delimiter")
        return cells

    def _check_lines(self, data: np.ndarray, records: int) -> None:
        """Raise Unproven for lines that are blank, which lack delimiters, and for those that may be too long."""
        width = len(self.names) + self.marks.trailing
        delimiters = count(data, ord(self.marks.delimiter))
        windows = range(0, len(data), MAX_RECORD_BYTES // 2)
        feeds = [count(data[start : start + MAX_RECORD_BYTES // 2], _FEED) for start in windows]
        if width < 2 or sum(feeds) != records or delimiters != records * (width - 1):
            raise Unproven("not every line is a record")
        if not all(feeds[:-1]):
            raise Unproven("a line may be too long for a record")

    def _options(
        self, size: int, *, is_ascii: bool
    ) -> Iterable[csv.ReadOptions | csv.ParseOptions | csv.ConvertOptions]:
        names, wanted = list(self.names), list(self.wanted)
        behind = [_BEHIND] * self.marks.trailing
        quote = self.marks.quote or False
        yield csv.ReadOptions(column_names=names + behind, use_threads=False, block_size=size + 1)
        yield csv.ParseOptions(
            delimiter=self.marks.delimiter,
            quote_char=quote,
            double_quote=bool(quote),
            escape_char=False,
            newlines_in_values=bool(quote),
            ignore_empty_lines=False,
        )
        yield csv.ConvertOptions(
            include_columns=wanted + behind,
            column_types=dict.fromkeys(wanted + behind, pa.string()),
            null_values=list(self.marks.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            # to tell ASCII takes a fifth of the time
            check_utf8=not is_ascii,
        )


def _is_ascii(data: np.ndarray) -> bool:
    return not len(data) or int(data.max()) < 128


def _single(column: pa.ChunkedArray) -> pa.StringArray:
    return (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays(column.chunks or [pa.nulls(0, pa.string())])
    )
