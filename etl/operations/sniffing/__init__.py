"""Proposes a source and its contract for a sender's files: only what loads them, and says what became of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from etl.errors import ConfigError, counted, cut, printable
from etl.operations.sniffing.trial import Trial, tried
from etl.sources.sniff import Draft, drafts, render

__all__ = ["propose"]

#: So often a draft gives way to what a trial says; each time a column becomes looser.
_MOST_ROUNDS = 12
_RULES = ("dtype", "not_nullable", "unique")
_MOST_SHOWN = 5
_LONGEST_TEXT = 80


@dataclass(frozen=True)
class _Settled:
    """A draft that gave way to its file, and how it was tried last."""

    draft: Draft
    trial: Trial

    @property
    def loss(self) -> tuple[bool, int]:
        """How bad it is: nothing of a file that is refused gets in, and a rejected record does not."""
        return self.trial.is_useless, self.trial.rejected


def propose(path: Path, delimiter: str = "") -> str:
    """Return a contract file for raw files like `path`, in Python, that was tried on it.

    Types and nulls are as seen; what is a guess, how many records are rows and which are rejected stand in
    comments. `delimiter` spares the guess of it. Raises ConfigError if nothing can be proposed that loads it.
    """
    best: _Settled | None = None
    for draft in drafts(path, delimiter):
        found = _settled(draft, path)
        best = found if best is None or found.loss < best.loss else best
        if found.trial.is_perfect:
            break
    if best is None or best.loss[0]:
        why = best.trial.problem if best else "nothing is known of its format"
        why = why or f"all of its {counted(best.trial.records, 'record')} would be rejected" if best else why
        raise ConfigError(
            f"Nothing can be proposed for {path}: {why.rstrip('.')}. Write its contract by hand: docs/formats.md "
            "says what each format can be told."
        )
    return render(best.draft, list(_found(best.trial)))


def _settled(draft: Draft, path: Path) -> _Settled:
    """Return a draft loosened until its rules reject nothing of its file, or no rule of a column is at fault."""
    trial = tried(render(draft), [path.resolve()])
    for _ in range(_MOST_ROUNDS):
        if trial.is_perfect:
            break
        looser = _loosened(draft, trial)
        if looser == draft:
            break
        draft, trial = looser, tried(render(looser), [path.resolve()])
    return _Settled(draft, trial)


def _loosened(draft: Draft, trial: Trial) -> Draft:
    said = {message for _, _, message, _ in trial.rejects}
    columns = list(draft.columns)
    for position, column in enumerate(columns):
        for rule in _RULES:
            if any(f"{column.name}.{rule}: " in message for message in said):
                columns[position] = columns[position].loosened(rule)
    return replace(draft, columns=tuple(columns))


def _found(trial: Trial) -> Iterator[str]:
    """Yield what a trial found, as sentences."""
    said = f"Tried on it: {counted(trial.rows, 'row')}, {trial.rejected:,} rejected"
    yield f"{said}, {counted(trial.skipped, 'line')} skipped." if trial.skipped else f"{said}."
    yield from _shown(trial.rejects, trial.rejected)


def _shown(rejects: Sequence[tuple[str, int, str, str]], number: int) -> Iterator[str]:
    for _, line, message, text in rejects[:_MOST_SHOWN]:
        yield f"Line {line:,} is rejected: {printable(message)}: {printable(cut(text, _LONGEST_TEXT))!r}."
    if number > _MOST_SHOWN:
        yield f"So are {number - _MOST_SHOWN:,} more."
