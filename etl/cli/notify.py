"""`etl notify`: who is told of nights, and whether messages arrive."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from etl.cli.options import json_option, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, show
from etl.errors import cut

_FAILED = 30


@under(LOOK)
@click.command()
@click.option(
    "--test",
    "is_test",
    is_flag=True,
    help="Send a message to every address, and a ping, and say what became of them.",
)
@json_option
def notify(is_test: bool, as_json: bool) -> None:
    """Show who is told of nights, and what was told.

    Addresses are in ETL_NOTIFY, those of an owner in ETL_NOTIFY_<OWNER>; they are named and never shown. With
    --test the exit code is 30 if a message could not be sent.
    """
    from etl.operations.notify import known, try_all
    from etl.project.secret import use_environment

    project, ledger = opened()
    use_environment(project.root)
    if not is_test:
        return show(asdict(known(project, ledger)), as_json, _show)
    found = [asdict(one) for one in try_all(project)]
    show(found, as_json, _show_tried)
    if any(one["said"] for one in found):
        raise SystemExit(_FAILED)


def _show(found: dict[str, Any]) -> None:
    for channel in found["channels"]:
        echo(f"{channel}: is told")
    if not found["channels"]:
        echo(
            "Nobody is told: set ETL_NOTIFY to one or more addresses of Apprise, such as mailtos://user:password@host."
        )
    for owner, variable in found["owners_without"].items():
        echo(f"{owner}: has no address of its own, so ETL_NOTIFY is told. To give it one: {variable}")
    echo(f"the server of ETL_PING_URL is {'pinged' if found['is_pinged'] else 'not set'}")
    for incident in found["open"]:
        echo(f"open since {incident['opened_at'][:10]}: {cut(incident['headline'], 200)}")
    for notice in found["waiting"]:
        why = notice["said"] or "not tried yet"
        echo(f"waits: {notice['at'][:16]} to {notice['channel']}: {notice['title']} ({why})")
    for notice in found["last"]:
        echo(f"{notice['state']}: {notice['at'][:16]} to {notice['channel']}: {notice['title']}")


def _show_tried(found: list[dict[str, Any]]) -> None:
    for one in found:
        echo(f"{one['channel']}: {'failed: ' + one['said'] if one['said'] else 'sent'}")
    if not found:
        echo(
            "Nobody is told: set ETL_NOTIFY to one or more addresses of Apprise, such as mailtos://user:password@host."
        )
