"""DuckDB connections: the only place that opens one, so that every one has the project's settings."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING

from etl.engine.beside import beside_build, show_beside
from etl.engine.blank import blank_database
from etl.engine.limits import watched
from etl.engine.quoting import literal, qualified, set_variable
from etl.errors import ConfigError, EtlError, StepError, sentence
from etl.project import Project

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TypeAlias

    import duckdb

    Relation: TypeAlias = duckdb.DuckDBPyRelation

log = logging.getLogger("etl")

#: The catalog name of build.duckdb while it is open for writing.
BUILD = "build"

#: The bytes of a block of a file of small tables; DuckDB's own are sixteen times as large.
SMALL_BLOCK = 16_384

#: What is said of a damaged build.duckdb.
REBUILT = "Nothing is lost: the next run rebuilds it from the lake."

_LOCKED = "Conflicting lock"
_DAMAGED = ("not a valid DuckDB database file", "Could not read enough bytes from file", "Corrupt database file")

#: How long a run waits, in seconds, before it tries again to open what somebody only looks at.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)


@contextmanager
def in_memory(project: Project) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a private in-memory database; what does not fit in memory spills to the project's scratch."""
    with open_in_memory(project) as con:
        yield con


def open_in_memory(project: Project) -> duckdb.DuckDBPyConnection:
    """Open a private in-memory database, which is to be closed."""
    import duckdb

    con = duckdb.connect(":memory:")
    try:
        _configure(con, project)
    except BaseException:
        con.close()
        raise
    return con


def set_session(con: duckdb.DuckDBPyConnection, project: Project) -> None:
    """Give a connection those of the project's settings that each cursor() of one needs for itself."""
    watched(con)
    con.execute(f"set TimeZone = {literal(project.settings.timezone)}")
    for name, value in project.variables.items():
        con.execute(set_variable(name, value))


@contextmanager
def building(
    project: Project, may_begin_anew: bool = True, is_small: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open build.duckdb for writing, made if it is not there, and close it; one process at a time may.

    It is attached, since only ATTACH can choose a storage version that older clients read. A damaged one is
    discarded; then StepError is raised, unless a new one may take its place.
    """
    import duckdb

    project.build.parent.mkdir(parents=True, exist_ok=True)
    with in_memory(project) as con:
        for pause in (*_PAUSES, 0.0):
            try:
                attach_new(project, con, project.build, BUILD, is_small=is_small)
                break
            except duckdb.Error as error:
                if is_damage(error):
                    discard_build(project, error)
                    if not may_begin_anew:
                        raise StepError(
                            f"{project.build} is damaged. {REBUILT}\n{sentence(str(error))}"
                        ) from error
                elif not pause or _LOCKED not in str(error):
                    raise _not_opened(project, error) from error
            time.sleep(pause)
        con.execute(f"use {BUILD}")
        yield con
        con.execute("use memory")
        con.execute(f"detach {BUILD}")


def is_damage(error: Exception) -> bool:
    """Return whether DuckDB says that a database file is not what was written."""
    return any(sign in str(error) for sign in _DAMAGED)


def discard_build(project: Project, error: Exception) -> None:
    """Delete a damaged build.duckdb, which nobody has open: it holds nothing that the lake does not."""
    first = str(error).splitlines()[0]
    log.warning("warning: %s is damaged and will be rebuilt from the lake: %s", project.build, first)
    for path in (project.build, project.build.with_name(f"{project.build.name}.wal")):
        path.unlink(missing_ok=True)


def attach_new(
    project: Project, con: duckdb.DuckDBPyConnection, path: Path, name: str, *, is_small: bool = False
) -> None:
    """Attach a database file for writing; if it is not there, it is made in the project's storage version.

    One that `is_small` is made of small blocks: each column of each table has blocks of its own.
    """
    options = f"storage_version {literal(project.settings.storage_version)}"
    if is_small and not path.exists():
        options += f", block_size {SMALL_BLOCK}"
    con.execute(f"attach {literal(str(path))} as {name} ({options})")


def check_storage_version(project: Project) -> None:
    """Raise ConfigError if the installed DuckDB does not know the storage version of [etl]."""
    import duckdb

    try:
        with blank_database(f"storage_version {literal(project.settings.storage_version)}"):
            pass
    except duckdb.Error as error:
        raise _not_opened(project, error) from error


def attach_build(project: Project, con: duckdb.DuckDBPyConnection) -> bool:
    """Attach build.duckdb read-only to an open database; return False if a run has it open for writing.

    While it is attached, no run can open it: detach it within a fraction of a second.
    """
    import duckdb

    try:
        con.execute(f"attach {literal(str(project.build))} as {BUILD} (read_only)")
    except duckdb.Error as error:
        if _LOCKED not in str(error):
            raise _not_opened(project, error) from error
        return False
    return True


@contextmanager
def reading(project: Project, path: Path, writes: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file read-only, with no access to anything outside of it but the file that it `writes`.

    What does not fit in memory spills to a folder of its own: a query may read and write where it spills to.
    """
    import duckdb

    con = duckdb.connect(str(path), read_only=True)
    with TemporaryDirectory(prefix="etl-") as spill:
        try:
            _restrict(con, project, path, spill, writes)
            yield con
        finally:
            con.close()


def relation(project: Project, path: Path, table: str) -> Relation:
    """Return a table of a published file, opened as by reading(), for as long as it is used."""
    import duckdb

    con = duckdb.connect(str(path), read_only=True)
    # DuckDB makes the folder when something does not fit in memory, and removes it when the file is closed
    _restrict(con, project, path, f"{gettempdir()}/etl-{secrets.token_hex(8)}")
    return con.table(qualified(table))


def _restrict(
    con: duckdb.DuckDBPyConnection, project: Project, path: Path, spill: str, writes: Path | None = None
) -> None:
    """Give a connection that reads a file the project's settings, and no access to others but those beside it."""
    _configure(con, project)
    con.execute(f"set temp_directory = {literal(spill)}")
    if beside := show_beside(con, path):
        con.execute(f"set allowed_directories = {literal(beside)}")
    if writes:
        con.execute(f"set allowed_paths = [{literal(str(writes))}]")
    con.execute("set enable_external_access = false")
    # or a query could have a log written, and abort the process where that is not allowed
    con.execute("set lock_configuration = true")


@contextmanager
def comparing(
    project: Project, left: Path, right: Path, may_write: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open two published files read-only side by side, as the catalogs `a` and `b`, with no access to others.

    `may_write` lets a query be copied to a file.
    """
    import duckdb

    with in_memory(project) as con:
        beside = []
        for name, path in (("a", left), ("b", right)):
            try:
                con.execute(f"attach {literal(str(path.resolve()))} as {name} (read_only)")
            except duckdb.Error as error:
                raise StepError(f"{path} cannot be opened: {sentence(str(error))}") from error
            beside += [*show_beside(con, path), *beside_build(path)]
        if not may_write:
            if beside:
                con.execute(f"set allowed_directories = {literal(beside)}")
            con.execute("set enable_external_access = false")
        yield con


def _not_opened(project: Project, error: duckdb.Error) -> EtlError:
    import duckdb

    if "cannot be lowered" in str(error):
        return ConfigError(
            f"{project.build} has a newer storage version than [etl] storage_version = "
            f"{project.settings.storage_version}, and DuckDB cannot lower it. Delete the file; the next run "
            "rebuilds it from the lake."
        )
    if isinstance(error, duckdb.InvalidInputException):
        return ConfigError(f"{project.root}/luigi.cfg: [etl] storage_version: {sentence(str(error))}")
    if _LOCKED in str(error):
        return StepError(
            f"{project.build} is open in another process. Close it there, and run again.\n{sentence(str(error))}"
        )
    return StepError(f"{project.build} cannot be opened: {sentence(str(error))}")


def _configure(con: duckdb.DuckDBPyConnection, project: Project) -> None:
    import duckdb

    settings = project.settings
    try:
        set_session(con, project)
        # where Python runs no file, DuckDB thinks that somebody watches, and draws progress on stdout
        con.execute("set enable_progress_bar = false")
        con.execute(f"set temp_directory = {literal(str(project.scratch / 'spill'))}")
        if settings.memory_limit:
            con.execute(f"set memory_limit = {literal(settings.memory_limit)}")
        if settings.threads:
            con.execute(f"set threads = {settings.threads}")
    except duckdb.Error as error:
        said = sentence(str(error))
        raise ConfigError(f"{project.root}/luigi.cfg: DuckDB refuses a setting of [etl]: {said}") from error
