"""Opening the ledger: its tables, and the version of them that this etl writes."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.errors import LedgerError

log = logging.getLogger("etl")

#: Raise it, with a step in _MIGRATIONS, when an older etl would misread what a newer one writes.
VERSION = 1

_SCHEMA = """
create table if not exists receipts (
    step text, name text, partition text, fingerprint text, outcome text, run_id text, finished_at text,
    seconds real, details text, primary key (step, name, partition));
create table if not exists runs (
    run_id text primary key, batch_date text, started_at text, finished_at text, outcome text, pid integer,
    git_commit text, versions text, summary text);
create table if not exists problems (run_id text, step text, message text);
create table if not exists checks (
    name text primary key, table_name text, severity text, passed integer, failing integer, examples text,
    run_id text, fingerprint text);
create table if not exists offending (name text primary key, query text, rows text);
create table if not exists row_counts (
    table_name text, batch_date text, run_id text, rows integer, fingerprint text,
    primary key (table_name, batch_date));
create table if not exists generations (
    generation text primary key, run_id text, published_at text, fingerprint text);
create table if not exists switches (
    at text, generation text, before text, kind text, by text, reason text);
create table if not exists approvals (
    generation text, by text, reason text, at text, primary key (generation, by));
create table if not exists files (
    path text primary key, size integer, changed_ns integer, inode integer, sha256 text);
create table if not exists cache (name text primary key, key text, value text);
create table if not exists steps (
    run_id text, step text, name text, partitions text, started_at text, seconds real, cpu_seconds real,
    rows_in integer, rows_out integer, rejected integer, bytes_read integer, bytes_written integer,
    peak_memory_bytes integer, attempts integer, outcome text, why text, message text,
    did text, warnings text, parts integer,
    primary key (run_id, step, name));
create table if not exists check_history (
    run_id text, name text, table_name text, severity text, passed integer, failing integer,
    primary key (run_id, name)) without rowid;
create table if not exists run_facts (
    run_id text primary key, trigger text, command text, user text, host text, environment text,
    is_dirty integer, seconds real, cpu_seconds real, bytes_read integer, bytes_written integer,
    peak_memory_bytes integer);
create table if not exists profiles (
    table_name text, partition text, column_name text, run_id text, batch_date text, facts text,
    primary key (table_name, partition, batch_date, column_name)) without rowid;
create table if not exists incidents (
    key text primary key, kind text, subject text, headline text, owners text, run_id text, opened_at text,
    last_date text, nights integer);
create table if not exists notices (
    id integer primary key, run_id text, at text, channel text, title text, body text, state text, tries integer,
    tried_at text, said text, claim text);
create table if not exists failed_nights (
    source text, partition text, content text, nights integer, last_date text,
    primary key (source, partition));
create table if not exists cleared (
    step text, name text, partition text, since text, primary key (step, name, partition)) without rowid;
create table if not exists lineage (run_id text primary key, events integer, accepted integer);
create table if not exists untold (run_id text primary key);
create table if not exists fetch_log (
    source text, day text, run_id text, looked_at text, seconds real, outcome text, files text, rows integer,
    bytes integer, cursor text, message text, file text, primary key (source, day));
create table if not exists experiments (
    experiment_id text primary key, run_id text, model text, origin text, started_at text, cut_off text,
    commit_id text, params text, metrics text, seed integer, libraries text, rows integer, seconds real,
    cpu_seconds real, fingerprint text, model_version text, verdict text);
create table if not exists curves (
    experiment_id text, step integer, name text, value real,
    primary key (experiment_id, name, step)) without rowid;
"""

#: What the cache keeps of a run that has left nothing to do, as long as no receipt changes.
UNCHANGED = "nothing to do"
_SCHEMA += "".join(
    f"create trigger if not exists {table}_{event} after {event} on {table} "
    f"begin delete from cache where name = '{UNCHANGED}'; end;"
    for table in ("receipts", "row_counts", "cleared")
    for event in ("insert", "update", "delete")
)
#: What was cleared is done again once there is a receipt of since; of a partition, once it is loaded.
_SCHEMA += """
create trigger if not exists done_again after insert on receipts begin
    delete from cleared where step = new.step and name = new.name and partition = new.partition
        and step <> 'extract' and new.run_id >= since;
    delete from cleared where new.step = 'load' and step = 'extract' and name = new.name and partition in (
        select partition from receipts where step = 'extract' and name = new.name and run_id >= cleared.since);
end;
"""

#: What brings a ledger from the version before to each version; tables that lack are made anyway.
_MIGRATIONS: dict[int, str] = {1: ""}

_DAMAGED = ("file is not a database", "malformed", "Could not decode to UTF-8")

#: How long a writer waits for another process's transaction, in seconds.
_BUSY_SECONDS = 60


def connect(path: Path) -> sqlite3.Connection:
    """Open the ledger, made or brought up to VERSION if need be; forked children open it for themselves.

    A damaged one is moved aside. Raises LedgerError for one that a newer etl wrote: it may mean something else.
    """
    try:
        return _opened(path)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        aside = set_aside(path)
        log.warning(
            "warning: %s is damaged (%s). It was moved to %s, and a new one is made", path, error, aside.name
        )
        return _opened(path)


def is_damage(error: Exception) -> bool:
    """Return whether SQLite says that the file is not what was written, or a text in it was not written by etl."""
    return isinstance(error, ValueError) or any(sign in str(error) for sign in _DAMAGED)


def damaged_path(path: Path) -> Path:
    """Return where a damaged ledger is moved to."""
    return path.with_name(f"{path.name}.damaged")


def set_aside(path: Path) -> Path:
    """Move a damaged ledger, which is rebuilt from the lake; return where it is now."""
    aside = damaged_path(path)
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside


def copied(path: Path) -> sqlite3.Connection:
    """Return a copy of the ledger in memory, brought up to VERSION; of none, an empty one.

    Nothing is written to its disk, which may be full or read-only. Raises LedgerError for one of a newer etl.
    """
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    if path.exists():
        _copy(path, memory)
    return _updated(memory, path)


def _copy(path: Path, memory: sqlite3.Connection) -> None:
    try:
        return _backup(f"{path.absolute().as_uri()}?mode=ro", memory)
    except sqlite3.OperationalError as error:
        if is_damage(error):
            raise
    # beside a ledger with a log SQLite wants to write, if only to be told of other readers
    with TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{suffix}", f"{folder}/{path.name}{suffix}")
        _backup((Path(folder) / path.name).as_uri(), memory)


def _backup(uri: str, memory: sqlite3.Connection) -> None:
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS)) as ledger:
        ledger.backup(memory)


def _opened(path: Path) -> sqlite3.Connection:
    con = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
    return _updated(con, path)


def _updated(con: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    found = con.execute("pragma user_version").fetchone()[0]
    if found > VERSION:
        con.close()
        raise LedgerError(
            f"The ledger {path} has version {found}, and this etl knows versions up to {VERSION}. A newer etl "
            "works on this project. Nothing was changed. Install the newer one here too."
        )
    con.execute("pragma journal_mode = wal")
    con.execute("pragma synchronous = normal")
    con.executescript(_SCHEMA)
    if found < VERSION:
        steps = "".join(_MIGRATIONS[version] for version in range(found + 1, VERSION + 1))
        con.executescript(f"begin immediate; {steps} pragma user_version = {VERSION}; commit;")
    return con
