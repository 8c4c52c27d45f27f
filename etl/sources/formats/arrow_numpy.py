"""Arrow's arrays from numpy's, and back. pyarrow's own ways import pandas, which is 0.2 s and 45 MB a night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray


def from_numbers(numbers: NDArray[Any]) -> pa.Array:
    """Return numbers as an array without nulls, on the same memory."""
    numbers = np.ascontiguousarray(numbers)
    type = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(type, len(numbers), [None, pa.py_buffer(numbers)], 0)


def from_flags(flags: NDArray[np.bool_]) -> pa.BooleanArray:
    """Return truths as an array without nulls."""
    bits = pa.py_buffer(np.packbits(flags, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, bits], 0)


def from_text(text: str) -> pa.StringArray:
    """Return an array of one text."""
    data = text.encode()
    buffers = [None, pa.py_buffer(np.array([0, len(data)], np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), 1, buffers, 0)


def numbers(values: pa.Array, type: Any) -> NDArray[Any]:
    """Return the numbers of an array, on the same memory; those of nulls are anything."""
    if not len(values):
        return np.empty(0, type)
    return np.frombuffer(values.buffers()[1], type)[values.offset : values.offset + len(values)]


def flags(values: pa.BooleanArray) -> NDArray[np.bool_]:
    """Return the truths of an array; those of nulls are anything."""
    if not len(values):
        return np.empty(0, bool)
    bits = np.frombuffer(values.buffers()[1], np.uint8)
    count = values.offset + len(values)
    return np.unpackbits(bits, count=count, bitorder="little")[values.offset :].view(bool)
