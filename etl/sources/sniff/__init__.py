"""Drafts of a source and its contract for a file that a sender gave: what is likely, the likeliest first.

It guesses, which the batch never does: nothing here is imported at run time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etl.sources.sniff.render import Draft, render
from etl.sources.sniff.sample import Kind, read_sample

__all__ = ["Draft", "drafts", "render"]


def drafts(path: Path, delimiter: str = "") -> Iterator[Draft]:
    """Yield drafts of a contract for raw files like `path`: dialect, types and nulls as seen.

    At most the first 10 MB and 100,000 records are read. `delimiter` spares the guess of it. Raises
    ConfigError for a file that cannot be read, is empty or binary, or whose columns cannot be told apart.
    """
    sample = read_sample(path)
    if sample.kind == Kind.TEXT:
        from etl.sources.sniff.delimited import delimited_drafts

        yield from delimited_drafts(sample, delimiter)
    else:
        from etl.sources.sniff.structured import structured_drafts

        yield from structured_drafts(sample)
