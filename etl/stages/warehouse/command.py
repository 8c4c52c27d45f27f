"""Commands: a program of the project's is given its inputs as Parquet files, and what it writes becomes the table.

The files of its last run, and how it was run, stay beside build.duckdb until it is run again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from etl.engine.parquet_types import columns_for_parquet
from etl.engine.process import run_to_end
from etl.engine.quoting import literal, qualified
from etl.errors import ModelError, TransformError, cut, indented, printable_lines, sentence
from etl.models import DELIVERED, Command, Model, read_program
from etl.project.files import private, sha256
from etl.project.secret import without_secrets
from etl.stages.warehouse.command_files import RUNNING, base_of, forget
from etl.stages.warehouse.program import beside, create, insert
from etl.stages.warehouse.work import Build, State, Work

if TYPE_CHECKING:
    import duckdb

INPUTS, OUTPUT, FACTS = "inputs", "output.parquet", "command.json"
OUT, ERR = "stdout.txt", "stderr.txt"
#: What every program is given of the environment; the rest only if ENVIRONMENT names it.
GIVEN = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "XDG_RUNTIME_DIR")
#: So much of what a program said last is told.
_LINES, _BYTES = 10, 2000
#: A longer command is cut in messages.
_CALLED = 120


def make(con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State) -> int:
    """Make the table; return its rows. Raises TransformError that says what the program said last."""
    import duckdb

    model, command = build.model, _planned(build)
    create(con, model)
    with _workplace(con, model) as (folder, place):
        facts = _run(con, build, command, folder, place)
        try:
            rows = insert(con, model, con.read_parquet(str(folder / OUTPUT), hive_partitioning=False))
        except duckdb.Error as error:
            said = str(error).replace(str(folder), str(place))
            what = f"{OUTPUT}, which its command wrote, is not taken: {sentence(said)}"
            raise TransformError(f"{model.place} could not be built: {what}") from error
        facts["output"] = {"rows": rows, **_file(folder / OUTPUT)}
        _write(folder, facts, command)
    return rows


def _planned(build: Build) -> Command:
    model = build.model
    folder = (build.folder / model.file).parents[1]
    try:
        program = read_program(folder, model.name, model.columns, build.variables)
    except (ModelError, OSError) as error:
        raise TransformError(f"{model.place} changed since the run was planned: {sentence(str(error))}") from error
    if program.normal != model.normal or program.command is None:
        raise TransformError(f"{model.place} changed since the run was planned. Run again to build it.")
    return program.command


@contextmanager
def _workplace(con: duckdb.DuckDBPyConnection, model: Model) -> Iterator[tuple[Path, Path]]:
    """Lend an empty folder, and the path that it is renamed to in the end, in place of that of the last run.

    What a program of a run before still writes, if it outlives that for a moment, goes nowhere.
    """
    base = base_of(con)
    if base is None:
        folder = Path(mkdtemp(prefix="etl-command-"))
        try:
            yield folder, folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    forget(con, model.name)
    folder, place = private(base) / f"{model.name}{RUNNING}{token_hex(4)}", base / model.name
    folder.mkdir(mode=0o700)
    try:
        yield folder, place
    finally:
        os.rename(folder, place)


def _run(
    con: duckdb.DuckDBPyConnection, build: Build, command: Command, folder: Path, place: Path
) -> dict[str, Any]:
    """Run the program on what the model reads; return what is noted of it. Raises TransformError if it fails."""
    model = build.model
    (folder / INPUTS).mkdir()
    with beside(con, build) as reader:
        inputs = {read: _written(reader, model, read, folder / INPUTS) for read in model.reads}
        ((timezone,),) = reader.execute("select current_setting('TimeZone')").fetchall()
    words, called = command.filled(_places(build, folder)), cut(" ".join(command.words), _CALLED)
    environment = _environment(model, command, str(timezone))
    facts: dict[str, Any] = {
        "model": model.name,
        "command": command.filled(_places(build, place)),
        "version": command.version,
        "environment": sorted(environment),
        "inputs": inputs,
    }
    begun = time.monotonic()
    try:
        facts["exit_code"] = run_to_end(words, folder, environment, folder / OUT, folder / ERR)
    except OSError as error:
        what = f"its command could not be started: {called}: {error.strerror or error}"
        raise TransformError(f"{model.place} could not be built: {what}. Install {words[0]}.") from error
    finally:
        facts["seconds"] = round(time.monotonic() - begun, 3)
        _write(folder, facts, command)
    if wrong := _wrong(facts["exit_code"], folder / OUTPUT):
        said = _said(folder, command)
        more = f"\n    It said last:\n    {indented(said)}" if said else ""
        raise TransformError(
            f"{model.place} could not be built: its command {wrong}: {called}{more}\n"
            f"    Its inputs, and all that it said, are in {place}. To run it again on them: etl debug"
        )
    return facts


def _places(build: Build, folder: Path) -> dict[str, str]:
    own = {
        "inputs": folder / INPUTS,
        "output": folder / OUTPUT,
        "folder": folder,
        "sql": (build.folder / build.model.file).parents[1],
        "python": sys.executable,
    }
    return {**build.variables, **{name: str(path) for name, path in own.items()}}


def _environment(model: Model, command: Command, timezone: str) -> dict[str, str]:
    """Return the variables that a program is given. Raises TransformError for one that is to be and is not set."""
    for name in command.environment:
        if name not in os.environ:
            what = f"ENVIRONMENT names {name}, which is not set"
            raise TransformError(
                f"{model.place} could not be built: {what}. Set it where etl runs, and run again."
            )
    found = {name: os.environ[name] for name in (*GIVEN, *command.environment) if name in os.environ}
    return {"TZ": timezone, **found}


def _written(con: duckdb.DuckDBPyConnection, model: Model, table: str, folder: Path) -> dict[str, Any]:
    """Write a table to a file, in order: the same rows are the same bytes. Return what is noted of it."""
    import duckdb

    path = folder / f"{table}.parquet"
    try:
        # when it was loaded, which tells nothing of it, is another time in each build from nothing
        added = DELIVERED if table.startswith("raw.") else ()
        columns = ", ".join(columns_for_parquet(con, table, added))
        query = f"select {columns} from {qualified(table)} order by all"
        rows = con.execute(f"copy ({query}) to {literal(str(path))} (format parquet)").fetchall()[0][0]
    except (ValueError, duckdb.Error) as error:
        what = f"what it reads cannot be given to its command: {sentence(str(error))}"
        raise TransformError(f"{model.place} could not be built: {what}") from error
    return {"rows": rows, **_file(path)}


def _file(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _write(folder: Path, facts: Mapping[str, Any], command: Command) -> None:
    text = json.dumps(facts, ensure_ascii=False, indent=1)
    (folder / FACTS).write_text(without_secrets(text, command.environment), encoding="utf-8")


def _wrong(code: int, output: Path) -> str:
    """Return what is wrong with how a program ended; empty if nothing is."""
    if code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"
    if code:
        return f"ended with exit code {code}"
    if output.is_symlink() or not output.is_file():
        return f"ended well, and wrote no file {OUTPUT}"
    return ""


def _said(folder: Path, command: Command) -> str:
    """Return the end of what a program said: of its errors, or else of its output."""
    for name in (ERR, OUT):
        content = (folder / name).read_bytes()[-_BYTES:].decode(errors="replace")
        if lines := [line.rstrip() for line in content.splitlines() if line.strip()]:
            return printable_lines(without_secrets("\n".join(lines[-_LINES:]), command.environment))
    return ""
