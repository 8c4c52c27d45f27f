"""Foreign texts made fit to be shown: what senders write must not move a cursor, forge a line or fill a screen."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

#: A longer text is cut where a table or a message shows it.
LONGEST = 1_000
#: So is a longer line of a message.
_LONGEST_LINE = 10_000


def printable(text: str) -> str:
    """Return a text on one line, with control, format and bidirectional characters and line ends escaped.

    What is escaped is all that Python does not call printable: `\\x1b`, `\\n`, `\\u202e`, and what is half a
    character. A text without any stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def printable_lines(text: str) -> str:
    """Return a message with each of its lines printable, and cut if it is endless."""
    if text.isprintable() and len(text) <= _LONGEST_LINE:
        return text
    return "\n".join(cut(printable(line), _LONGEST_LINE) for line in text.split("\n"))


def indented(text: str) -> str:
    """Return a message whose further lines are indented, so that nobody's text can begin one of ours."""
    return text.replace("\n", "\n    ")


def cut(text: str, longest: int = LONGEST) -> str:
    """Return a text, or its beginning and its length."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known name that is most like another one, ready to be shown; empty if none is.

    Where the two only look equal, or differ in letters beyond ASCII, their code points are shown beside.
    """
    looks = {_look(other): other for other in known}
    found = [look for look in [_look(name)] if look in looks] or get_close_matches(_look(name), looks, n=1)
    return [f"{printable(looks[look])}{_codes(name, looks[look])}" for look in found]


def _codes(name: str, other: str) -> str:
    different = {char for char in set(name) ^ set(other) if not (char.isascii() and char.isprintable())}
    if different or (name != other and _look(name) == _look(other) and name.casefold() != other.casefold()):
        return f" (it is {_spelt(other)}, not {_spelt(name)})"
    return ""


def _look(text: str) -> str:
    """Return a text without what nobody sees: how letters are composed, case, and blanks of any width."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in plain if unicodedata.category(char) not in ("Cf", "Cc", "Zs", "Zl", "Zp"))


def _spelt(text: str) -> str:
    """Return a text with the code point of each letter beyond ASCII."""
    return "".join(char if "!" <= char <= "~" else f"<U+{ord(char):04X}>" for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
