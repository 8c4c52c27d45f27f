"""`etl schedule`: the night as a line of cron or a timer of systemd."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from etl.cli.options import json_option
from etl.cli.registry import RUN, Group, under
from etl.cli.screen import echo, show
from etl.errors import cut

_user_option = click.option("--user", default="", metavar="NAME", help="The user that runs it. Default: this one.")
_into_option = click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the units of systemd. Default: the usual one.",
)


@under(RUN)
@click.group(cls=Group)
def schedule() -> None:
    """Have the night run by cron or systemd."""


@schedule.command()
@click.option(
    "--at", default="10 4 * * *", show_default=True, metavar="TIME", help="When, in five fields of cron."
)
@click.option(
    "--days", default="", metavar="DAYS", help="On which of these days, such as 'last business day of month'."
)
@click.option("--cron", "by_cron", is_flag=True, help="By cron, which is the default where it is installed.")
@click.option("--systemd", "by_systemd", is_flag=True, help="By a timer of systemd.")
@click.option("--watch", "is_watch", is_flag=True, help="Keep `etl watch` running, by a service of systemd.")
@click.option("--mailto", default="", metavar="ADDRESS", help="Who gets cron's mail about a night that failed.")
@_user_option
@_into_option
def install(
    *,
    at: str,
    days: str,
    by_cron: bool,
    by_systemd: bool,
    is_watch: bool,
    mailto: str,
    user: str,
    into: Path | None,
) -> None:
    """Have the night run at a time, on the machine's clock.

    The line or the units are made for this project alone, and run `etl run --unattended`. Secrets belong in
    etl.env, in the project's folder, which only the user of the schedule may read. Installing again replaces what
    was installed. With --watch the night stays as it is, and a service watches the project beside it.
    """
    import shutil

    from etl.operations.schedule import manage
    from etl.operations.schedule.entry import Entry
    from etl.project import load_project

    if by_cron and by_systemd:
        raise click.UsageError("--cron and --systemd are two ways for one night. Leave one out.")
    given = click.get_current_context().get_parameter_source
    if is_watch and (by_cron or days or mailto or given("at") is not ParameterSource.DEFAULT):
        raise click.UsageError("--watch is for no time of day. Leave out --at, --days, --cron and --mailto.")
    is_timer = by_systemd or bool(into) or not (by_cron or shutil.which("crontab"))
    if mailto and (is_timer or not _is_address(mailto)):
        raise click.UsageError("--mailto is an address for cron's mail. Correct it, or leave it out.")
    project = load_project()
    entry = Entry(project=project, at=" ".join(at.split()), days=days, user=manage.user_of(user), mailto=mailto)
    said = manage.install_watch(entry, into) if is_watch else manage.install(entry, by_systemd=is_timer, into=into)
    _show(asdict(manage.show(project, entry.user, into)))
    for text in said:
        echo(f"note: {text}")


@schedule.command("show")
@_user_option
@_into_option
@json_option
def show_schedule(user: str, into: Path | None, as_json: bool) -> None:
    """Show when the night runs next, and what else runs it."""
    from etl.operations.schedule import manage
    from etl.project import load_project

    found = asdict(manage.show(load_project(), manage.user_of(user), into))
    show(found, as_json, _show_all)


@schedule.command()
@_user_option
@_into_option
def remove(user: str, into: Path | None) -> None:
    """Take out what `etl schedule install` has put in.

    A crontab is left as it was before, byte for byte; etl.env stays.
    """
    from etl.operations.schedule import manage
    from etl.project import load_project

    project = load_project()
    found = manage.remove(project, manage.user_of(user), into)
    for place in found:
        echo(f"Removed from {place}.")
    if not found:
        echo(f"No schedule of {project.place} was installed.")


def _show_all(found: dict[str, Any]) -> None:
    _show(found)
    for note in found["notes"]:
        echo(f"note: {note}")


def _show(found: dict[str, Any]) -> None:
    if not found["installed"]:
        echo("No schedule is installed. To install one: etl schedule install")
    else:
        days = f", on {found['days']}" if found["days"] else ""
        echo(f"installed   {found['installed']}: {found['at']}{days}")
        echo(f"next runs   {', '.join(found['next_runs'])} ({found['zone']})")
    if found["watch"]:
        echo(f"watch       {found['watch']}")
    echo(f"variables   {found['environment']}")
    echo(f"log         {found['log']}")
    for other in found["elsewhere"]:
        echo(f"elsewhere   {other['file']}:{other['line']}: {cut(other['text'], 200)}")


def _is_address(text: str) -> bool:
    return text.isprintable() and not set(text) & set(" '\"%\\#")
