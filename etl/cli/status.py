"""`etl status`: how fresh and how clean each source is."""

from __future__ import annotations

from typing import Any

import click

from etl.cli.options import json_option, named
from etl.cli.registry import LOOK, under
from etl.cli.screen import NO_SOURCE, echo, show, show_table, shown
from etl.errors import counted, few

_SHOWN_LINES = 20


@under(LOOK)
@click.command()
@click.argument("source", default="", shell_complete=named("source"))
@json_option
def status(source: str, as_json: bool) -> None:
    """Show how fresh and how clean each source is.

    The last run and the current generation come first. Of a SOURCE alone, every date is listed that is missing or
    waits.
    """
    from etl.reports.status import of_source, project_status

    if source:
        return show(of_source(project_status(), source), as_json, _show_source)
    show(project_status(), as_json, _show)


def _show_source(found: dict[str, Any]) -> None:
    name = found["source"]
    echo(f"{name}: newest {found['newest'] or 'none'}, taken {found['taken_at'] or 'never'}")
    for day in found["holes"]:
        echo(f"{name}: missing {day}")
    _show_notes(found)


def _show(found: dict[str, Any]) -> None:
    last = found["last_run"]
    echo(f"project     {found['project']}")
    echo(f"generation  {found['generation'] or 'nothing is published yet'}")
    for text in filter(None, [found["held"], found["candidate"], found["wrong"]]):
        echo(f"            {text}")
    if found["mirror"]:
        echo(f"mirror      {found['mirror']}")
    for text in found["events"]:
        echo(f"events      {text}")
    echo(f"last run    {_when(last) if last else 'never'}")
    for line in _problems(last) if last else ():
        echo(f"            {line}")
    for text in (model["note"] for model in found["optional"]):
        echo(f"warning: {text}")
    names = ("source", "newest", "partitions", "rows", "rejected", "refused", "holes", "taken")
    rows = [
        {**source, "taken": source["taken_at"], "holes": _newest(source["holes"])} for source in found["sources"]
    ]
    show_table(names, [[shown(row[name]) for name in names] for row in rows])
    if not found["sources"]:
        echo(NO_SOURCE)
    for name in found["removed"]:
        echo(f"{name}: no contract has this source any more, but its data is there. To delete it: etl drop {name}")
    if found["unclaimed"]:
        count = counted(len(found["unclaimed"]), "file")
        echo(f"data/raw holds {count} that no source takes: {few(found['unclaimed'])}")
    if found["unclaimed_fetched"]:
        count = counted(len(found["unclaimed_fetched"]), "file")
        echo(f"data/fetched holds {count} that no source takes: {few(found['unclaimed_fetched'])}")
    for source in found["sources"]:
        _show_notes(source)


def _show_notes(source: dict[str, Any]) -> None:
    """Print what is to be said of one source."""
    from etl.reports.fetches import told

    name = source["source"]
    if text := told(source):
        echo(f"{name}: {text}")
    if source["place"] and not source["partitions"]:
        if source.get("fetched") == "landed":
            echo(f"{name}: what was fetched waits for the next run: etl run")
        else:
            echo(f"{name}: no delivery yet: {source['place']}")
    if source["late_since"]:
        echo(f"{name}: late since {source['late_since']} ({source['rhythm']})")
    if source["lost"]:
        echo(f"{name}: lost, since the lake does not hold it any more: {few(source['lost'])}")
    if source["load"] == "view":
        echo(f"{name}: raw.{name} is a view over the lake")
    for note in source["notes"]:
        echo(f"{name}: {note}")


def _problems(run: dict[str, Any]) -> list[str]:
    """Return what failed in a run, in as many lines as a screen has room for."""
    lines = [line for each in run["problems"] for line in f"{each['step']}: {each['message']}".splitlines()]
    rest = len(lines) - _SHOWN_LINES
    more = [f"... and {rest:,} more lines; --json prints all"] if rest > 0 else []
    return [*lines[:_SHOWN_LINES], *more]


def _newest(days: list[str]) -> str:
    """Return the last three of some days, and how many there are before them."""
    older = f"{len(days) - 3:,} earlier, " if len(days) > 3 else ""
    return older + ", ".join(days[-3:])


def _when(run: dict[str, Any]) -> str:
    return f"{run['state']}, batch date {run['batch_date']}, begun {run['started_at'][:19]}Z"
