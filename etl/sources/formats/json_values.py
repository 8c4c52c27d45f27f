"""JSON values without loss: numbers keep their text, and what JSON leaves open is refused."""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring
from typing import Any

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


class Malformed(ValueError):
    """Text that is no JSON value, or none that means one thing; the message says why."""


class Number(str):
    """A number as it is written: 1e400 and 0.10 are themselves."""

    __slots__ = ()


def decoded(text: str, start: int = 0, nan: bool = False) -> tuple[Any, int]:
    """Return the value that starts at `start`, and where it ends; `nan` lets NaN and Infinity be numbers.

    Raises Malformed.
    """
    try:
        value, end = (_LENIENT if nan else _DECODER).raw_decode(text, start)
        if _HALF_PAIR.search(text, start, end):
            dumped(value).encode()
    except json.JSONDecodeError as error:
        message = error.msg[0].lower() + error.msg[1:]
        raise Malformed(f"it is not JSON: {message} at character {error.pos - start + 1}") from error
    except UnicodeEncodeError as error:
        raise Malformed("it holds half a surrogate pair, which is not a character") from error
    except RecursionError as error:
        raise Malformed("it is nested too deeply") from error
    return value, end


def single(text: str, nan: bool = False) -> Any:
    """Return the one value that the whole text is. Raises Malformed."""
    stripped = text.strip(" \t\n\r")
    value, end = decoded(stripped, nan=nan)
    if end < len(stripped):
        raise Malformed(f"it is not JSON: there is more after the value at character {end + 1}")
    return value


def dumped(value: Any) -> str:
    """Return a value as JSON text."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{dumped(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumped, value)) + "]"
    return _quoted(value)


def _quoted(value: str | bool | None) -> str:
    return encode_basestring(value) if isinstance(value, str) else json.dumps(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"key {twice!r} appears twice in one object")
    return found


def _refuse(constant: str) -> Any:
    raise Malformed(f"{constant} is not a number in JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_refuse
)
_LENIENT = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number)
