"""What tests of databases share: the servers, and the variable with the address of the one that a test asks."""

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.support import databases as db
from tests.support.servers import mariadb, postgresql

__all__ = ["mariadb", "postgresql", "run"]


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for name in {"mariadb", "postgresql"} & set(request.fixturenames):
        monkeypatch.setenv("SHOP_DSN", request.getfixturevalue(name).dsn)


@pytest.fixture(params=["postgresql", "mariadb", "sqlite", "PostgreSQL Unicode", "MariaDB Unicode"])
def run(request: pytest.FixtureRequest, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What runs statements on a database of each kind, whose address is in SHOP_DSN."""
    if request.param == "sqlite":
        path = tmp_path / "shop.db"
        monkeypatch.setenv("SHOP_DSN", f"sqlite:///{path}")

        def on_sqlite(*statements: str) -> None:
            with closing(sqlite3.connect(path)) as con:
                for statement in statements:
                    con.execute(statement)
                con.commit()

        return on_sqlite
    is_postgresql = request.param.startswith(("postgresql", "PostgreSQL"))
    server = request.getfixturevalue("postgresql" if is_postgresql else "mariadb")
    monkeypatch.setenv("SHOP_DSN", db.by_odbc(server, request.param) if " " in request.param else server.dsn)
    runner = db.run if is_postgresql else db.run_mysql
    return lambda *statements: runner(server, *statements)
