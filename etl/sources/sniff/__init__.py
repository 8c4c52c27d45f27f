"""Drafts of a source and its contract for a file that a sender gave: what is likely, the likeliest first.

It guesses, which the batch never does: nothing here is imported at run time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from etl.errors import few
from etl.sources.formats.archive import is_member
from etl.sources.sniff.names import dated
from etl.sources.sniff.render import Draft, render
from etl.sources.sniff.sample import Kind, Sample, read_sample

__all__ = ["Draft", "drafts", "render"]


def drafts(path: Path, delimiter: str = "") -> Iterator[Draft]:
    """Yield drafts of a contract for raw files like `path`: dialect, types and nulls as seen.

    At most the first 10 MB and 100,000 records are read. `delimiter` spares the guess of it. Raises
    ConfigError for a file that cannot be read, is empty or binary, or whose columns cannot be told apart.
    """
    sample = read_sample(path)
    for draft in _drafts(sample, delimiter):
        yield _of_member(sample, draft) if sample.member else draft


def _of_member(sample: Sample, draft: Draft) -> Draft:
    """Return a draft of one file of an archive of several."""
    note = (
        f"The archive has other files: {few(map(repr, sample.others))}. A source takes one file: give each that "
        "you want a source of its own, with member=."
    )
    # what changes with the date, and what has a meaning in a pattern
    member = re.sub(r"\{date[^}]*\}|[\[\]{}]", "*", dated(sample.member))
    member = sample.member if any(is_member(other, member) for other in sample.others) else member
    return replace(draft, options={**draft.options, "member": member}, notes=(*draft.notes, note))


def _drafts(sample: Sample, delimiter: str) -> Iterator[Draft]:
    if sample.kind == Kind.TEXT:
        from etl.sources.sniff.delimited import delimited_drafts

        yield from delimited_drafts(sample, delimiter)
    else:
        from etl.sources.sniff.structured import structured_drafts

        yield from structured_drafts(sample)
