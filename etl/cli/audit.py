"""`etl audit --published`: an audit of what analysts see, between two nights."""

from __future__ import annotations

import click

from etl.cli.options import opened
from etl.cli.registry import REPAIR, under
from etl.cli.screen import echo
from etl.errors import counted, few

#: How many audits are named that were left out.
_LISTED = 20


@under(REPAIR)
@click.command()
@click.option("--published", is_flag=True, required=True, help="Audit the current generation. It must be given.")
def audit(published: bool) -> None:
    """Audit what is published, now.

    The checks are those of the night, over all rows of the current generation, with today as the batch date: made
    for a second line of cron. Whoever is told of nights is told of each finding once. If an audit whose header
    says `-- rollback` finds rows, the newest earlier generation that passes it becomes the current one, and
    publishing is on hold as after `etl rollback`. The exit code is 30 if a check failed.
    """
    from etl.operations.published_audit import audit_published
    from etl.project.secret import use_environment

    project, ledger = opened(is_reading=False)
    use_environment(project.root)
    found = audit_published(project, ledger)
    verdict = found.verdict
    if verdict.left_out:
        echo(
            f"warning: {found.generation} lacks their tables, so these are left out: "
            f"{few(verdict.left_out, _LISTED)}",
            err=True,
        )
    for check in verdict.checks:
        if not check.passed and check.severity != "error":
            echo(f"warning: {check.name} found {counted(check.failing, 'row')} in {check.table_name}", err=True)
    echo(f"audited {counted(len(verdict.checks), 'check')} of generation {found.generation}")
    found.check()
