"""Scrubbing: build.duckdb is rewritten when it may still hold personal data that was replaced or withdrawn.

DuckDB marks deleted rows, and frees the blocks of dropped tables; the old bytes stay in the file. A table in
build.duckdb notes, in the transaction that deletes, that such bytes may be there. The audit scrubs before anything
is copied from the file, so that neither a generation nor a candidate has them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from etl.errors import StepError
from etl.ledger import Ledger
from etl.ledger.run_log import forget_quoted
from etl.project import Project
from etl.stages.warehouse.build import NOTED, STEPS, close_build, open_build
from etl.stages.warehouse.command_files import forget_commands
from etl.stages.warehouse.compact import compact

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("etl")


def note_removed(con: duckdb.DuckDBPyConnection, sources: Iterable[str]) -> None:
    """Note that personal data of `sources` was deleted, and that its bytes may still be in the file."""
    for name in sources:
        con.execute(f"insert into {NOTED} values (?, false)", [name])
    # its messages may quote what was deleted; the next publish takes them from the ledger again
    con.execute(f"delete from {STEPS}")


def is_published_outdated(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the published file may hold what was scrubbed: then it is replaced, even by the same rows."""
    return bool(con.execute(f"select count(*) from {NOTED}").fetchall()[0][0])


def note_published(con: duckdb.DuckDBPyConnection) -> None:
    """Note that a scrubbed file is published."""
    con.execute(f"delete from {NOTED} where is_scrubbed")


def scrub(project: Project, ledger: Ledger, run_id: str) -> None:
    """Rewrite build.duckdb, if need be, and forget the rows that the ledger quotes.

    Raises StepError if it cannot be rewritten: then nothing may be copied from it.
    """
    with open_build(project, ledger, run_id) as con:
        query = f"select distinct source from {NOTED} where not is_scrubbed order by source"
        names = ", ".join(row[0] for row in con.execute(query).fetchall())
    if not names:
        return
    close_build(project)
    # noted in the copy before it takes the place of the file: killed in between, all of it is done again
    if not compact(project, ledger, run_id, also=f"update scrubbed.{NOTED} set is_scrubbed = true"):
        raise StepError(
            f"{project.build} may still hold personal data of {names} that was masked or withdrawn, and could not "
            "be rewritten without it (see the warning above). Nothing is published. Fix the cause and run again."
        )
    forget_commands(project)
    forget_quoted(project, ledger)
    log.info("scrubbed   build.duckdb: personal data of %s was masked, replaced or withdrawn", names)
