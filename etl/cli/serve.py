"""`etl serve`: the report and what it leads to as live pages, and what they may change."""

from __future__ import annotations

import click

from etl.cli.registry import LOOK, under
from etl.cli.screen import echo


@under(LOOK)
@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="The address to listen on. One that other machines reach needs ETL_SERVE_TOKEN.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8400,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name of this server that browsers may use, beside localhost. It can be given several times.",
)
@click.option(
    "--read-only", "is_read_only", is_flag=True, help="Let nobody change anything, not even with the token."
)
@click.option(
    "--upload-mb",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="How many megabytes a delivery may have that is uploaded.",
)
def serve(host: str, port: int, names: tuple[str, ...], is_read_only: bool, upload_mb: int) -> None:
    """Serve the report and the runs as live pages.

    They show the run under way, logs, quarantine, generations and profiles. With the token in the environment
    variable ETL_SERVE_TOKEN, records can be discarded and judged again there, an earlier generation made the
    current one, and a run begun; without it, everybody who reaches this machine's own address can look, and nobody
    can change anything. Senders that sign begin a run, and others upload deliveries, as ETL_HOOK_SECRET,
    ETL_GITHUB_SECRET and ETL_HOOK_TOKENS allow. The access log goes to stderr. It ends with Ctrl-C or SIGTERM.
    """
    import os
    import sys

    from etl.operations.serve.access import TOKEN
    from etl.operations.serve.hooks import Hooks
    from etl.operations.serve.server import Serving, write_log
    from etl.project import load_project
    from etl.project.channels import GITHUB_SECRET, HOOK_SECRET, HOOK_TOKENS

    # taken out: no contract and no command that is begun needs it
    token = os.environ.pop(TOKEN, "")
    hooks = Hooks.of(os.environ)
    for name in (HOOK_SECRET, GITHUB_SECRET, HOOK_TOKENS):
        os.environ.pop(name, None)
    serving = Serving(
        load_project(),
        host=host,
        port=port,
        token=token,
        names=names,
        is_read_only=is_read_only,
        hooks=hooks,
        upload_bytes=upload_mb * 1_000_000,
    )
    write_log()
    echo(f"Serving {serving.project.place} at {serving.address}")
    if not token:
        echo(f"Nothing can be changed there, since {TOKEN} is not set.")
    sys.stdout.flush()
    serving.run(with_signals=True)
    sys.stdout.flush()
    sys.stderr.flush()
    # a read that is still under way is nobody's any more, and has nothing to lose
    os._exit(0)
