"""How what is told looks on a terminal: red for what failed, amber for what waits for somebody."""

from __future__ import annotations

import os
import re
from typing import IO

RED, AMBER = "31", "33"
#: What is told is red or amber by its words, whoever tells it; a count of zero is neither.
_WORDS = {
    RED: r"\b(?:failed|refused|crashed|Error|(?<!is )lost)\b",
    AMBER: r"\b(?:[1-9][\d,]* (?:rejected|(?:records? )?discarded)|quarantined|late|held|on hold|warned|warning|"
    r"without effect|withdrawn|missing)\b",
}
#: So is a cell of a table: by the word that it is, or by the column of what should not be.
_CELLS = {"failed": RED, "refused": RED, "warned": AMBER, "held": AMBER, "late": AMBER}
_COLUMNS = {"refused": RED, "failing": AMBER, "rejected": AMBER, "holes": AMBER}


def has_colours(stream: IO[str] | None) -> bool:
    """Return whether a stream is a terminal that shows colours to somebody who wants them."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    return stream is not None and not stream.closed and stream.isatty()


def is_ascii_only(stream: IO[str] | None) -> bool:
    """Return whether a stream has no letters to draw with beyond ASCII."""
    try:
        "█▏•│├└─━╌".encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return True
    return False


def painted(text: str) -> str:
    """Return a text with its red and amber words between the codes that a terminal takes for colours."""
    for colour, words in _WORDS.items():
        text = re.sub(words, rf"\033[{colour}m\g<0>\033[0m", text)
    return text


def colour_of(column: str, cell: str) -> str:
    """Return the colour of a cell of a table of ours, or an empty text."""
    return _CELLS.get(cell, "") or (_COLUMNS.get(column, "") if cell not in ("", "0") else "")
