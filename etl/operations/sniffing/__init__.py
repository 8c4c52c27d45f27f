"""Proposes a source and its contract for a sender's files: only what loads them, and says what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etl.errors import ConfigError, counted, cut, printable
from etl.operations.sniffing.settled import Settled, likeliest
from etl.operations.sniffing.several import files_of, settled_draft
from etl.operations.sniffing.trial import Trial
from etl.sources.sniff import render

__all__ = ["propose", "watch_out"]

_MOST_SHOWN = 5
_LONGEST_TEXT = 80
#: Formats of whole numbers that are days or moments.
_COUNTS = {
    "epoch_s": "seconds since 1970",
    "epoch_ms": "thousandths of a second since 1970",
    "excel_1900": "days as a spreadsheet counts them",
}


def propose(path: Path, delimiter: str = "") -> str:
    """Return a contract file for raw files like `path`, in Python, that was tried on it.

    `path` may be a folder, or have wildcards: then it is for all of its files. Types and nulls are as seen; what
    is a guess, how many records are rows and which are rejected stand in comments. `delimiter` spares the guess of
    it. Raises ConfigError if nothing can be proposed that loads the files.
    """
    best = _best(path, delimiter)
    if best.trial.is_useless:
        why = best.trial.problem or f"all of its {counted(best.trial.records, 'record')} would be rejected"
        raise ConfigError(
            f"Nothing can be proposed for {path}: {why.rstrip('.')}. Write its contract by hand: docs/formats.md "
            "says what each format can be told."
        )
    return render(best.draft, list(_found(best.trial)))


def watch_out(path: Path, delimiter: str = "") -> list[str]:
    """Return what is odd about a file, or about files, as sentences."""
    best = _best(path, delimiter)
    guessed = [
        f"{column.name!r} may be {said}, and is proposed as such."
        for column in best.draft.columns
        if (said := _COUNTS.get(str(column.metadata.get("format"))))
    ]
    own = [said for column in best.draft.columns for said in column.oddities]
    misses = [
        f"{c.name!r}: {said}." for c in best.draft.columns for said in c.comments if said.startswith("all but ")
    ]
    problem = [f"It would be refused: {best.trial.problem}"] if best.trial.problem else []
    return [*best.draft.oddities, *best.draft.notes, *guessed, *own, *misses, *problem, *_shown(best.trial)]


def _best(path: Path, delimiter: str) -> Settled:
    """Return the draft that loses least, the likelier of equals."""
    if path.is_dir() or not path.exists():
        files = files_of(path)
        if len(files) > 1:
            return settled_draft(files, delimiter)
        if path.is_dir() and not files:
            raise ConfigError(f"{path} is a folder without a file. Name one that has deliveries.")
        path = files[0] if files else path
    return likeliest(path, delimiter)


def _found(trial: Trial) -> Iterator[str]:
    """Yield what a trial found, as sentences."""
    said = f"Tried on it: {counted(trial.rows, 'row')}, {trial.rejected:,} rejected"
    other = f"; {counted(trial.skipped, 'line')} skipped, such as a header" if trial.skipped else ""
    yield f"{said}{other}."
    yield from _shown(trial)


def _shown(trial: Trial) -> Iterator[str]:
    for _, line, message, text in trial.rejects[:_MOST_SHOWN]:
        yield f"Line {line:,} is rejected: {printable(message)}: {printable(cut(text, _LONGEST_TEXT))!r}."
    if trial.rejected > _MOST_SHOWN:
        yield f"So are {trial.rejected - _MOST_SHOWN:,} more."
