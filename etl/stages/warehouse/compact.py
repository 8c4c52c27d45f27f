"""Compacting: build.duckdb written anew, when much of it is space that holds nothing any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etl import engine
from etl.ledger import Ledger
from etl.project import Project
from etl.project.files import written_aside
from etl.stages.warehouse.build import note_stamp

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("etl")

#: A file of more bytes than that has large blocks: they are read faster.
_LARGE_BYTES = 64_000_000
#: Less dead space than so many bytes is not worth the work.
_WORTH_BYTES = 16_000_000


def is_worth_compacting(con: duckdb.DuckDBPyConnection, percent: int) -> bool:
    """Return whether more than `percent` of an open build.duckdb is dead space, or it has outgrown its blocks."""
    block_bytes, total, free = _size(con)
    is_outgrown = block_bytes == engine.SMALL_BLOCK and not _is_small(con)
    return is_outgrown or bool(free * block_bytes > _WORTH_BYTES and free * 100 > total * percent)


def _size(con: duckdb.DuckDBPyConnection) -> tuple[int, int, int]:
    """Return the bytes of a block, the number of blocks, and how many of them hold nothing."""
    query = "select block_size, total_blocks, free_blocks from pragma_database_size() "
    found: tuple[int, int, int] = con.execute(f"{query} where database_name = current_database()").fetchall()[0]
    return found


def _is_small(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether an open build.duckdb has small blocks, and is not too large for them."""
    block_bytes, total, free = _size(con)
    return block_bytes == engine.SMALL_BLOCK and (total - free) * block_bytes <= _LARGE_BYTES


def compact(project: Project, ledger: Ledger, run_id: str, also: str = "") -> bool:
    """Rewrite build.duckdb, which nobody has open, without its dead space, and rename it into place.

    The statement `also` is run on the copy, attached as `scrubbed`, before it takes the place of build.duckdb. If
    DuckDB cannot copy, a warning says so, build.duckdb stays as it is, and False is returned.
    """
    import duckdb

    before = project.build.stat().st_size
    try:
        with written_aside(project.build, project.scratch) as aside, engine.building(project) as con:
            engine.attach_new(project, con, aside, "scrubbed", is_small=_is_small(con))
            con.execute(f"copy from database {engine.BUILD} to scrubbed")
            if also:
                con.execute(also)
            con.execute("detach scrubbed")
    except duckdb.Error as error:
        log.warning("%s could not be compacted: %s", project.build, error)
        return False
    note_stamp(project, ledger, run_id)
    log.info("compacted build.duckdb from %.1f to %.1f MB", before / 1e6, project.build.stat().st_size / 1e6)
    return True
