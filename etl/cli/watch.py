"""`etl watch`: a run whenever something complete and new has come."""

from __future__ import annotations

import click

from etl.cli.registry import RUN, under
from etl.cli.screen import echo


@under(RUN)
@click.command()
@click.option("--stop-run", is_flag=True, help="When it ends, stop the run under way too. Default: let it finish.")
def watch(stop_run: bool) -> None:
    """Run the night whenever something complete and new has come.

    It stays until Ctrl-C or SIGTERM, and is woken by changes in the folder of the deliveries, and by what the keys
    watch_... of [etl] name. Then it looks: markers and settle times count as they do in a night. If anything is
    complete and new, it has `etl run --unattended` run in a process of its own, one at a time. What is said there
    goes to data/logs/unattended.log.
    """
    import os
    import signal
    import sys
    from datetime import datetime

    from etl.operations.watch.watching import Watch
    from etl.project import find_root, load_project
    from etl.project.secret import use_environment

    use_environment(find_root())
    project = load_project()

    def tell(line: str) -> None:
        echo(f"{datetime.now().astimezone().isoformat(timespec='seconds')} {line}")
        sys.stdout.flush()

    found = Watch(project, tell)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: found.end())
    for waker in found.wakers:
        tell(f"woken by {waker.named}")
    found.run(stop_run=stop_run)
    # its wakers wait for something, and hold nothing
    os._exit(0)
