"""What people decided about models that learn: the lines of ml/<name>.jsonl, an input as the code is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl.errors import ModelError, unknown

PROMOTE, HOLD = "promote", "hold"
_KEYS = ("cut_off", "word", "why", "who")


@dataclass(frozen=True, kw_only=True)
class Word:
    """`promote` uses what was learned up to a cut-off, `hold` does not, whatever the gate says of it."""

    cut_off: str
    word: str
    why: str
    who: str = ""


def read_words(root: Path, file: str) -> tuple[Word, ...]:
    """Return what was decided, the oldest first; nothing without a file.

    Raises ModelError naming file and line for a line that is not a decision.
    """
    path = root / file
    if not path.is_file():
        return ()
    lines = enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1)
    return tuple(_word(f"{file}:{number}", line) for number, line in lines if line.strip())


def said_of(words: tuple[Word, ...], cut_off: date) -> Word | None:
    """Return the last word about a cut-off."""
    return next((word for word in reversed(words) if word.cut_off == str(cut_off)), None)


def _word(place: str, line: str) -> Word:
    example = '{"cut_off": "2024-03-01", "word": "promote", "why": "agreed with sales"}'
    try:
        values = json.loads(line)
    except json.JSONDecodeError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ModelError(f"{place}: the line is not a decision such as {example}.")
    for key in values:
        if key not in _KEYS:
            raise ModelError(unknown(f"{place}: there is no key {key}", key, _KEYS, f"Write it as {example}"))
    for key in ("cut_off", "word", "why"):
        if not values.get(key):
            raise ModelError(f"{place}: the decision does not say {key}, as {example} does.")
    if values["word"] not in (PROMOTE, HOLD):
        raise ModelError(f"{place}: word is {values['word']!r}. Write {PROMOTE} or {HOLD}.")
    try:
        date.fromisoformat(values["cut_off"])
    except ValueError:
        raise ModelError(f"{place}: cut_off is {values['cut_off']!r}. Write a date such as 2024-03-01.") from None
    return Word(**values)
