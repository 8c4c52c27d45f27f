"""`etl sql`: a query on a published file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etl.cli.options import day_option, json_option, named, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, print_json, show_table
from etl.errors import ConfigError, counted, unknown

if TYPE_CHECKING:
    from etl.project import Project

_SHOWN_ROWS = 100
_PICTURES = (".svg", ".html")


@under(LOOK)
@click.command()
@click.argument("query", default="")
@day_option("--at", help="Query the last generation up to this batch date.")
@click.option(
    "--generation",
    default="",
    metavar="NAME",
    shell_complete=named("generation"),
    help="Query this generation. The beginning of its name will do.",
)
@click.option("--candidate", is_flag=True, help="Query the candidate that was not published.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write all rows to a new .csv, .parquet or .xlsx file; with --chart, the chart to an .svg or .html file.",
)
@click.option(
    "--chart",
    type=click.Choice(["bar", "line"]),
    help="Draw a chart: the first column labels the rows, the other columns of numbers are the series.",
)
@click.option(
    "--show",
    "model",
    default="",
    metavar="MODEL",
    shell_complete=named("model"),
    help="Print the SELECT that a model is built from, and run nothing.",
)
@json_option
def sql(
    query: str,
    at: date | None,
    generation: str,
    candidate: bool,
    out: Path | None,
    chart: str | None,
    model: str,
    as_json: bool,
) -> None:
    """Query a published file, read-only.

    By default it is the current generation. Without a QUERY, the command says how to open the file. JSON and --out
    have every row.
    """
    from etl.operations.answer_files import check_names
    from etl.project import load_project
    from etl.reports.query import ask, file_of, opening

    if sum(map(bool, (at, generation, candidate))) > 1:
        raise click.UsageError("Give only one of --at, --generation and --candidate.")
    if as_json and (out or chart):
        raise click.UsageError("--json prints the rows. Leave out --out and --chart, or leave it out.")
    if model:
        if any((query, at, generation, candidate, out, chart, as_json)):
            raise click.UsageError("--show prints the text of a model. Give nothing else with it.")
        return echo(_text_of(model))
    if (out or chart) and not query:
        raise click.UsageError("--out and --chart are for the rows of a query. Give a QUERY.")
    _check_out(out, chart)
    file = file_of(generation or ("candidate" if candidate else "current"), at)
    if not query:
        return echo(opening(file))
    if out and not chart:
        return _write(load_project(), query, file, out)
    names, rows = ask(query, file)
    if chart:
        return _draw(load_project(), names, rows, chart, out)
    if as_json:
        check_names(names)
        return print_json([dict(zip(names, row, strict=True)) for row in rows], indent=None)
    shown = [["" if value is None else str(value) for value in row] for row in rows[:_SHOWN_ROWS]]
    show_table(names, shown, is_data=True)
    if len(rows) > _SHOWN_ROWS:
        echo(f"... and {len(rows) - _SHOWN_ROWS:,} more rows; --json prints all", err=True)


def _text_of(name: str) -> str:
    """Return the SELECT that a model is built from, with what its header adds to it."""
    from etl.plan.definitions import definitions

    models = definitions(*opened())[1].models
    if name not in models:
        raise ConfigError(unknown(f"There is no model {name}", name, models))
    if not models[name].kind.is_select:
        how = "made by a command" if models[name].kind.name == "command" else "written in Python"
        raise ConfigError(f"{name} is {how}, in {models[name].file}. It has no SELECT.")
    return models[name].sql


def _check_out(out: Path | None, chart: str | None) -> None:
    from etl.operations.answer_files import SUFFIXES, check_target

    if out:
        check_target(out, _PICTURES if chart else SUFFIXES)


def _write(project: Project, query: str, file: Path, out: Path) -> None:
    from etl.operations.answer_files import write_answer

    echo(f"Wrote {counted(write_answer(project, query, file, out), 'row')} to {out}.", err=True)


def _draw(
    project: Project, names: Sequence[str], rows: Sequence[Sequence[Any]], kind: str, out: Path | None
) -> None:
    from etl.cli.screen import screen_width
    from etl.project.files import restrict_files, write_file
    from etl.reports.chart import as_html, as_svg, as_text, chart_of
    from etl.reports.terminal import is_ascii_only

    chart = chart_of(names, rows)
    if out is None:
        for line in as_text(chart, kind, screen_width(), is_ascii_only(sys.stdout)):
            echo(line)
        return
    restrict_files(project.settings.mask)
    write_file(out.absolute(), (as_svg if out.suffix.lower() == ".svg" else as_html)(chart, kind))
    echo(f"Wrote the chart of {counted(len(rows), 'row')} to {out}.", err=True)
