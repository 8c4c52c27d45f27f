"""`etl tune`: trials of a model's parameters, kept by the ledger as they end; what they show is a proposal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from etl import engine
from etl.errors import ConfigError, PublishError, StepError, unknown
from etl.ledger import Ledger, fingerprint
from etl.models.trained import Learned, read_learned
from etl.operations.ml.search.found import Found, judge
from etl.operations.ml.search.searching import RUNGS, SHARE, Search, Untried
from etl.operations.ml.search.space import read_space, text_of
from etl.project import Project
from etl.project.git import commit_of, is_committed
from etl.stages import published
from etl.stages.trained import Rows, Trainer, windows

STRATEGIES = ("tpe", "random", "halving")
_SEARCH_KEYS = ("strategy", "estimate", "share", "steps", "rungs", "checked")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a tuning: so many trials at most, begun in so many minutes; maybe another strategy."""

    trials: int = 20
    minutes: float | None = None
    strategy: str = ""
    #: Whether nothing is tried, and what is known is shown.
    is_looking: bool = False
    #: Whether Untried is raised where something would be tried.
    is_asking: bool = False


def tune(
    project: Project, ledger: Ledger, name: str, asked: Asked, say: Callable[[str], object] = lambda text: None
) -> tuple[Learned, Found]:
    """Try parameters of a model on what is published, and return what all trials of the same search show.

    Those that the ledger has are not tried again: a search that was killed goes on where it was. Raises
    ConfigError for a model that is not there or declares no space, PublishError if nothing is published, and
    StepError if the model cannot be trained with the parameters that it has.
    """
    learned = _learned(project, name)
    space = read_space(learned.space, learned.place("SPACE"))
    file = published.find(project, published.CURRENT)
    record = published.read_record(file.parent)
    held = record.tables.get(learned.features) if record else None
    with engine.reading(project, file) as con, Trainer.of(learned) as trainer:
        rows = Rows(con, learned, generation=file.parent.name)
        newest = rows.newest()
        if newest is None:
            raise StepError(f"{learned.file}: {learned.features} has no row with a {learned.label} to learn from.")
        window = windows(learned, newest)
        options = _options(learned, asked)
        key = fingerprint(
            learned.normal,
            held.hash if held else record and record.content,
            str(window),
            text_of(learned.space),
            learned.gate,
        )
        search = Search(
            ledger=ledger, learned=learned, space=space, trainer=trainer, rows=rows, window=window, key=key,
            options=options, say=say, commit=commit_of(project) if is_committed(project) else "",
        )  # fmt: skip
        search.is_asking = asked.is_asking
        if asked.is_asking or not asked.is_looking:
            search.run(asked.trials, asked.minutes)
        return learned, judge(search.tried, search.current)


def is_tuned(project: Project, ledger: Ledger, name: str, trials: int) -> bool:
    """Return whether all trials that a tuning makes were made; not if it cannot be tuned on what is published."""
    try:
        tune(project, ledger, name, Asked(trials=trials, is_looking=True, is_asking=True))
    except (Untried, PublishError, StepError):
        return False
    return True


def _learned(project: Project, name: str) -> Learned:
    there = read_learned(project.root)
    if name not in there:
        instead = "A model that learns is a file ml/<name>.py"
        raise ConfigError(unknown(f"There is no model {name} in ml/", name, there, instead))
    return there[name]


def _options(learned: Learned, asked: Asked) -> Mapping[str, Any]:
    """Return how is searched, with what SEARCH leaves out. Raises ConfigError for what it does not know."""
    place = f"{learned.place('SEARCH')}: SEARCH"
    for key in learned.search:
        if key not in _SEARCH_KEYS:
            raise ConfigError(unknown(f"{place}: there is no key {key}", key, _SEARCH_KEYS))
    options = {"strategy": "tpe", "estimate": "full", "steps": 0, **learned.search}
    if asked.strategy:
        options["strategy"] = asked.strategy
    if options["strategy"] not in STRATEGIES:
        raise ConfigError(f"{place}: strategy {options['strategy']!r} is not one of {', '.join(STRATEGIES)}.")
    if options["estimate"] not in ("full", "low"):
        raise ConfigError(f"{place}: estimate {options['estimate']!r} is not full or low.")
    shares = [*options.get("rungs", RUNGS), options.get("share", SHARE)]
    if (
        not all(isinstance(one, int | float) and 0 < one <= 1 for one in shares)
        or sorted(shares[:-1]) != shares[:-1]
    ):
        raise ConfigError(f"{place}: share and rungs are parts of the rows above 0, up to 1, and rungs grow.")
    return options
