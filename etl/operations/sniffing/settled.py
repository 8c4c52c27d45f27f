"""A draft that gives way to its files: each trial loosens the columns whose rules reject a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from etl.errors import ConfigError
from etl.operations.sniffing.trial import Trial, tried
from etl.sources.sniff import Draft, drafts, render

#: So often a draft gives way; each time a column becomes looser.
_MOST_ROUNDS = 12
#: The day of a file that is tried alone.
_DAY = date(2000, 1, 1)
_RULES = ("dtype", "not_nullable", "unique")


@dataclass(frozen=True)
class Settled:
    """A draft that gave way, and how it was tried last."""

    draft: Draft
    trial: Trial

    @property
    def loss(self) -> tuple[bool, int]:
        """How bad it is: nothing of a file that is refused gets in, and a rejected record does not."""
        return self.trial.is_useless, self.trial.rejected


def settled(draft: Draft, files: Mapping[Path, date]) -> Settled:
    """Return a draft loosened until its rules reject nothing of its files, or no rule of a column is at fault."""
    trial = tried(render(draft), files)
    for _ in range(_MOST_ROUNDS):
        if trial.is_perfect:
            break
        looser = _loosened(draft, trial)
        if looser == draft:
            break
        draft, trial = looser, tried(render(looser), files)
    return Settled(draft, trial)


def likeliest(path: Path, delimiter: str) -> Settled:
    """Return the draft of one file that loses least, the likelier of equals. ConfigError if there is none."""
    best: Settled | None = None
    for draft in drafts(path, delimiter):
        found = settled(draft, {path.resolve(): _DAY})
        best = found if best is None or found.loss < best.loss else best
        if found.trial.is_perfect:
            break
    if best is None:
        raise ConfigError(f"Nothing can be proposed for {path}: nothing is known of its format.")
    return best


def _loosened(draft: Draft, trial: Trial) -> Draft:
    said = {message for _, _, message, _ in trial.rejects}
    columns = list(draft.columns)
    for position, column in enumerate(columns):
        for rule in _RULES:
            if any(f"{column.name}.{rule}: " in message for message in said):
                columns[position] = columns[position].loosened(rule)
    return replace(draft, columns=tuple(columns))
