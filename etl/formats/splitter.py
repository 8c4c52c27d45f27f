"""A strict splitter of delimited text: where each record is, and what is wrong with those that are not one.

One regular expression describes a sound record (RFC 4180 with the dialect's delimiter and quote). Where it
does not match, the physical line is broken and the next line starts afresh, so a stray quote costs one line.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from functools import cache

from etl.formats.format import Record

_LINE = re.compile(rb"[^\r\n]*+(?:\r\n|\r|\n|\Z)")


def split(
    content: bytes | mmap.mmap, position: int, delimiter: str, quote: str, width: int | None
) -> Iterator[Record]:
    """Yield what lies behind byte `position`, blank lines too; `width` None takes any number of cells."""
    line = 1
    while position < len(content):
        record = _next(content, position, line, delimiter, quote, width)
        yield record
        line += _line_ends(content[record.start : record.end])
        position = record.end


def cells(line: bytes, delimiter: str, quote: str) -> list[str]:
    """Return the cells of one line without its end, unquoted; undecodable bytes as \\xNN."""
    texts = [cell.decode("utf-8", "backslashreplace") for cell in _cell(delimiter, quote).findall(line)]
    return [_unquoted(text, quote) for text in texts]


def _next(
    content: bytes | mmap.mmap, position: int, line: int, delimiter: str, quote: str, width: int | None
) -> Record:
    match = _record(delimiter, quote, width).match(content, position)
    if match is not None:
        return Record(line, position, match.end(), _bad_text(match[0]))
    physical = _LINE.match(content, position)
    end = physical.end() if physical else len(content)
    return Record(line, position, end, _bad_shape(content[position:end], delimiter, quote, width))


def _bad_text(text: bytes) -> str:
    if b"\0" in text:
        return "a cell holds a NUL character"
    try:
        text.decode()
    except UnicodeDecodeError:
        return "the text is not UTF-8"
    return ""


def _bad_shape(text: bytes, delimiter: str, quote: str, width: int | None) -> str:
    match = _record(delimiter, quote, None).match(text)
    if match is None or match.end() < len(text):
        return "a quote is stray or not closed"
    found = len(_cell(delimiter, quote).findall(text.rstrip(b"\r\n")))
    return f"{found} cells where the contract has {width}"


def _line_ends(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


def _unquoted(text: str, quote: str) -> str:
    if quote and len(text) > 1 and text[0] == text[-1] == quote:
        return text[1:-1].replace(quote * 2, quote)
    return text


@cache
def _cell_pattern(delimiter: str, quote: str) -> bytes:
    separator, mark = re.escape(delimiter.encode()), re.escape(quote.encode())
    if not quote:
        return rb"(?:(?!%b)[^\r\n])*+" % separator
    quoted = rb"%b(?:[^%b]++|%b%b)*+%b" % (mark, mark, mark, mark, mark)
    return rb"(?:%b|(?:(?!%b)[^\r\n%b])*+)" % (quoted, separator, mark)


@cache
def _cell(delimiter: str, quote: str) -> re.Pattern[bytes]:
    separator = re.escape(delimiter.encode())
    return re.compile(rb"(?:^|(?<=%b))%b(?=%b|$)" % (separator, _cell_pattern(delimiter, quote), separator))


@cache
def _record(delimiter: str, quote: str, width: int | None) -> re.Pattern[bytes]:
    more = b"*+" if width is None else b"{%d}+" % (width - 1)
    separator, cell = re.escape(delimiter.encode()), _cell_pattern(delimiter, quote)
    return re.compile(rb"%b(?:%b%b)%b(?:\r\n|\r|\n|\Z)" % (cell, separator, cell, more))
