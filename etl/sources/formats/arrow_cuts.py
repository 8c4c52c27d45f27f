"""Blocks of sound fixed-width lines as Arrow tables of texts: cells are cut out of all lines at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.sources.formats.arrow_numpy import from_flags, from_text
from etl.sources.formats.arrow_values import count
from etl.sources.formats.blocks import Block, Cuts, Unproven

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Letters = NDArray[Any]

_FEED, _SPACE = ord("\n"), ord(" ")
#: A character is so many bytes of UTF-8 longer than one, from each of these on.
_LONGER = (0x80, 0x800, 0x10000)


class CutReader(NamedTuple):
    """Reads blocks of lines whose cells are called `names`; the `wanted` ones are looked at."""

    cuts: Cuts
    names: Sequence[str]
    wanted: Sequence[str]

    def texts(self, block: Block) -> Mapping[str, pa.StringArray]:
        """Return the wanted cells of a block's records, in order; Unproven if that is not sure to be all."""
        if not block.records:
            return {name: pa.nulls(0, pa.string()) for name in self.wanted}
        spans = dict(zip(self.names, self.cuts.spans, strict=True))
        lines = self._lines(_letters(block.data), block.records)
        return {name: self._cell(lines[:, spans[name][0] - 1 : spans[name][1]]) for name in self.wanted}

    def _lines(self, letters: Letters, records: int) -> Letters:
        """Return the characters of all lines, one row each; a line that is short has spaces at its end."""
        width = self.cuts.width
        if len(letters) == records * (width + 1) and count(letters, _FEED) == records:
            lines = letters.reshape(records, width + 1)
            if (lines[:, width] == _FEED).all():
                return lines[:, :width]
        lengths = np.diff(np.flatnonzero(letters == _FEED), prepend=-1) - 1
        is_short = self.cuts.strip and letters[-1] == _FEED and int(lengths.max()) <= width
        if len(lengths) != records or not is_short:
            raise Unproven("not every line is a record")
        lines = np.full((records, width), _SPACE, letters.dtype)
        lines[np.arange(width) < lengths[:, None]] = letters[letters != _FEED]
        return lines

    def _cell(self, letters: Letters) -> pa.StringArray:
        texts = _texts(np.ascontiguousarray(letters))
        if self.cuts.strip and ((letters[:, 0] == _SPACE) | (letters[:, -1] == _SPACE)).any():
            texts = pc.ascii_trim(texts, characters=" ")
        return _without_nulls(texts, self.cuts.nulls)


def _letters(data: bytes | memoryview) -> Letters:
    """Return the characters of a text: as bytes if it is ASCII."""
    view = np.frombuffer(data, np.uint8)
    return view if int(view.max()) < _LONGER[0] else np.frombuffer(bytes(data).decode().encode("utf-32-le"), "<u4")


def _texts(letters: Letters) -> pa.StringArray:
    """Return the rows of a table of characters as texts."""
    rows, width = letters.shape
    if letters.dtype == np.uint8 or int(letters.max()) < _LONGER[0]:
        data = letters.astype(np.uint8, copy=False).tobytes()
        offsets = np.arange(0, rows * width + 1, width, dtype=np.int32)
    else:
        data = letters.tobytes().decode("utf-32-le").encode()
        sizes = np.full(rows, width, np.int32)
        for longer in _LONGER:
            sizes += np.count_nonzero(letters >= longer, axis=1).astype(np.int32)
        offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(sizes, dtype=np.int32)])
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)], 0)


def _without_nulls(texts: pa.StringArray, nulls: Sequence[str]) -> pa.StringArray:
    """Return texts, null where one is any of `nulls`."""
    if nulls == ("",):
        is_null = np.diff(np.frombuffer(texts.buffers()[1], np.int32)[: len(texts) + 1]) == 0
        if not is_null.any():
            return texts
        found = from_flags(is_null)
    elif nulls:
        found = pc.is_in(texts, value_set=pa.concat_arrays([from_text(null) for null in nulls]))
    else:
        return texts
    return pc.if_else(found, pa.nulls(1, pa.string())[0], texts)
