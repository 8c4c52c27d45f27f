"""`etl report`: one HTML file of what happened, what is there, and what it means."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.options import json_option, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, print_json
from etl.errors import ConfigError


@under(LOOK)
@click.command()
@click.option("--open", "is_opened", is_flag=True, help="Open it in the browser of this machine.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it to FILE. Default: where runs write it, `warehouse/report.html` in the folder of the data.",
)
@click.option("--changes", "is_counting", is_flag=True, help="Count the rows that the last generation changed.")
@json_option
def report(is_opened: bool, out: Path | None, is_counting: bool, as_json: bool) -> None:
    """Write one HTML file of what happened and what there is.

    It needs neither a server nor a network. With --json its data is printed, and no file is written.

    It tells what the last run did, how nights and tables developed, what tables and columns mean and where they
    come from, which checks found something, and what the last generation changed. With `report = yes` in luigi.cfg
    every run writes it. To count changed rows, both published files are read, which takes a while; what `etl diff`
    has counted is in the report anyway.
    """
    from etl.reports.page import write_report
    from etl.reports.page.changes import last_two
    from etl.reports.page.data import report_data

    project, ledger = opened()
    if is_counting and (names := last_two(project)):
        from etl.operations.diff import count_changes

        count_changes(project, ledger, *names)
    if as_json:
        return print_json(report_data(project, ledger))
    try:
        file = write_report(project, ledger, out)
    except OSError as error:
        where = out or project.report
        raise ConfigError(
            f"The report {where} cannot be written: {error.strerror}. Make room or name another file: "
            "etl report --out FILE"
        ) from None
    echo(f"Written: {file} ({file.stat().st_size / 1e6:,.2f} MB)")
    if is_opened:
        import webbrowser

        if not webbrowser.open(file.resolve().as_uri()):
            echo(f"No browser was found on this machine. Copy the file to one that has a browser: {file}")
