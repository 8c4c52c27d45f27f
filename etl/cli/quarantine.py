"""`etl quarantine`: look at rejected records, correct or discard them, and run their partitions again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from etl.cli.options import day_option, json_option, named
from etl.cli.registry import REPAIR, Group, under
from etl.cli.screen import echo, print_json_list, show, show_table, shown
from etl.errors import counted

if TYPE_CHECKING:
    from etl.operations.decisions import Decision
    from etl.operations.quarantine import Page
    from etl.operations.rejected import Selection

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Quarantine(Group):
    """A group that lists without a command, and shows a source that is named in the place of one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        elif args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = named("source")(ctx, self.params[0] if self.params else click.Argument(["source"]), incomplete)
        return [*super().shell_complete(ctx, incomplete), *map(CompletionItem, found)]


@under(REPAIR)
@click.group(cls=_Quarantine)
def quarantine() -> None:
    """Look at rejected records, correct or discard them.

    `etl quarantine` alone lists them, `etl quarantine SOURCE` shows those of a source.
    """


def _selecting(command: _Command) -> _Command:
    """Give a command the options that say which records are meant."""
    rule = click.option("--rule", default="", help="Take only records that break this rule.")
    day = day_option("--date", help="Take only the partition of this date.")
    return day(rule(command))


@quarantine.command(name="list")
@click.argument("source", required=False, default="", shell_complete=named("source"))
@json_option
def list_(source: str, as_json: bool) -> None:
    """Count rejected records by source, date and rule.

    Discarded ones are counted beside them, and corrections without effect are listed.
    """
    from etl.operations import quarantine as found
    from etl.project import load_project

    project = load_project()
    counts, stale = found.counts(project, source), found.stale(project, source)
    show({"counts": counts, "stale": stale}, as_json, _show_counts)


def _show_counts(found: dict[str, list[dict[str, Any]]]) -> None:
    names = ("source", "date", "file", "rule", "records", "discarded")
    show_table(names, [[shown(row[name]) for name in names] for row in found["counts"]])
    for row in found["stale"]:
        echo(f"without effect: {row['source']} {row['date']}: {row['action']} {row['record']}: {row['why']}")


@quarantine.command(name="show")
@click.argument("source", shell_complete=named("source"))
@_selecting
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    default=100,
    show_default=True,
    help="How many records to show.",
)
@json_option
def show_(source: str, date: date | None, rule: str, limit: int, as_json: bool) -> None:
    """Show the rejected records of SOURCE, and why.

    Each has its line, its rule, the reason and the original text.
    """
    from etl.operations import quarantine as found
    from etl.project import load_project

    selection = _selection(date, rule)
    if as_json:
        return print_json_list(found.records(load_project(), source, selection))
    _show_page(found.first_records(load_project(), source, selection, limit))


def _show_page(page: Page) -> None:
    for refusal in page.refusals:
        echo(refusal)
    own = ["fault"] if page.refusals else []
    given_up = ["discarded"] if page.discarded else []
    names = ["date", "file", "line", "rule", *own, "message", "text", *given_up]
    show_table(names, [[str(row[name] or "") for name in names] for row in page.rows])
    if page.total > len(page.rows):
        echo(f"... and {page.total - len(page.rows):,} more; --json prints all", err=True)


@quarantine.command()
@click.argument("source", shell_complete=named("source"))
@click.argument("file", type=click.Path(path_type=Path))
@_selecting
def export(source: str, file: Path, date: date | None, rule: str) -> None:
    """Write the rejected records of SOURCE to a CSV file.

    In FILE, the column `text` can be edited. `etl quarantine replay SOURCE --from FILE` takes it back.
    """
    from etl.operations import quarantine as found
    from etl.project import load_project

    number = found.export(load_project(), source, _selection(date, rule), file)
    echo(f"{counted(number, 'record')} in {file}. Edit the column text, then run:")
    echo(f"etl quarantine replay {source} --from {quote(str(file))}")


@quarantine.command()
@click.argument("source", shell_complete=named("source"))
@_selecting
@click.option(
    "--from",
    "edited",
    type=click.Path(path_type=Path),
    help="Take the texts of this file, which was exported and edited.",
)
def replay(source: str, date: date | None, rule: str, edited: Path | None) -> None:
    """Judge rejected records of SOURCE again, and publish.

    They are taken as they are, or with the texts of a file that `etl quarantine export` wrote.
    """
    from etl.operations import decisions
    from etl.project import load_project

    project, selection = load_project(), _selection(date, rule)
    if edited and (date or rule):
        raise click.UsageError("--from takes its records from the file. Leave --date and --rule out.")
    if edited:
        decision = decisions.replace_texts(project, source, edited)
    else:
        decision = decisions.replay(project, source, selection)
    _run(decision, "moved to the lake", force=edited is None)


@quarantine.command()
@click.argument("source", shell_complete=named("source"))
@click.option("--reason", required=True, help="Why. It stays beside the records.")
@_selecting
@click.option(
    "--line",
    "lines",
    type=click.IntRange(min=1),
    metavar="N",
    multiple=True,
    help="Take only this line. It can be given several times.",
)
@click.option("--file", default="", help="Take only this raw file, where a date has several.")
def discard(source: str, reason: str, date: date | None, rule: str, lines: tuple[int, ...], file: str) -> None:
    """Discard rejected records of SOURCE, with a reason.

    They stay in quarantine, and count as discarded.
    """
    from etl.operations import decisions
    from etl.project import load_project

    decision = decisions.discard(load_project(), source, _selection(date, rule, file, lines), reason)
    _run(decision, "discarded")


def _selection(date: date | None, rule: str, file: str = "", lines: tuple[int, ...] = ()) -> Selection:
    from etl.operations.rejected import Selection

    return Selection(date, rule, file, lines)


def _run(decision: Decision, done: str, force: bool = False) -> None:
    """Run the partitions again, say what became of their records, and end with the run's exit code."""
    from etl.project import load_project
    from etl.run.active import finish_runs
    from etl.run.display import asked_for
    from etl.tasks import run_luigi

    exit_code: Any = 0
    days, number = decision.days, decision.number
    arguments = ["Backfill", "--source", decision.source, "--start", str(days[0]), "--stop", str(days[-1])]
    try:
        with asked_for():
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
