"""Records in an answer of JSON, as the texts that came: nothing is rounded, sorted or left out."""

from __future__ import annotations

import json
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from etl.errors import FetchError

_DECODER = json.JSONDecoder(strict=False)
_SPACE = " \t\r\n"


def records_of(data: bytes, path: str, where: str) -> tuple[list[str], Any]:
    """Return the text of each record of an answer, on one line, and the answer itself.

    The records are the list at a path such as `data.items`; an object there is one record. Raises FetchError that
    begins with `where` for what is not JSON, or has nothing at the path.
    """
    try:
        text = data.decode(json.detect_encoding(data))
        answer = json.loads(text)
        start = _skip(text, 1 if text.startswith("\ufeff") else 0)
        for name in filter(None, path.split(".")):
            start = _value_of(text, start, name)
        texts = _elements(text, start) if text[start] == "[" else [_cut(text, start)]
    except RecursionError:
        raise FetchError(
            f"{where} is nested too deeply to be read. Ask for records without their parts."
        ) from None
    except (ValueError, IndexError) as error:
        raise FetchError(f"{where} is not JSON: {str(error)[:200]}.") from error
    except KeyError as error:
        raise FetchError(f"{where} has no {error.args[0]!r} on the way to {path!r}; {_said(answer)}.") from None
    return ([] if texts == ["null"] else texts), answer


def _said(answer: Any) -> str:
    """Return what an answer is, in which the records are not where they were looked for."""
    if isinstance(answer, list):
        return "it is a list: if its elements are the records, leave records= out"
    if isinstance(answer, dict) and answer:
        return f"it has {', '.join(answer)[:200]}"
    return "it is an object without keys" if isinstance(answer, dict) else "it is neither an object nor a list"


def at(answer: Any, path: str) -> Any:
    """Return what stands at a path in an answer; None if there is nothing."""
    for name in filter(None, path.split(".")):
        answer = answer.get(name) if isinstance(answer, dict) else None
    return answer


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def _value_of(text: str, at: int, name: str) -> int:
    """Return where the value of a key begins in an object: of the last of that name, as all readers take it."""
    found = -1
    if text[at] == "{":
        at = _skip(text, at + 1)
        while text[at] != "}":
            key, at = scanstring(text, at + 1, False)
            at = _skip(text, _skip(text, at) + 1)
            found = at if key == name else found
            at = _skip(text, _DECODER.raw_decode(text, at)[1])
            at = _skip(text, at + 1) if text[at] == "," else at
    if found < 0:
        raise KeyError(name)
    return found


def _elements(text: str, at: int) -> list[str]:
    texts = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _DECODER.raw_decode(text, at)[1]
        texts.append(_line(text[at:end]))
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return texts


def _cut(text: str, at: int) -> str:
    return _line(text[at : _DECODER.raw_decode(text, at)[1]])


def _line(record: str) -> str:
    # a line end in JSON is a space: a text cannot hold one as it is
    return record.replace("\r", " ").replace("\n", " ")
