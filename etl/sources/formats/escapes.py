"""Backslashes in cells: within quotes, and in text without any that PostgreSQL's COPY or MySQL's OUTFILE wrote.

In such text a backslash takes what follows with it, be it a delimiter or a line end, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

MARK = b"\\"
#: The line that ends COPY text.
END = b"\\."
#: What may not be a delimiter of such text: after a backslash it would mean something else.
NO_DELIMITERS = frozenset("\\.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_COMMON = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_CHARACTERS = {"copy": {**_COMMON, b"f": b"\f", b"v": b"\v"}, "mysql": {**_COMMON, b"0": b"\0", b"Z": b"\x1a"}}
#: The grammars that a source may declare.
GRAMMARS = tuple(_CHARACTERS)
_SEQUENCES = {
    "copy": re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(\r\n|(?s:.)))"),
    "mysql": re.compile(rb"\\(?:(?!)()|(?!)()|(\r\n|(?s:.)))"),
}
#: Sequences that may stand for what is no text, and the end marker; others cannot break a record.
_DOUBTFUL = re.compile(rb"\\(?:[0-7]|x[0-9A-Fa-f]|\.)")


def decoded(cell: bytes, grammar: str) -> bytes:
    """Return what a cell stands for; a character that means nothing after a backslash is itself."""
    if MARK not in cell:
        return cell
    return _SEQUENCES[grammar].sub(_decoder(grammar), cell)


def encoded(value: bytes, delimiter: bytes) -> bytes:
    """Return a value as a cell, in a way that all grammars read alike."""
    special = {MARK: rb"\\", b"\n": rb"\n", b"\r": rb"\r", b"\t": rb"\t"}
    pattern = b"[\\\\\n\r\t%b]" % re.escape(delimiter)
    return re.sub(pattern, lambda found: special.get(found[0], MARK + found[0]), value)


def may_break(data: bytes) -> bool:
    """Return whether a record in `data` may have a problem()."""
    return _DOUBTFUL.search(data) is not None


def unescaped(inner: bytes, quote: bytes, escape: bytes) -> bytes:
    """Return what stands between quotes: a doubled quote, or an escape before a quote or an escape, is one."""
    if quote not in inner and escape not in inner:
        return inner
    return _pair(quote, escape).sub(lambda found: found[0][1:], inner)


def _decoder(grammar: str) -> Callable[[re.Match[bytes]], bytes]:
    characters = _CHARACTERS[grammar]

    def character(found: re.Match[bytes]) -> bytes:
        octal, hexadecimal, other = found.groups()
        if octal:
            return bytes([int(octal, 8) & 255])
        return bytes([int(hexadecimal, 16)]) if hexadecimal else characters.get(other, other)

    return character


@cache
def _pair(quote: bytes, escape: bytes) -> re.Pattern[bytes]:
    either = b"%b|%b" % (re.escape(quote), re.escape(escape))
    return re.compile(b"%b(?:%b)|%b%b" % (re.escape(escape), either, re.escape(quote), re.escape(quote)))
