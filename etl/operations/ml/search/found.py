"""What a search has found: how much is noise, what is as good as the best, and what the cheap look was worth."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etl.operations.ml.search.space import text_of
from etl.operations.ml.search.trials import Params, Tried, best_of, rank_correlation

#: So many times the days that judge are drawn again, of which the last part is left out at each end.
_DRAWS, _TAIL = 1_000, 0.025
#: Below so much the order of a cheap look says little of the order of full trainings.
_WORTHLESS = 0.3


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the trials of a search show.

    `noise` is how far full trainings of the best lie apart that differ in their seed alone; None if that was not
    tried. `equal` are those that the best does not beat clearly: by more than that, and not on some days only.
    `chosen` is the one that is proposed: the simplest of these, or the best.
    `pareto` are those that none beats in both score and complexity.
    """

    trials: Sequence[Tried]
    current: Tried | None
    best: Tried | None
    chosen: Tried | None
    noise: float | None
    equal: Sequence[Tried]
    pareto: Sequence[Tried]
    #: The rank correlation of cheap trials and full ones of the same parameters, and how many there are of both.
    proxy: float | None
    compared: int

    @property
    def is_better(self) -> bool:
        """Whether what is chosen beats the parameters of today clearly."""
        if self.chosen is None or self.current is None or self.chosen is self.current:
            return False
        return beats(self.chosen, self.current, self.noise or 0.0)

    def sentences(self) -> Iterator[str]:
        """Yield what is to be known before something is adopted."""
        if self.best is None:
            yield "No trial came to its end, so nothing is proposed."
            return
        others = len(self.equal) - 1
        if others > 0:
            full = len({one.named for one in self.trials if one.is_full and one.role != "noise"})
            which = (
                "None is better than another"
                if others + 1 == full
                else f"{others} of {full} are as good as the best"
            )
            simplest = "; the simplest of them is chosen" if self.chosen is not self.best else ""
            yield f"{which}: other seeds and other days make as much of a difference{simplest}."
        if self.compared:
            worth = ""
            if self.proxy is not None and self.proxy < _WORTHLESS:
                worth = ": the cheap trials say little of the full ones"
            shown = "cannot be told" if self.proxy is None else f"is {self.proxy:+.2f}"
            yield f"The rank correlation of cheap and full trials {shown}, over {self.compared} of both{worth}."
        if not self.is_better:
            yield "The parameters of today are as good, so nothing is proposed."


def judge(trials: Sequence[Tried], current: Params | None = None) -> Found:
    """Return what the trials of one search show; `current` are the parameters of today, if the space has them."""
    mine = [one for one in trials if one.role != "noise"]
    best = best_of(mine)
    noise = _noise(trials, best)
    full = _once(one for one in mine if one.is_full)
    equal = [one for one in full if best and (one is best or not beats(best, one, noise or 0.0))]
    chosen = min(equal, key=lambda one: (one.complexity or 0.0, _score(one)), default=best)
    today = None if current is None else text_of(dict(current))
    pairs = list(_pairs(mine))
    return Found(
        trials=trials,
        current=next((one for one in full if one.named == today), None),
        best=best,
        chosen=chosen,
        noise=noise,
        equal=equal,
        pareto=_pareto(full),
        proxy=rank_correlation(*map(list, zip(*pairs, strict=True))) if pairs else None,
        compared=len(pairs),
    )


def beats(one: Tried, other: Tried, noise: float) -> bool:
    """Return whether one trial is clearly better: by more than the noise, and whichever of its days are drawn.

    Rows of a day go together, so that whole days are drawn: the least gain of nearly all draws is above 0.
    """
    if _score(other) - _score(one) <= noise:
        return False
    if not one.days or len(one.days) != len(other.days):
        return True
    pairs = [(b[0] - a[0], a[1]) for a, b in zip(one.days, other.days, strict=True)]
    source, gains = random.Random(len(pairs)), []
    for _ in range(_DRAWS):
        drawn = source.choices(pairs, k=len(pairs))
        gains.append(sum(gain for gain, _ in drawn) / sum(rows for _, rows in drawn))
    return sorted(gains)[int(_DRAWS * _TAIL)] > 0


def _noise(trials: Iterable[Tried], best: Tried | None) -> float | None:
    """Return how far apart the scores of the best lie, by seeds alone."""
    if best is None:
        return None
    key = best.named
    same = {one.seed: _score(one) for one in trials if one.is_full and one.named == key}
    return max(same.values()) - min(same.values()) if len(same) > 1 else None


def _pairs(trials: Sequence[Tried]) -> Iterator[tuple[float, float]]:
    """Yield two scores of parameters tried cheaply and in full: of the cheapest trial, and of the full one."""
    full = {one.named: _score(one) for one in trials if one.is_full}
    cheap: dict[str, Tried] = {}
    for one in trials:
        key = one.named
        if one.share < 1 and one.score is not None and (key not in cheap or one.share < cheap[key].share):
            cheap[key] = one
    for key, one in cheap.items():
        if key in full:
            yield _score(one), full[key]


def _pareto(full: Sequence[Tried]) -> list[Tried]:
    """Return the trials that none beats in both, the best score first; none if nothing tells of complexity."""
    found: list[Tried] = []
    for one in sorted(full, key=lambda one: (_score(one), one.complexity or 0.0)):
        if one.complexity is not None and (not found or one.complexity < (found[-1].complexity or 0.0)):
            found.append(one)
    return found


def _once(trials: Iterable[Tried]) -> list[Tried]:
    """Return trials, of several with the same parameters the first."""
    found: dict[str, Tried] = {}
    for one in trials:
        found.setdefault(one.named, one)
    return list(found.values())


def _score(one: Tried) -> float:
    assert one.score is not None
    return one.score
