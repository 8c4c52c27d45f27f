"""DuckDB: the only room that opens a connection, and the one helper that quotes. It knows no source."""

from etl.engine.beside import check_reads_only, show_beside
from etl.engine.blank import bare_cursor, blank_database
from etl.engine.connections import (
    BUILD,
    REBUILT,
    SMALL_BLOCK,
    attach_build,
    attach_new,
    building,
    check_storage_version,
    comparing,
    discard_build,
    in_memory,
    is_damage,
    reading,
    relation,
    set_session,
)
from etl.engine.retries import is_transient, retried
from etl.engine.shared import close_shared_memory, in_shared_memory

__all__ = [
    "BUILD",
    "REBUILT",
    "SMALL_BLOCK",
    "attach_build",
    "attach_new",
    "bare_cursor",
    "blank_database",
    "building",
    "check_reads_only",
    "check_storage_version",
    "close_shared_memory",
    "comparing",
    "discard_build",
    "in_memory",
    "in_shared_memory",
    "is_damage",
    "is_transient",
    "reading",
    "relation",
    "retried",
    "set_session",
    "show_beside",
]
