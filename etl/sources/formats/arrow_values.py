"""Texts as values through Arrow, where that is proven to be what the strict SQL of contract.parse would say.

Arrow's own conversions are nearly strict. What they take beyond it (white space, hexadecimal digits, exponents,
more digits than a DECIMAL has, the year 0, an hour without minutes, overflow to infinity) shows in the bytes of
the texts or in the values. Any doubt is answered with None, and then the SQL decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.contract.clocks import ZONED
from etl.sources.formats.arrow_numpy import from_flags, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Positions = NDArray[np.int64]

#: What is counted at once stays in the processor's cache.
_BLOCK_BYTES = 1 << 19
#: Whole numbers below these are exact, and need no more digits than a float of the type surely keeps.
_EXACT = {"DOUBLE": 1e15, "FLOAT": 1e6}
_FLOATS = {"DOUBLE": np.float64, "FLOAT": np.float32}
_FIRST_DAY, _DAY_MICROSECONDS = -719162, 86_400_000_000
#: An instant of the first day can be one of the year 0 in its own zone.
_FIRST_INSTANT = (_FIRST_DAY + 1) * _DAY_MICROSECONDS
_NUMBERS = ("TINY", "SMALL", "INT", "BIG", "UTINY", "USMALL", "UINT", "UBIG", "DEC", "DOUBLE", "FLOAT")
#: Up to so many digits a DECIMAL is one machine word.
_WORD_DIGITS = 18
#: And so many always fit in 128 bits.
_MOST_DIGITS = 38
#: Fewer than one in so many texts may be doubtful, which are looked for by halves, down to so many at once.
_FEW, _LEAST_TEXTS, _MOST_ATTEMPTS = 16, 32, 300
#: Types to whose values a text is not converted as fast as it is found among others.
_COSTLY = ("DECIMAL", "DOUBLE", "FLOAT", "TIMESTAMP")
#: So many texts are looked at first; a text pays if it comes so often.
_SAMPLE, _REPEATS = 1000, 8
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
#: Spellings of booleans, in upper and lower case.
_MOST_SPELLINGS = 100

_SIMPLE = {
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    ZONED: pa.timestamp("us", "UTC"),
}


def arrow_type(type: str) -> pa.DataType | None:
    """Return the Arrow type of a DuckDB type of single values; None for one that stays with DuckDB."""
    if decimal := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type):
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    return _SIMPLE.get(type)


def exact(texts: pa.StringArray, type: str, decimal: str = ".") -> pa.Array | None:
    """Return texts as values of a DuckDB type; None unless each is proven to be what the strict SQL says.

    `decimal` is the mark in numbers.
    """
    wanted = arrow_type(type)
    if wanted is None or wanted == pa.string():
        return texts if wanted else None
    if few := _few(texts, type):
        values = exact(few.dictionary, type, decimal)
        return None if values is None else values.take(few.indices)
    respelled = _respelled(texts, type, decimal)
    if respelled is None or (_is_plain(wanted) and _has_foreign(text_bytes(respelled))):
        return None
    return _converted(respelled, type)


def nearly_exact(texts: pa.StringArray, type: str, decimal: str = ".") -> tuple[pa.Array, Positions] | None:
    """Return what exact() does of most texts, null for the others, and where these are; None if they are many."""
    wanted, respelled = arrow_type(type), _respelled(texts, type, decimal)
    if wanted is None or respelled is None:
        return None
    if _is_plain(wanted):
        odd = _with_foreign(respelled)
        if len(odd) > len(texts) // _FEW:
            return None
        respelled = _without(respelled, odd) if len(odd) else respelled
    else:
        odd = np.empty(0, np.int64)
    parts: list[pa.Array] = []
    doubtful, attempts = [odd], 0
    waiting = [(0, len(texts))]
    while waiting:
        start, end = waiting.pop()
        attempts += 1
        values = _converted(respelled.slice(start, end - start), type)
        if values is not None:
            parts.append(values)
        elif end - start <= _LEAST_TEXTS:
            parts.append(pa.nulls(end - start, wanted))
            doubtful.append(np.arange(start, end))
        elif attempts > _MOST_ATTEMPTS:
            return None
        else:
            middle = (start + end) // 2
            waiting += [(middle, end), (start, middle)]
    return pa.concat_arrays(parts), np.unique(np.concatenate(doubtful))


def _few(texts: pa.StringArray, type: str) -> pa.DictionaryArray | None:
    """Return texts as positions among those that differ, if they are few and it takes more to convert one."""
    if not type.startswith(_COSTLY) or len(texts) < _SAMPLE * _REPEATS:
        return None
    if len(texts.slice(0, _SAMPLE).unique()) * _REPEATS > _SAMPLE:
        return None
    found = texts.dictionary_encode()
    return found if len(found.dictionary) * _REPEATS <= len(texts) else None


def _is_plain(type: pa.DataType) -> bool:
    """Tell whether strict texts of a type have no bytes but `-./0-9`."""
    return bool(pa.types.is_integer(type) or pa.types.is_decimal(type) or pa.types.is_date32(type))


def _respelled(texts: pa.StringArray, type: str, decimal: str) -> pa.StringArray | None:
    return _with_points(texts, decimal) if decimal != "." and type.startswith(_NUMBERS) else texts


def _converted(texts: pa.StringArray, type: str) -> pa.Array | None:
    wanted = arrow_type(type)
    convert = _decimals if pa.types.is_decimal(wanted) else _CONVERSIONS.get(type, _cast)
    try:
        values = convert(texts, wanted)
    except pa.ArrowInvalid:
        return None
    return values if values is not None and _is_within(values, type) else None


def _with_foreign(texts: pa.StringArray) -> Positions:
    """Return the positions of the texts with bytes that plain ones do not have."""
    data = text_bytes(texts)
    found = np.flatnonzero((data - np.uint8(45)) > 12)
    if not len(found):
        return found
    offsets = _offsets(texts)
    return np.unique(np.searchsorted(offsets, found + offsets[0], side="right") - 1)


def _without(texts: pa.StringArray, positions: Positions) -> pa.StringArray:
    """Return texts with null at some positions."""
    kept = np.ones(len(texts), bool)
    kept[positions] = False
    return pc.if_else(from_flags(kept), texts, pa.nulls(1, pa.string())[0])


def _is_within(values: pa.Array, type: str) -> bool:
    """Tell whether values are in the bounds of their type, which Arrow's conversions may overstep."""
    if pa.types.is_floating(values.type):
        # not so of NaN and infinity; nor of a long whole number that the type would change
        found = values.drop_null() if values.null_count else values
        return bool((np.abs(numbers(found, _FLOATS[type])) < _EXACT[type]).all())
    first = {"DATE": _FIRST_DAY, "TIMESTAMP": _FIRST_DAY * _DAY_MICROSECONDS, ZONED: _FIRST_INSTANT}.get(type)
    if first is None or not len(values):
        return True
    plain = values.view(pa.int32() if type == "DATE" else pa.int64())
    least = pc.min(plain).as_py()
    return least is None or least >= first


def _has_foreign(data: Bytes) -> bool:
    """Tell whether any byte is none of `-./0-9`, which are neighbours: strict numbers and dates have no others."""
    parts = (data[start : start + _BLOCK_BYTES] for start in range(0, len(data), _BLOCK_BYTES))
    return any(part.min() < ord("-") or part.max() > ord("9") for part in parts)


def count(data: Bytes, byte: int) -> int:
    """Return how often a byte is in a text."""
    blocks = range(0, len(data), _BLOCK_BYTES)
    return sum(int(np.count_nonzero(data[start : start + _BLOCK_BYTES] == byte)) for start in blocks)


def text_bytes(texts: pa.StringArray) -> Bytes:
    """Return the bytes of all texts, one behind the other."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return np.empty(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int32)[[texts.offset, texts.offset + len(texts)]]
    return np.frombuffer(data, np.uint8)[bounds[0] : bounds[1]]


def _with_points(texts: pa.StringArray, decimal: str) -> pa.StringArray | None:
    """Return texts with points as decimal marks; None if one has a point already."""
    validity, offsets, data = texts.buffers()
    if data is None:
        return texts
    if not decimal.isascii() or (text_bytes(texts) == ord(".")).any():
        return None
    spelled = bytes(data).translate(bytes.maketrans(decimal.encode(), b"."))
    buffers = [validity, offsets, pa.py_buffer(spelled)]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers, texts.null_count, texts.offset)


def _starts(texts: pa.StringArray) -> tuple[Bytes, NDArray[np.int32], NDArray[np.int32]]:
    """Return the bytes of texts that are not null, and where each begins and ends in them."""
    texts = texts.drop_null() if texts.null_count else texts
    data = text_bytes(texts)
    if not len(texts):
        return data, np.empty(0, np.int32), np.empty(0, np.int32)
    offsets = _offsets(texts)
    offsets = offsets - offsets[0]
    return data, offsets[:-1], offsets[1:]


def _offsets(texts: pa.StringArray) -> NDArray[np.int32]:
    return np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]


def _cast(texts: pa.StringArray, wanted: pa.DataType) -> pa.Array | None:
    return pc.cast(texts, wanted)


def _moments(texts: pa.StringArray, wanted: pa.DataType) -> pa.Array | None:
    """Return timestamps; Arrow would take a day alone for its midnight, and an hour without minutes."""
    data, starts, ends = _starts(texts)
    if len(starts) and (int((ends - starts).min()) < len("2013-02-03 04:05") or (data[starts + 13] != 58).any()):
        return None
    return _cast(texts, wanted)


def _instants(texts: pa.StringArray, wanted: pa.DataType) -> pa.Array | None:
    """Return timestamps with a zone; Arrow would take offsets of more hours than there are."""
    data, starts, ends = _starts(texts)
    if len(starts) and int((ends - starts).min()) >= len("2013-02-03 04:05Z"):
        is_sure = data[ends - 1] == ord("Z")
        for behind in (len("+hh"), len("+hhmm"), len("+hh:mm")):
            sign, hours = data[ends - behind], data[ends - behind + 1]
            is_sure |= (
                ((sign == ord("+")) | (sign == ord("-"))) & (hours <= ord("1")) & (ends - behind > starts + 13)
            )
        if not is_sure.all():
            return None
    return _moments(texts, wanted)


def _decimals(texts: pa.StringArray, wanted: pa.DataType) -> pa.Array | None:
    """Return decimals; Arrow would lose what 128 bits do not hold, and looks at the scale alone."""
    longest = int(np.diff(_offsets(texts)).max()) if len(texts) else 0
    if longest > _MOST_DIGITS - wanted.scale:
        return None
    values = _cast(texts, wanted)
    # what is as short as that has no digit too many
    return values if longest <= wanted.precision - wanted.scale or _is_decimal(values) else None


def _booleans(texts: pa.StringArray, wanted: pa.DataType) -> pa.Array | None:
    spelled = texts.dictionary_encode()
    if len(spelled.dictionary) > _MOST_SPELLINGS:
        return None
    # of ASCII alone: what is upper and lower case elsewhere is no concern of a boolean
    known = [_BOOLEANS.get(text.lower() if text.isascii() else "") for text in spelled.dictionary.to_pylist()]
    return None if None in known else from_flags(np.array(known, bool)).take(spelled.indices)


def _is_decimal(values: pa.Array) -> bool:
    """Tell whether no value has more digits than its type."""
    most: int = 10**values.type.precision
    if values.type.precision > _WORD_DIGITS:
        least, greatest = pc.min_max(values).as_py().values()
        scale: int = values.type.scale
        return least is None or max(-least.scaleb(scale), greatest.scaleb(scale)) < most
    words = np.frombuffer(values.buffers()[1], np.int64)[2 * values.offset : 2 * (values.offset + len(values))]
    low, high = words[::2], words[1::2]
    if not len(low):
        return True
    return bool(low.max() < most and low.min() > -most and (high == low >> 63).all())


_CONVERSIONS: dict[str, Callable[[Any, Any], Any]] = {
    "BOOLEAN": _booleans,
    "TIMESTAMP": _moments,
    ZONED: _instants,
}
