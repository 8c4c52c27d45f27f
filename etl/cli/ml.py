"""`etl ml`: the trainings of models that learn, with their parameters, results and curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import LOOK, Group, under
from etl.cli.screen import echo, show, show_table
from etl.errors import counted, cut

#: So many trainings are listed if nobody says how many.
_LAST = 20
#: How many signs of an id are shown; as many name it.
_ID = 12


@under(LOOK)
@click.group(cls=Group)
def ml() -> None:
    """Look at the trainings of models that learn."""


@ml.command("runs")
@click.argument("model", shell_complete=named("model that learns"))
@click.option(
    "--sort", default="", metavar="NAME", help="A metric, a parameter, or such as seconds: the best first."
)
@click.option(
    "--last", type=click.IntRange(min=1), metavar="N", default=_LAST, show_default=True, help="How many."
)
@json_option
def list_runs(model: str, sort: str, last: int, as_json: bool) -> None:
    """List the trainings of a model, parameters beside results.

    The newest come first. Trials of `etl tune` are among them. They stay when a generation is deleted.
    """
    from etl.reports.experiments import experiments

    _, ledger = opened()
    show(experiments(ledger, model, sort, last), as_json, _list)


@ml.command()
@click.argument("first")
@click.argument("second")
@json_option
def compare(first: str, second: str, as_json: bool) -> None:
    """Show what differs between two trainings.

    FIRST and SECOND are ids that `etl ml runs` lists, or their beginnings.
    """
    from etl.reports.experiments import compared

    _, ledger = opened()
    show(compared(ledger, first, second), as_json, _compare)


@ml.command()
@click.argument("experiment")
@json_option
def curves(experiment: str, as_json: bool) -> None:
    """Draw the curves that a training reported.

    EXPERIMENT is an id that `etl ml runs` lists, or its beginning.
    """
    from etl.reports.experiments import curves as curves_of

    _, ledger = opened()
    show(curves_of(ledger, experiment), as_json, _draw)


@ml.command()
@click.argument("model", shell_complete=named("model that learns"))
@json_option
def card(model: str, as_json: bool) -> None:
    """Print the card of a model that learns, as Markdown.

    It says what the model is, which columns it learns from and which raw files these come from, how the training
    that counts was done and how well, what the nights decided, and how to do it again.
    """
    from etl.reports.cards import card as card_of
    from etl.reports.cards import markdown

    project, ledger = opened()
    show(card_of(project, ledger, model), as_json, lambda found: echo(markdown(found), nl=False))


@ml.command()
@click.argument("model", shell_complete=named("model that learns"))
@click.option("--to", type=click.Choice(["mlflow", "tensorboard"]), required=True, help="What is to show them.")
@click.option(
    "--out",
    metavar="PLACE",
    help="A folder, or the address of MLflow's server or database. Default of that: MLFLOW_TRACKING_URI.",
)
@json_option
def export(model: str, to: str, out: str | None, as_json: bool) -> None:
    """Write the trainings of a model for MLflow or TensorBoard.

    Parameters, results and curves are written, and where each training comes from. Those that are there already
    stay: the same twice adds nothing. It needs `pip install 'etl[mlflow]'` or `pip install 'etl[tensorboard]'`.
    """
    from etl.operations.ml.exports import export as write

    project, ledger = opened()
    show(write(project, ledger, model, to, out), as_json, _tell_export)


def _tell_export(found: dict[str, Any]) -> None:
    there = found["trainings"] - found["written"]
    also = f", and {there:,} were there already" if there else ""
    echo(f"{counted(found['written'], 'training')} of {found['model']} written{also}.")
    echo(f"To look at them: {found['look']}")


def _list(found: Sequence[dict[str, Any]]) -> None:
    from etl.reports.experiments import value_of

    metrics = list(
        dict.fromkeys(name for row in found for name, value in row["metrics"].items() if _is_number(value))
    )
    params = list(dict.fromkeys(name for row in found for name in row["params"]))
    facts = ("started_at", "verdict", "rows", "seconds")
    names = ["id", *facts, *metrics, *params]
    rows = [
        [row["experiment_id"][:_ID], *(_shown(value_of(row, name), name) for name in (*facts, *metrics, *params))]
        for row in found
    ]
    show_table(names, rows, may_go=("rows", "seconds", *reversed(params)))


def _compare(found: dict[str, Any]) -> None:
    first, second = (name[:_ID] for name in found["experiments"])
    rows = [[name, _shown(a, name), _shown(b, name)] for name, (a, b) in found["different"].items()]
    show_table(["what", first, second], rows)
    same = [name for name in found["same"] if found["same"][name] not in (None, "")]
    echo(f"The same in both: {', '.join(same) or 'nothing'}.")


def _draw(found: dict[str, Any]) -> None:
    from etl.reports.experiments import drawn

    for name, steps in found["curves"].items():
        values = [value for _, value in steps]
        ends = f"{values[0]:.5g} to {values[-1]:.5g}, least {min(values):.5g}, greatest {max(values):.5g}"
        echo(f"{name}: {counted(len(values), 'step')}, {ends}")
        echo(f"  {drawn(values)}")
    if not found["curves"]:
        echo("It reported no curve.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.5g}"
    return cut(str(value)[:19] if name == "started_at" else str(value), 60)
