"""A training as other tools show one: numbers, plain values and texts, each of which has its name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from etl.ledger import Ledger, fingerprint
from etl.ledger.experiments import Experiment, curves_of, of_model

#: What of an experiment is a fact about it beside its parameters and metrics.
_FACTS = (
    *("experiment_id", "model", "origin", "verdict", "cut_off", "run_id", "commit_id", "fingerprint"),
    *("model_version", "seed", "rows", "seconds", "cpu_seconds"),
)

Plain = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training. `started` and `ended` are seconds since 1970; curves are steps and values by name.

    `facts` are texts by names that begin with `etl.`: where it comes from, what became of it, its libraries, and
    what is kept of its metrics that is not a number.
    """

    id: str
    verdict: str
    started: float
    ended: float
    params: Mapping[str, Plain]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[tuple[int, float]]]
    facts: Mapping[str, str]

    @property
    def content(self) -> str:
        """What changes when anything of it does."""
        return fingerprint(
            repr((self.verdict, self.started, self.ended)),
            *(repr(sorted(one.items())) for one in (self.params, self.metrics, self.curves, self.facts)),
        )


def trainings(ledger: Ledger, model: str) -> list[Training]:
    """Return the trainings of a model, the oldest first."""
    return [training(one, curves_of(ledger, one.experiment_id)) for one in of_model(ledger, model)]


def training(one: Experiment, curves: Mapping[str, Sequence[tuple[int, float]]]) -> Training:
    """Return an experiment as other tools show one."""
    moment = datetime.fromisoformat(one.started_at)
    started = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    known = {f"etl.{name}": getattr(one, name) for name in _FACTS}
    known |= {f"etl.library.{name}": version for name, version in one.libraries.items()}
    known |= {f"etl.metric.{name}": value for name, value in one.metrics.items() if not _is_number(value)}
    return Training(
        id=one.experiment_id,
        verdict=one.verdict,
        started=started,
        ended=started + (one.seconds or 0.0),
        params={_text(name): _plain(value) for name, value in one.params.items()},
        metrics={_text(name): float(value) for name, value in one.metrics.items() if _is_number(value)},
        curves={_text(name): steps for name, steps in curves.items()},
        facts={_text(name): str(_plain(value)) for name, value in known.items() if value not in (None, "")},
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(value: Any) -> Plain:
    if isinstance(value, str):
        return _text(value)
    return value if isinstance(value, int | float) else json.dumps(value)


def _text(text: str) -> str:
    """Return a text that UTF-8 has: half of a pair that stands for a character is shown as its code."""
    return text.encode("utf-8", "backslashreplace").decode()
