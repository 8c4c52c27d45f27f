"""`etl quarantine`: look at rejected records, correct or discard them, and run their partitions again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from etl.cli.screen import echo, print_json, show_table, shown
from etl.errors import counted

if TYPE_CHECKING:
    from etl.operations.decisions import Decision
    from etl.operations.quarantine import Selection

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Quarantine(click.Group):
    """A group that lists without a command, and shows a source that is named in the place of one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        elif args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Quarantine)
def quarantine() -> None:
    """Rejected records: what there is, and what to do about it. Alone: list; with a SOURCE: show."""


def _selecting(command: _Command) -> _Command:
    """Give a command the options that say which records are meant."""
    rule = click.option("--rule", default="", help="Only records that break this rule.")
    day = click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Only the partition of this date.")
    return day(rule(command))


@quarantine.command(name="list")
@click.argument("source", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(source: str, as_json: bool) -> None:
    """Count rejected and discarded records by source, date and rule; name corrections without effect."""
    from etl.operations import quarantine as found
    from etl.project import load_project

    project = load_project()
    counts, stale = found.counts(project, source), found.stale(project, source)
    if as_json:
        return print_json({"counts": counts, "stale": stale}, indent=2, default=str)
    names = ("source", "date", "file", "rule", "records", "discarded")
    show_table(names, [[shown(row[name]) for name in names] for row in counts])
    for row in stale:
        echo(f"without effect: {row['source']} {row['date']}: {row['action']} {row['record']}: {row['why']}")


@quarantine.command()
@click.argument("source")
@_selecting
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many to print.")
@click.option("--json", "as_json", is_flag=True, help="Print every record as JSON.")
def show(source: str, date: datetime | None, rule: str, limit: int, as_json: bool) -> None:
    """Show the rejected records of SOURCE, with line, rule, reason and original text."""
    from etl.operations import quarantine as found
    from etl.project import load_project

    records = found.records(load_project(), source, _selection(date, rule))
    if as_json:
        return print_json(records, indent=2, default=str)
    given_up = ["discarded"] if any(record["discarded"] for record in records) else []
    refusals, records = found.told_once(records)
    for refusal in refusals:
        echo(refusal)
    own = ["fault"] if refusals else []
    names = ["date", "file", "line", "rule", *own, "message", "text", *given_up]
    show_table(names, [[str(record[name] or "") for name in names] for record in records[:limit]])
    if len(records) > limit:
        echo(f"... and {len(records) - limit:,} more; --json prints all")


@quarantine.command()
@click.argument("source")
@click.argument("file", type=click.Path(path_type=Path))
@_selecting
def export(source: str, file: Path, date: datetime | None, rule: str) -> None:
    """Write the rejected records of SOURCE to FILE, a CSV whose column `text` can be edited."""
    from etl.operations import quarantine as found
    from etl.project import load_project

    number = found.export(load_project(), source, _selection(date, rule), file)
    echo(
        f"{counted(number, 'record')} in {file}: edit the column text, and: "
        f"etl quarantine replay {source} --from {file}"
    )


@quarantine.command()
@click.argument("source")
@_selecting
@click.option("--from", "edited", type=click.Path(path_type=Path), help="An exported file with edited texts.")
def replay(source: str, date: datetime | None, rule: str, edited: Path | None) -> None:
    """Run rejected records of SOURCE again, as they are or with the texts of an edited file, and publish."""
    from etl.operations import decisions
    from etl.project import load_project

    project, selection = load_project(), _selection(date, rule)
    if edited and (date or rule):
        raise click.UsageError("--from takes its records from the file: leave --date and --rule out.")
    if edited:
        decision = decisions.replace_texts(project, source, edited)
    else:
        decision = decisions.replay(project, source, selection)
    _run(decision, "moved to the lake", force=edited is None)


@quarantine.command()
@click.argument("source")
@click.option("--reason", required=True, help="Why; it stays beside the records.")
@_selecting
@click.option("--line", "lines", type=click.IntRange(min=1), multiple=True, help="Only this line; repeatable.")
@click.option("--file", default="", help="Only this raw file, where a date has several.")
def discard(source: str, reason: str, date: datetime | None, rule: str, lines: tuple[int, ...], file: str) -> None:
    """Give rejected records of SOURCE up for a reason: they stay in quarantine, and count as discarded."""
    from etl.operations import decisions
    from etl.project import load_project

    decision = decisions.discard(load_project(), source, _selection(date, rule, file, lines), reason)
    _run(decision, "discarded")


def _selection(date: datetime | None, rule: str, file: str = "", lines: tuple[int, ...] = ()) -> Selection:
    from etl.operations.quarantine import Selection

    return Selection(date.date() if date else None, rule, file, lines)


def _run(decision: Decision, done: str, force: bool = False) -> None:
    """Run the partitions again, say what became of their records, and end with the run's exit code."""
    from etl.cli.progress import showing_progress
    from etl.project import load_project
    from etl.run.active import finish_runs
    from etl.tasks.graph import run_luigi

    exit_code: Any = 0
    days, number = decision.days, len(decision.records)
    arguments = ["Backfill", "--source", decision.source, "--start", str(days[0]), "--stop", str(days[-1])]
    try:
        with showing_progress():
            run_luigi([*arguments, *(["--force"] if force else [])])
    except SystemExit as stop:
        exit_code = stop.code
    finish_runs()
    stay, everything = decision.still_there(load_project())
    staying = "stays" if everything == 1 else "stay"
    echo(f"{decision.source}: {counted(number - stay, 'record')} {done}, {everything:,} {staying} in quarantine")
    if exit_code:
        echo("The run failed: what was decided is kept, and the next run applies it.", err=True)
    sys.exit(exit_code)
