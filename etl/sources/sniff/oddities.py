"""What is odd about a file or a column, in words: what a person should know before they trust a proposal."""

from __future__ import annotations

import re
from collections.abc import Iterator

from etl.errors import counted
from etl.sources.sniff.notation import Cells
from etl.sources.sniff.sample import Sample

_ID = re.compile(
    r"(^|[_\W])(id|code|zip|plz|postcode|postal|isbn|ean|gtin|sku|iban|phone|tel|ssn|account|konto)", re.I
)
_LONGEST_CELL = 1000
#: Numbers of fewer digits are numbers.
_SHORT = 5


def of_text(sample: Sample) -> Iterator[str]:
    """Yield what is odd about the bytes of a text."""
    content = sample.content
    ends = {"CR LF": content.count(b"\r\n")}
    ends |= {"LF": content.count(b"\n") - ends["CR LF"], "CR": content.count(b"\r") - ends["CR LF"]}
    found = {name: number for name, number in ends.items() if number}
    if len(found) > 1:
        shown = ", ".join(f"{number:,} times {name}" for name, number in found.items())
        yield f"Its line ends are mixed: {shown}."
    if b"\0" in content and content[1::2].count(0) < len(content) / 4 > content[::2].count(0):
        yield f"It holds NUL characters, {content.count(0):,} times: such a record is broken."
    if marks := content.count(b"\xef\xbb\xbf", 1):
        yield f"A byte order mark stands within it {counted(marks, 'time')}: files seem to be joined."
    lines = [line for line in content.split(b"\n") if not line.isascii()]
    bad = sum(1 for line in lines if not _is_utf8(line))
    if 0 < bad < len(lines):
        lines_beyond = counted(len(lines), "line")
        yield f"It seems to be in two encodings: {bad:,} of {lines_beyond} beyond ASCII are not UTF-8."
    if content[-1:] not in (b"\n", b"\r") and sample.is_whole:
        yield "Its last line has no end: was the file cut off?"


def of_column(name: str, type: str, cells: Cells, given: Cells) -> Iterator[str]:
    """Yield what is odd about the cells of a column, which was `given` with blanks around them perhaps."""
    texts = list(cells.values)
    if not texts:
        yield f"{name!r} is always empty."
        return
    if len(texts) == 1 and cells.values.total() > 4:
        yield f"{name!r} has the same value in every record: {texts[0][:40]!r}."
    padded = sum(number for text, number in given.values.items() if text != text.strip())
    if padded:
        yield f"{name!r} has blanks around {counted(padded, 'value')}."
    if any(len(text) > _LONGEST_CELL for text in texts):
        yield f"{name!r} has values of up to {max(map(len, texts)):,} characters."
    if len({text.casefold().strip() for text in texts}) < len(texts) and type == "str":
        yield f"{name!r} has values that differ in capitals or blanks only."
    if type == "int":
        yield from _of_numbers(name, texts)


def _of_numbers(name: str, texts: list[str]) -> Iterator[str]:
    longest = max(map(len, texts))
    is_even = longest > _SHORT and len({len(text) for text in texts}) == 1 and len(texts) > 3
    if longest >= _SHORT and (_ID.search(name) or is_even):
        yield f"{name!r} is a number that may be an id: say str if it may begin with zeros, which numbers lose."


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
