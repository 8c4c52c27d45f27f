"""A draft that gives way to its files: each trial loosens the columns whose rules reject a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from etl.operations.sniffing.trial import Trial, tried
from etl.sources.sniff import Draft, render

#: So often a draft gives way; each time a column becomes looser.
_MOST_ROUNDS = 12
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


def _loosened(draft: Draft, trial: Trial) -> Draft:
    said = {message for _, _, message, _ in trial.rejects}
    columns = list(draft.columns)
    for position, column in enumerate(columns):
        for rule in _RULES:
            if any(f"{column.name}.{rule}: " in message for message in said):
                columns[position] = columns[position].loosened(rule)
    return replace(draft, columns=tuple(columns))
