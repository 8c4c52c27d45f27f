"""`etl mirror`: what is published, sent to a bucket or a folder elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etl.cli.options import opened
from etl.cli.registry import REPAIR, under
from etl.cli.screen import echo
from etl.errors import ConfigError

if TYPE_CHECKING:
    from etl.project import Project

_DIFFERENT = 30


@under(REPAIR)
@click.command()
@click.option("--check", "is_check", is_flag=True, help="Change nothing, exit with 30 if something is lacking.")
@click.option("--take-over", is_flag=True, help="Send there even if another project did so until now.")
def mirror(is_check: bool, take_over: bool) -> None:
    """Send what is published to the mirror.

    [etl] mirror says where that is. Every run does so at its end, and so do a rollback and a promotion: this is
    for when one of them could not. What the mirror has is not sent again, and what no generation has is deleted
    there.
    """
    from etl.stages.mirrored import differences, push

    project, ledger = opened(is_reading=is_check)
    _check_set(project)
    if is_check:
        found = differences(project, ledger)
        for text in found:
            echo(text)
        if found:
            raise SystemExit(_DIFFERENT)
        return echo(f"{project.settings.mirror} has all of the current generation.")
    pushed = push(project, ledger, take_over=take_over)
    echo(f"{project.settings.mirror}: readers find generation {pushed.generation}; {pushed.told}.")


def _check_set(project: Project) -> None:
    if not project.settings.mirror:
        raise ConfigError(
            "This project has no mirror. Set [etl] mirror in luigi.cfg to a bucket or a folder elsewhere, such as "
            "s3://shop/warehouse."
        )
