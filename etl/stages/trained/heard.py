"""Who hears of a training in the night, and of what was decided about it; nobody unless it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from etl.ledger.experiments import Experiment


def _keep(experiment: Experiment, curves: Iterable[tuple[str, int, float]]) -> None: ...


def _decide(experiment_id: str, verdict: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Heard:
    """`keep` is told of each training with the steps of its curves, `decide` of the verdict about one."""

    keep: Callable[[Experiment, Iterable[tuple[str, int, float]]], object] = _keep
    decide: Callable[[str, str], object] = _decide


NOBODY = Heard()
