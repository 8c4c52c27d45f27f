"""`etl debug`: a failed step once more, in this process, from what it has left."""

from __future__ import annotations

import click

from etl.cli.options import named
from etl.cli.registry import DEVELOP, under
from etl.cli.screen import echo
from etl.errors import NotReproduced, few, indented, watchers


@under(DEVELOP)
@click.command()
@click.argument("bundle", default="last", shell_complete=named("run"))
@click.option("--pdb", "is_stopped", is_flag=True, help="Stop where it fails, in Python's debugger.")
def debug(bundle: str, is_stopped: bool) -> None:
    """Run a failed step again, on copies of what it was given.

    BUNDLE is a folder below data/failures, or a copy of one on any machine: neither the project nor its data is
    needed. It can be the id of a run too; by default it is the `last` run of which a step has left something. The
    step runs in this process, so that a debugger can stop in it. Of SQL, debug/debug.duckdb in the folder has the
    inputs as tables, and a view for each CTE in the schema stages.
    """
    from etl.errors import ConfigError
    from etl.operations.debug import find_bundle, replay, write_stages
    from etl.project import load_project

    try:
        project = load_project()
    except ConfigError:
        # a folder that was moved is enough
        project = None
    found = find_bundle(project, bundle)
    if is_stopped:
        watchers.append(_stop)
    done = replay(found)
    if done.lacking:
        echo(f"note: not here: {few(done.lacking)}")
    if stages := write_stages(done):
        echo(f"Its SQL by stages: duckdb -init {stages.parent / 'stages.sql'} {stages}")
    if done.is_reproduced:
        echo(f"{found.title} fails as it did in run {found.facts['run_id']}:\n{indented(str(done.error))}")
        return
    trace = found.folder / "traceback.txt"
    if done.error is not None:
        raise NotReproduced(
            f"{found.title} fails here with: {done.error}\nThen it failed with: {found.message}\nCompare {trace}."
        )
    raise NotReproduced(
        f"{found.title} does not fail here. Then it failed with: {found.message}\n"
        "If the machine was the cause, such as a full disk, it is not in the folder. "
        f"Look at {trace}."
    )


def _stop(cause: BaseException) -> None:
    """Open the debugger where the first error was raised."""
    import pdb

    watchers.remove(_stop)
    while (before := cause.__cause__ or cause.__context__) is not None:
        cause = before
    pdb.post_mortem(cause.__traceback__)
