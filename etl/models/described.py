"""What a model is, in the first sentence of the comments at the top of its file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from etl.models.header import header_lines

# a full stop within or behind these ends no sentence
_SHORT = re.compile(
    r"(?:\b(?:approx|ca|cf|e\.g|etc|i\.e|incl|max|min|no|nos|resp|vs)|\b[A-Z](?:\.[A-Z])*)\.$", re.I
)
_END = re.compile(r"[.!?]['\")\]]?(?=\s+\S)")
_BULLET = re.compile(r"^(?:[*•-]\s+)")


def description_of(text: str) -> str:
    """Return the first sentence of the prose in a model's header on one line; empty if it has none.

    Lines with a key, rulers and the audits are no prose; they end a paragraph, as an empty line does.
    """
    keys = {line.number for line in header_lines(text)}
    paragraph: list[str] = []
    for number, line in _comments(text.removeprefix("\ufeff")):
        if number in keys or not re.search(r"\w", line):
            if paragraph:
                break
            continue
        paragraph.append(line)
    return first_sentence(" ".join(paragraph))


def first_sentence(text: str) -> str:
    """Return a text up to the end of its first sentence, with single spaces."""
    text = " ".join(text.split())
    for end in _END.finditer(text):
        begun = text[end.end() :].lstrip()[0]
        if not begun.islower() and not _SHORT.search(text[: end.end()]):
            return text[: end.end()]
    return text


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines of comments before the first word; an empty one for an empty line."""
    is_block = False
    for number, line in enumerate(text.splitlines(), 1):
        rest = line.strip()
        if not is_block and not rest:
            yield number, ""
        while is_block or rest.startswith("/*"):
            rest = rest if is_block else rest[2:]
            inner, end, rest = rest.partition("*/")
            is_block = not end
            yield number, _BULLET.sub("", inner.strip().lstrip("*").strip())
            if is_block:
                break
            rest = rest.strip()
        if is_block or not rest:
            continue
        if not rest.startswith("--"):
            return
        yield number, _BULLET.sub("", rest.lstrip("-").strip())
