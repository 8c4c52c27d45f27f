"""What a model is, in the first sentence of the comments at the top of its file."""

from __future__ import annotations

import re

from etl.models.header import header_comments, header_lines

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
    for comment in header_comments(text):
        line = _BULLET.sub("", (comment.text.lstrip("-") if comment.is_line else comment.text).strip())
        if comment.number in keys or not re.search(r"\w", line):
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
