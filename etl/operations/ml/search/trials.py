"""What was tried of a space, and what is tried next: by Optuna, in one process, the same again after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from etl.errors import ConfigError
from etl.ledger.experiments import FAILED, PRUNED, TRIAL
from etl.operations.ml.search.space import Dimension, text_of
from etl.stages.trained import Pruned

#: So many trials are drawn at random before the others are weighed, and so many end before one is cut short.
_STARTUP, _UNPRUNED, _WARMUP = 8, 5, 5

Params = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One trial: its parameters, its score (less is better), and the curve of the score by step.

    `share` is the part of the training rows that it saw; `rung` counts the rounds of a halving. `complexity` is
    what the project says of the parameters, such as the number of weights. `seed` is another than the model's in
    those that show the noise.
    """

    params: Params
    score: float | None = None
    state: str = TRIAL
    curve: tuple[tuple[int, float], ...] = ()
    share: float = 1.0
    rung: int = 0
    complexity: float | None = None
    seed: int = 0
    role: str = "search"
    seconds: float = 0.0
    rows: int = 0
    #: By day that judged it, the sum of losses and the number of rows; the same days for all trials of a search.
    days: tuple[tuple[float, int], ...] = ()
    why: str = ""

    @property
    def is_full(self) -> bool:
        """Whether it has seen all training rows, to the end."""
        return self.state == TRIAL and self.share == 1.0 and self.score is not None

    @property
    def named(self) -> str:
        """Its parameters, as a text that tells them from all others."""
        return text_of(dict(self.params))

    @property
    def key(self) -> tuple[str, float, int, int, str]:
        """What tells it from other trials: the same is not tried twice."""
        return self.named, self.share, self.rung, self.seed, self.role


#: Trains with parameters and tells of each step's score; the report may raise Pruned. Returns what became of it.
Evaluate = Callable[[Params, Callable[[int, float], None]], Tried]


@dataclass
class Sampler:
    """Draws parameters of a space and tells when to stop a trial, by those that were tried before."""

    space: Sequence[Dimension]
    strategy: str
    seed: int
    done: list[Tried] = field(default_factory=list)

    def trial(self, evaluate: Evaluate, first: Params) -> Tried:
        """Try what comes next, the parameters `first` before all others; return what became of it."""
        study = self._study()
        for tried in self.done:
            study.add_trial(self._frozen(tried))
        if not self.done and all(one.holds(first.get(one.name)) for one in self.space):
            study.enqueue_trial({one.name: self._text(one, first[one.name]) for one in self.space})
        running = study.ask(self._distributions())
        params = {one.name: self._value(one, running.params[one.name]) for one in self.space}
        curve: list[tuple[int, float]] = []

        def report(step: int, value: float) -> None:
            curve.append((step, value))
            running.report(value, step)
            if running.should_prune():
                raise Pruned(f"stopped at step {step}: others were better by then")

        tried = evaluate(params, report)
        tried = replace(tried, curve=tuple(curve) or tried.curve)
        self.done.append(tried)
        return tried

    def _study(self) -> Any:
        optuna = imported()
        # another seed for each trial: what comes next depends on what was tried, not on how often it was resumed
        seed = self.seed * 100_003 + len(self.done)
        if self.strategy == "tpe":
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP, multivariate=True)
        else:
            sampler = optuna.samplers.RandomSampler(seed=seed)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED, n_warmup_steps=_WARMUP)
        return optuna.create_study(direction="minimize", sampler=sampler, pruner=pruner)

    def _frozen(self, tried: Tried) -> Any:
        optuna = imported()
        states = {TRIAL: "COMPLETE", PRUNED: "PRUNED", FAILED: "FAIL"}
        state = states[tried.state] if tried.score is not None or tried.state != TRIAL else "FAIL"
        return optuna.trial.create_trial(
            state=optuna.trial.TrialState[state],
            value=tried.score if state == "COMPLETE" else None,
            params={one.name: self._text(one, tried.params[one.name]) for one in self.space},
            distributions=self._distributions(),
            intermediate_values=dict(tried.curve),
        )

    def _distributions(self) -> dict[str, Any]:
        optuna = imported()
        found: dict[str, Any] = {}
        for one in self.space:
            if not one.is_number:
                found[one.name] = optuna.distributions.CategoricalDistribution([text_of(c) for c in one.choices])
            elif one.is_whole:
                found[one.name] = optuna.distributions.IntDistribution(int(one.low), int(one.high), log=one.is_log)
            else:
                found[one.name] = optuna.distributions.FloatDistribution(one.low, one.high, log=one.is_log)
        return found

    def _text(self, one: Dimension, value: Any) -> Any:
        return value if one.is_number else text_of(value)

    def _value(self, one: Dimension, value: Any) -> Any:
        return value if one.is_number else next(choice for choice in one.choices if text_of(choice) == value)


def imported() -> Any:
    """Return Optuna, silenced. Raises ConfigError without it."""
    try:
        import optuna
    except ImportError:
        raise ConfigError("A search needs Optuna. Install it: pip install 'etl[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Return the rank correlation (Spearman) of two lists; None for fewer than three pairs, or a constant one."""
    if len(one) < 3 or len({*one}) < 2 or len({*other}) < 2:
        return None
    first, second = _ranks(one), _ranks(other)
    middle = (len(one) + 1) / 2
    covariance = sum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    spread = [sum((rank - middle) ** 2 for rank in ranks) for ranks in (first, second)]
    return float(covariance / (spread[0] * spread[1]) ** 0.5)


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value from 1 on; the same values share the mean of theirs."""
    return [sum(x < value for x in values) + (sum(x == value for x in values) + 1) / 2 for value in values]


def best_of(tried: Iterable[Tried]) -> Tried | None:
    """Return the trial of the least score that saw all rows, the first of several."""
    return min((one for one in tried if one.is_full), key=lambda one: one.score or 0.0, default=None)
