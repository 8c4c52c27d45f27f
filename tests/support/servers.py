"""Real servers for tests, of databases above all: started once for all tests of a run, and gone when the run is.

A server is a child of a watcher, which ends it when the process that runs the tests is gone, however that ended.
The processes of one run share it: the first one that needs it starts it, and writes where it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

#: Where Debian puts PostgreSQL, beside the PATH; the newest version first.
POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
#: A password that no test may find anywhere: the servers do not ask for it.
PASSWORD = "pa55-ocelot-9431"
_PATIENCE_SECONDS = 90
#: What this process has started: it is not waited for.
_RUNNING: list[subprocess.Popen[bytes]] = []

#: Runs argv[3:] until the process argv[1] is gone, then ends it and removes the folder argv[2].
_WATCHER = """
import os, shutil, signal, subprocess, sys, time
owner, folder, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
def is_there():
    try:
        os.kill(owner, 0)
    except OSError:
        return False
    return True
while is_there() and server.poll() is None:
    time.sleep(0.2)
server.send_signal(signal.SIGQUIT if "postgres" in command[0] else signal.SIGTERM)
try:
    server.wait(10)
except subprocess.TimeoutExpired:
    server.kill()
shutil.rmtree(folder, ignore_errors=True)
"""


@dataclass(frozen=True)
class Server:
    """A server, and a database in it that is the test's own."""

    kind: str
    port: int
    database: str
    user: str = "shop"

    @property
    def dsn(self) -> str:
        """The address of the database, with a password in it."""
        return f"{self.kind}://{self.user}:{PASSWORD}@127.0.0.1:{self.port}/{self.database}"


def has_wal2json() -> bool:
    """Return whether PostgreSQL can tell changes as JSON."""
    return bool(POSTGRESQL) and (POSTGRESQL[0].parent / "lib/wal2json.so").exists()


def postgresql_server(base: Path) -> int | None:
    """Return the port of the run's PostgreSQL; None if it is not installed."""
    return shared(base, "postgresql", _start_postgresql) if POSTGRESQL else None


def narrow_postgresql(base: Path) -> Server:
    """Return a PostgreSQL with one slot alone, for which it keeps next to nothing of its log; skip without one."""
    if not POSTGRESQL:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    options = {"max_replication_slots": "1", "max_slot_wal_keep_size": "1MB", "max_wal_size": "2MB"}
    start = partial(_start_postgresql, segment_megabytes=1, **options, min_wal_size="2MB", wal_keep_size="0")
    return Server("postgresql", shared(base_of(base), "postgresql-narrow", start), "postgres")


def mariadb_server(base: Path, name: str = "mariadb") -> int | None:
    """Return the port of the run's MariaDB, or of another one; None if it is not installed."""
    return shared(base, name, _start_mariadb) if shutil.which("mariadb-install-db") else None


@pytest.fixture
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A database of one's own in a real PostgreSQL."""
    with postgresql_database(tmp_path_factory.getbasetemp()) as server:
        yield server


@pytest.fixture
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A database of one's own in a real MariaDB."""
    with mariadb_database(tmp_path_factory.getbasetemp()) as server:
        yield server


@contextmanager
def postgresql_database(folder: Path) -> Iterator[Server]:
    """Give a database in the PostgreSQL of the run in whose temporary folder `folder` is; skip without one."""
    import psycopg

    port = postgresql_server(base_of(folder))
    if port is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    name = f"t{uuid.uuid4().hex[:12]}"
    admin = f"postgresql://shop@127.0.0.1:{port}/postgres"
    with psycopg.connect(admin, autocommit=True) as con:
        con.execute(f"create database {name}".encode())
    yield Server("postgresql", port, name)
    with psycopg.connect(admin, autocommit=True) as con:
        con.execute(f"drop database {name} with (force)".encode())


@contextmanager
def mariadb_database(folder: Path, name: str = "mariadb") -> Iterator[Server]:
    """Give a database in the MariaDB of the run in whose temporary folder `folder` is; skip without one."""
    import pymysql

    port = mariadb_server(base_of(folder), name)
    if port is None:
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    database = f"t{uuid.uuid4().hex[:12]}"
    with pymysql.connect(host="127.0.0.1", port=port, user="shop", password=PASSWORD) as con, con.cursor() as cur:
        cur.execute(f"create database {database} character set utf8mb4")
    yield Server("mysql", port, database)
    with pymysql.connect(host="127.0.0.1", port=port, user="shop", password=PASSWORD) as con, con.cursor() as cur:
        cur.execute(f"drop database {database}")


def base_of(folder: Path) -> Path:
    """Return the folder that all processes of the run share."""
    return next((one for one in (folder, *folder.parents) if re.fullmatch(r"pytest-\d+", one.name)), folder)


def shared(base: Path, name: str, start: Callable[[Path, int], list[str]]) -> int:
    """Return the port of a server, which is started if no other process of the run has started it."""
    told = base / f"{name}.json"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            told.write_text(json.dumps(_started(name, start)))
        return int(json.loads(told.read_text()))


def _started(name: str, start: Callable[[Path, int], list[str]]) -> int:
    # of the system's own folder: a user of the server's own has to get in
    folder, port = Path(tempfile.mkdtemp(prefix=f"etl-{name}-")), _free_port()
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    command = start(folder, port)
    with (folder / "log").open("wb") as log:
        watcher = subprocess.Popen(
            [sys.executable, "-c", _WATCHER, str(owner), str(folder), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    _RUNNING.append(watcher)
    until = time.monotonic() + _PATIENCE_SECONDS
    while not _is_ready(name, port):
        if time.monotonic() > until or watcher.poll() is not None:
            pytest.fail(f"{name} did not start: {(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.05)
    return port


def _start_postgresql(folder: Path, port: int, segment_megabytes: int = 16, **more: str) -> list[str]:
    bin = POSTGRESQL[0]
    data = folder / "data"
    as_user = _as("postgres", folder)
    init = ["initdb", "-D", str(data), "-U", "shop", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
    init += [f"--wal-segsize={segment_megabytes}"]
    subprocess.run([*as_user, str(bin / init[0]), *init[1:]], check=True, capture_output=True, cwd="/")
    options = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "logical"}
    options |= {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "60"}
    options |= {"max_replication_slots": "60", "max_wal_senders": "60"}
    options |= {"port": str(port), "shared_buffers": "64MB", "dynamic_shared_memory_type": "mmap"} | more
    settings = [f"--{name}={value}" for name, value in options.items()]
    return [*as_user, str(bin / "postgres"), "-D", str(data), *settings]


def _start_mariadb(folder: Path, port: int) -> list[str]:
    data, user = folder / "data", "mysql" if os.getuid() == 0 else ""
    as_user = [f"--user={user}"] if user else []
    if user:
        shutil.chown(folder, user)
    made = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", *as_user]
    subprocess.run([*made, "--auth-root-authentication-method=normal"], check=True, capture_output=True, cwd="/")
    (folder / "init.sql").write_text(
        f"create user shop@'%' identified by '{PASSWORD}';\ngrant all on *.* to shop@'%' with grant option;\n"
    )
    daemon = shutil.which("mariadbd") or "mariadbd"
    return [
        *(daemon, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"),
        *(f"--socket={folder}/s", f"--pid-file={folder}/pid", f"--init-file={folder}/init.sql", *as_user),
        *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--skip-name-resolve"),
        *(
            "--log-bin=bin",
            "--server-id=1",
            "--binlog-format=ROW",
            "--binlog-row-metadata=FULL",
            "--sync-binlog=0",
        ),
    ]


def _as(user: str, folder: Path) -> list[str]:
    """Return what runs a command as a user that the server wants, for root; it owns the folder then."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, user)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _is_ready(name: str, port: int) -> bool:
    """Return whether a server takes connections."""
    import psycopg
    import pymysql

    try:
        if name.startswith("postgresql"):
            psycopg.connect(f"postgresql://shop@127.0.0.1:{port}/postgres").close()
        elif name.startswith("mariadb"):
            pymysql.connect(host="127.0.0.1", port=port, user="shop", password=PASSWORD).close()
        else:
            socket.create_connection(("127.0.0.1", port)).close()
        return True
    except (psycopg.OperationalError, pymysql.OperationalError, ConnectionError):
        return False
