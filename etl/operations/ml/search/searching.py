"""One search: what it tries next, what it has tried, and what it keeps of each trial in the ledger."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.errors import StepError
from etl.ledger import Ledger, fingerprint, now
from etl.ledger.experiments import FAILED, PRUNED, SEARCH, TRIAL, TUNE, Experiment, curves_of, of_model, write
from etl.models.trained import Learned
from etl.operations.ml.search.found import judge
from etl.operations.ml.search.space import Dimension, draw, every, text_of
from etl.operations.ml.search.trials import Params, Sampler, Tried
from etl.stages.trained import Pruned, Rows, Trainer, Window, is_negative

#: Of a halving: the part of the rows, and of the steps, in each round; and the part that goes on to the next one.
RUNGS, _KEPT, _LEAST_KEPT = (1 / 9, 1 / 3, 1.0), 1 / 3, 3
#: How many cheap trials are trained in full, to see what the cheap look is worth; and how many seeds show noise.
_CHECKED, _SEEDS = 4, 3
#: The part of the rows in a trial of low fidelity.
SHARE = 0.25
#: What the metrics of an experiment keep of a trial.
_KEPT_FIELDS = ("score", "share", "rung", "complexity", "role", "why")


class Untried(Exception):
    """Raised where a search that only asks would try something."""


@dataclass(kw_only=True)
class Search:
    """One search: what it tries, and what it has tried, in this process or before."""

    ledger: Ledger
    learned: Learned
    space: Sequence[Dimension]
    trainer: Trainer
    rows: Rows
    window: Window
    key: str
    options: Mapping[str, Any]
    say: Callable[[str], object]
    #: The commit that the model's code is at; empty if not all of it is committed.
    commit: str = ""
    tried: list[Tried] = field(default_factory=list)
    is_asking: bool = False

    def __post_init__(self) -> None:
        self.tried = list(self._known())

    @property
    def current(self) -> Params | None:
        """The parameters of today, if they are of the space."""
        params = {one.name: self.learned.params.get(one.name) for one in self.space}
        return params if all(one.holds(params[one.name]) for one in self.space) else None

    @property
    def origin(self) -> str:
        return SEARCH if any(one.kind == "layers" for one in self.space) else TUNE

    def run(self, trials: int, minutes: float | None) -> None:
        """Search, then see what is noise and whether cheap trials were worth it."""
        ends = None if minutes is None else time.monotonic() + 60 * minutes
        if self.options["strategy"] == "halving":
            self._halve(trials, ends)
        else:
            self._sample(trials, ends)
        self._check()

    def _sample(self, trials: int, ends: float | None) -> None:
        share = float(self.options.get("share", SHARE)) if self.options["estimate"] == "low" else 1.0
        done = [one for one in self.tried if one.role == "search" and one.share == share]
        sampler = Sampler(self.space, self.options["strategy"], self.learned.seed, done)
        while len(sampler.done) < trials and not _is_over(ends):
            sampler.trial(lambda params, hear: self._try(params, share, hear=hear), self.current or {})

    def _halve(self, trials: int, ends: float | None) -> None:
        """Try many with few rows and steps, the best third of them with more, and so on."""
        pool = every(self.space)
        if not pool or len(pool) > trials:
            drawn = ({} if pool else draw(self.space, self.learned.seed * 100_003 + n) for n in range(20 * trials))
            pool = random.Random(self.learned.seed).sample(pool, trials) if pool else _different(drawn, trials)
        if self.current is not None and text_of(dict(self.current)) not in map(text_of, pool):
            pool = [dict(self.current), *pool[: trials - 1]]
        for rung, share in enumerate(self.options.get("rungs", RUNGS)):
            scores: dict[int, float] = {}
            for number, params in enumerate(pool):
                if _is_over(ends):
                    return
                tried = self._once(params, float(share), rung=rung)
                if tried.score is not None and tried.state == TRIAL:
                    scores[number] = tried.score
            kept = max(_LEAST_KEPT, round(len(pool) * _KEPT))
            pool = [pool[number] for number in sorted(scores, key=lambda number: (scores[number], number))[:kept]]

    def _check(self) -> None:
        """Train in full what tells how much the search is worth."""
        if self.current is not None:
            self._once(self.current, 1.0, role="current")
        cheap: dict[str, Tried] = {}
        for one in self.tried:
            if one.share < 1 and one.score is not None and one.state == TRIAL:
                cheap.setdefault(one.named, one)
        ranked = sorted(cheap.values(), key=lambda one: one.score or 0.0)
        number = min(int(self.options.get("checked", _CHECKED)), len(ranked))
        for place in range(number):
            # the best, and others down to the worst
            one = ranked[round(place * (len(ranked) - 1) / max(number - 1, 1))]
            self._once(one.params, 1.0, role="check")
        best = judge(self.tried).best
        if best:
            for more in range(1, _SEEDS):
                self._once(best.params, 1.0, role="noise", seed=self.learned.seed + more)

    def _once(
        self, params: Params, share: float, *, rung: int = 0, role: str = "search", seed: int | None = None
    ) -> Tried:
        """Return what became of a trial that was made already, in whatever role; make it if there is none."""
        seed = self.learned.seed if seed is None else seed
        wanted = text_of(dict(params)), share, seed
        for one in self.tried:
            if (one.named, one.share, one.seed) == wanted and one.state != PRUNED:
                return one
        return self._try(params, share, rung=rung, role=role, seed=seed)

    def _try(
        self,
        params: Params,
        share: float,
        *,
        rung: int = 0,
        role: str = "search",
        seed: int | None = None,
        hear: Callable[[int, float], None] = lambda step, score: None,
    ) -> Tried:
        """Train once and keep what became of it. Raises StepError if not even the first trial can be trained."""
        if self.is_asking:
            raise Untried
        seed, begun, started = self.learned.seed if seed is None else seed, now(), time.monotonic()
        cpu, heard = (
            time.process_time(),
            _Heard(gate=self.learned.gate, hear=hear, steps=_steps(self.options, share)),
        )
        tried: dict[str, Any] = {"params": dict(params), "share": share, "rung": rung, "role": role, "seed": seed}
        try:
            found = self.trainer.score(self.rows, self.window, params, heard, share=share, seed=seed)
            tried |= {"score": found.score, "rows": found.rows, "days": found.days}
            tried |= {"complexity": self.trainer.complexity(params)}
        except Pruned as pruned:
            is_enough = heard.is_enough
            tried |= {"score": heard.best, "state": TRIAL if is_enough else PRUNED, "why": str(pruned)}
            tried |= {"complexity": self.trainer.complexity(params)}
        except StepError as error:
            if not self.tried:
                raise
            tried |= {"state": FAILED, "why": str(error)}
        one = Tried(**tried, curve=tuple(heard.scores), seconds=time.monotonic() - started)
        self.tried.append(one)
        self._keep(one, heard, begun, time.process_time() - cpu)
        self.say(said(one, len(self.tried), self.learned.gate))
        return one

    def _keep(self, one: Tried, heard: _Heard, begun: str, cpu: float) -> None:
        metrics = {
            self.learned.gate: shown(one.score, self.learned.gate),
            **{name: getattr(one, name) for name in _KEPT_FIELDS},
            "days": one.days,
            "curve": heard.name,
        }
        experiment = Experiment(
            experiment_id=fingerprint(self.key, len(self.tried), one.key),
            # the generation whose rows it learned from has the name of its run
            run_id=self.rows.generation,
            commit_id=self.commit,
            model=self.learned.name,
            origin=self.origin,
            started_at=begun,
            cut_off=str(self.window.end),
            params=one.params,
            metrics=metrics,
            seed=one.seed,
            libraries=self.learned.libraries,
            rows=one.rows,
            seconds=round(one.seconds, 3),
            cpu_seconds=round(cpu, 3),
            fingerprint=self.key,
            verdict=one.state,
        )
        write(self.ledger, experiment, heard.curves)

    def _known(self) -> Iterator[Tried]:
        """Yield the trials of this search that the ledger has, as they were made."""
        for one in of_model(self.ledger, self.learned.name):
            if one.origin not in (TUNE, SEARCH) or one.fingerprint != self.key:
                continue
            metrics, curves = one.metrics, curves_of(self.ledger, one.experiment_id)
            sign = _sign(self.learned.gate, metrics["curve"])
            yield Tried(
                params={space.name: space.as_declared(one.params[space.name]) for space in self.space},
                state=one.verdict,
                curve=tuple((step, sign * value) for step, value in curves.get(metrics["curve"], ())),
                seed=one.seed or 0,
                seconds=one.seconds or 0.0,
                rows=one.rows or 0,
                days=tuple((lost, many) for lost, many in metrics.get("days", ())),
                **{name: metrics[name] for name in _KEPT_FIELDS},
            )


@dataclass(kw_only=True)
class _Heard:
    """What a training reports: every curve, and the one by which it is judged early, which is the first."""

    gate: str
    hear: Callable[[int, float], None]
    #: After so many steps it has seen enough; 0 if it may go on.
    steps: int = 0
    curves: list[tuple[str, int, float]] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)
    name: str = ""
    is_enough: bool = False

    def __call__(self, step: int, name: str, value: float) -> None:
        self.curves = [one for one in self.curves if one[:2] != (name, int(step))]
        self.curves.append((name, int(step), float(value)))
        self.name = self.name or name
        if name != self.name:
            return
        score = _sign(self.gate, name) * float(value)
        self.scores.append((int(step), score))
        self.hear(int(step), score)
        if self.steps and step >= self.steps:
            self.is_enough = True
            raise Pruned(f"it has seen {step} steps, its part of all")

    @property
    def best(self) -> float | None:
        """The best score so far."""
        return min((score for _, score in self.scores), default=None)


def _sign(gate: str, name: str) -> int:
    return -1 if name == gate and is_negative(gate) else 1


def _steps(options: Mapping[str, Any], share: float) -> int:
    """Return after how many steps a training of some part of the rows has seen its part; 0 for no limit."""
    return 0 if share >= 1 else -int(-float(options["steps"]) * share // 1)


def _is_over(ends: float | None) -> bool:
    return ends is not None and time.monotonic() >= ends


def _different(drawn: Iterator[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for params in drawn:
        found.setdefault(text_of(params), params)
        if len(found) == number:
            break
    return list(found.values())


def shown(score: float | None, gate: str) -> float | None:
    """Return a score as its judge gives it."""
    return None if score is None else -score if is_negative(gate) else score


def said(one: Tried, number: int, gate: str) -> str:
    """Return a line about a trial."""
    score = shown(one.score, gate)
    params = ", ".join(f"{name} = {value}" for name, value in one.params.items())
    share = "" if one.share == 1 else f", {one.share:.0%} of the rows"
    outcome = {TRIAL: "", PRUNED: " (stopped early)", FAILED: f" failed: {one.why}"}[one.state]
    value = "" if score is None else f" {gate} {score:.5g}"
    return f"trial {number}:{value}{outcome}{share}; {params}; {one.seconds:.1f} s"
