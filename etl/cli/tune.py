"""`etl tune`: parameters of a model that learns, tried and proposed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import DEVELOP, under
from etl.cli.screen import echo, print_json, show_table
from etl.errors import counted

if TYPE_CHECKING:
    from etl.models.trained import Learned
    from etl.operations.ml.search.found import Found
    from etl.operations.ml.search.trials import Tried

#: How many trials are shown, the best first.
_SHOWN = 10


@under(DEVELOP)
@click.command()
@click.argument("name", shell_complete=named("model that learns"))
@click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="Try so many, all told.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Begin no further trial after so long.")
@click.option(
    "--strategy",
    type=click.Choice(["tpe", "random", "halving"]),
    help="How is searched. Default: that of SEARCH in the model's file, else tpe.",
)
@click.option("--show", "is_looking", is_flag=True, help="Show what was tried already, and try nothing.")
@json_option
def tune(
    name: str, trials: int, minutes: float | None, strategy: str | None, is_looking: bool, as_json: bool
) -> None:
    """Try parameters of a model, and propose the best.

    The model is ml/NAME.py, and SPACE in it says what to try. It learns from what is published, and is judged by
    days that training does not see. Each trial is kept as it ends: a search that was stopped goes on
    where it was. What is found is printed as a change of PARAMS, for `git apply`. The file itself stays.
    """
    from etl.operations.ml.proposal import proposal
    from etl.operations.ml.tune import Asked
    from etl.operations.ml.tune import tune as search

    project, ledger = opened(is_reading=is_looking)
    asked = Asked(trials=trials, minutes=minutes, strategy=strategy or "", is_looking=is_looking)
    learned, found = search(project, ledger, name, asked, lambda text: echo(text, err=True))
    text = proposal(learned, found.chosen.params) if found.chosen and found.is_better else ""
    if as_json:
        return print_json(
            {
                "trials": [_row(one, learned) for one in found.trials],
                "chosen": found.chosen and _row(found.chosen, learned),
                "noise": found.noise,
                "rank_correlation": found.proxy,
                "said": list(found.sentences()),
                "proposal": text,
            }
        )
    _show(learned, found)
    if text:
        echo(f"\n{text}", nl=False)


def _row(one: Tried, learned: Learned) -> dict[str, Any]:
    from etl.operations.ml.search.searching import shown

    return {
        learned.gate: shown(one.score, learned.gate),
        "params": dict(one.params),
        "outcome": one.state,
        "rows_share": one.share,
        "seed": one.seed,
        "complexity": one.complexity,
        "seconds": round(one.seconds, 3),
        "why": one.why,
    }


def _show(learned: Learned, found: Found) -> None:
    full = [one for one in found.trials if one.is_full and one.role != "noise"]
    ended = sorted(full, key=lambda one: one.score or 0.0)
    stopped = sum(one.state == "pruned" for one in found.trials)
    failed = sum(one.state == "failed" for one in found.trials)
    said = f"{counted(len(found.trials), 'trial')}, {stopped} stopped early, {failed} failed"
    echo(f"{learned.name}: {said}; {counted(len(full), 'full training')}, the best first")
    _table(learned, ended[:_SHOWN])
    if found.pareto:
        echo("\nNone beats these in both score and complexity:")
        _table(learned, found.pareto)
    echo()
    for sentence in found.sentences():
        echo(sentence)


def _table(learned: Learned, trials: list[Tried] | Any) -> None:
    rows = [
        [
            f"{row[learned.gate]:.5g}",
            "" if row["complexity"] is None else f"{row['complexity']:,.0f}",
            _params(row),
        ]
        for row in (_row(one, learned) for one in trials)
    ]
    show_table([learned.gate, "complexity", "parameters"], rows)


def _params(row: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in row["params"].items()
    )
