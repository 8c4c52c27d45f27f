"""Proposes a source and its contract for a file that a sender gave: Python text for a person to correct.

It guesses, which the batch never does: nothing here is imported at run time.
"""

from __future__ import annotations

from pathlib import Path

from etl.sources.sniff.sample import Kind, read_sample

__all__ = ["propose"]


def propose(path: Path, delimiter: str = "") -> str:
    """Return a contract file for raw files like `path`: dialect, types, nulls, ranges and sets as seen.

    At most the first 10 MB and 100,000 records are read. `delimiter` spares the guess of it. Raises
    ConfigError for a file that cannot be read, is empty or binary, or whose columns cannot be told apart.
    """
    sample = read_sample(path)
    if sample.kind == Kind.TEXT:
        from etl.sources.sniff.delimited import propose_delimited

        return propose_delimited(sample, delimiter)
    from etl.sources.sniff.structured import propose_structured

    return propose_structured(sample)
