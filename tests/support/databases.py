"""Projects that fetch tables of databases, and what their warehouses hold afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project, load_project
from etl.sources import Source
from etl.stages.fetched import Fetched, fetch
from tests.support import tiny
from tests.support.servers import Server

DAY = date(2024, 3, 1)


def project(root: Path, contracts: str, sql: Mapping[str, str] | None = None, settings: str = "") -> Project:
    """Return a project with this text of a contract file below the usual imports."""
    head = "from typing import Annotated\nimport pandas as pd\nimport pandera.pandas as pa\nimport pyarrow\n"
    text = f"{head}from datetime import date\nfrom etl import Query, Source, Table\n\n{contracts}"
    return tiny.project(root, text, sql or {}, {}, f"threads = 1\nretries = 0\n{settings}")


def sources(project: Project) -> Mapping[str, Source]:
    """Return the project's sources."""
    return definitions(load_project(project.root), Ledger(project.ledger))[0].sources


def fetched(project: Project, day: date = DAY, *names: str, **options: Any) -> dict[str, Fetched]:
    """Fetch sources, by default all."""
    known = sources(project)
    return {name: fetch(project, known[name], day, **options) for name in names or known}


def rejected(project: Project, source: str) -> list[tuple[str, str]]:
    """Return rule and text of what is in quarantine of a source."""
    files = [str(file) for file in sorted((project.quarantine / source).rglob("*.parquet"))]
    with tiny.memory() as con:
        query = "select rule, text from read_parquet(?, hive_partitioning = false) order by line"
        return con.execute(query, [files]).fetchall() if files else []


def run(server: Server, *statements: str) -> None:
    """Run statements on PostgreSQL, each a transaction of its own."""
    import psycopg

    with closing(psycopg.connect(server.dsn, autocommit=True)) as con:
        for statement in statements:
            con.execute(statement.encode())


def drop_slots(server: Server) -> None:
    """Drop the replication slots of the database: it cannot be dropped before."""
    run(
        server,
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()",
    )


def ask(server: Server, query: str) -> Sequence[tuple[Any, ...]]:
    """Ask PostgreSQL, which writes in UTC."""
    import psycopg

    with closing(psycopg.connect(server.dsn, autocommit=True, options="-c timezone=UTC")) as con:
        return con.execute(query.encode()).fetchall()


def run_mysql(server: Server, *statements: str) -> None:
    """Run statements on MariaDB."""
    with closing(connected(server)) as con, con.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def ask_mysql(server: Server, query: str) -> Sequence[tuple[Any, ...]]:
    """Ask MariaDB, which writes in UTC."""
    with closing(connected(server)) as con, con.cursor() as cursor:
        cursor.execute("set time_zone = '+00:00'")
        cursor.execute(query)
        return cursor.fetchall()


def connected(server: Server) -> Any:
    """Return a connection to MariaDB that commits each statement."""
    import pymysql

    from tests.support.servers import PASSWORD

    known = {"host": "127.0.0.1", "port": server.port, "user": server.user, "password": PASSWORD}
    return pymysql.connect(**known, database=server.database, autocommit=True, charset="utf8mb4")


def by_odbc(server: Server, driver: str) -> str:
    """Return the address of a server by ODBC. Skips the test where there is no such driver."""
    import pytest

    from tests.support.servers import PASSWORD

    # without unixODBC it is there, and cannot be imported
    reason = "pyodbc or unixODBC is not installed"
    pyodbc = pytest.importorskip("pyodbc", reason=reason, exc_type=ImportError)
    if driver not in pyodbc.drivers():
        pytest.skip(f"there is no driver {driver} of ODBC: make daemons")
    who = f"UID={server.user};PWD={{{PASSWORD}}}"
    return f"odbc:Driver={driver};Server=127.0.0.1;Port={server.port};Database={server.database};{who}"


def landed_of_sqlite(
    path: Path, declared: Sequence[str], rows: Sequence[Sequence[Any]]
) -> list[tuple[str | None, ...]]:
    """Return what is landed of a table `held` in a new SQLite file, with columns declared so and these rows."""
    import sqlite3
    from unittest.mock import patch

    from etl.contract.contract import Column, Contract
    from etl.sources.fetches.database import Table
    from tests.support.cursors import Reader

    names = [f"c{number}" for number in range(len(declared))]
    with closing(sqlite3.connect(path)) as con:
        made = ", ".join(f"{name} {type}" for name, type in zip(names, declared, strict=True))
        con.execute(f"create table held ({made})")
        con.executemany(f"insert into held values ({', '.join('?' * len(names))})", rows)
        con.commit()
    contract = Contract("Held", columns=tuple(Column(name, "VARCHAR", True) for name in names))
    with patch.dict("os.environ", SHOP_DSN=f"sqlite:///{path}"):
        found = Reader(Table("SHOP_DSN", "held"), contract=contract, key="").fetch()
    return [tuple(row[name] for name in names) for row in found]
