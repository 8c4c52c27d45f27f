"""Small senders, one of each kind of fetch: what the laws of fetching are held to.

A kind that is added has a maker here: a context manager that starts a real server, or makes a table or a file, and
gives a Sender.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import azure, databases, google, publishers, servers, stores
from tests.support.api import TOKEN, Api, api, basic

#: An order: its id, what was bought, and when it was changed, as `2024-03-01 12:00:00`.
Row = tuple[int, str | None, str]


@dataclass(kw_only=True)
class Sender:
    """Somebody who holds orders, and says them when they are fetched."""

    #: What a contract file writes after `fetch=`, and what else it holds.
    fetch: str
    contracts: str = ""
    #: More options of the source, such as `format=JsonLines()`.
    options: str = ""
    #: Have the sender hold exactly these orders.
    hold: Callable[[Sequence[Row]], object]
    #: Have nobody answer; and answer again.
    go_away: Callable[[], object]
    come_back: Callable[[], object]
    #: Variables of the environment, and what of them may never be written or said.
    environment: Mapping[str, str] = field(default_factory=dict)
    canaries: Sequence[str] = ()
    #: The library that the kind needs, as it is imported; empty if it needs none.
    library: str = ""
    #: Whether a process that has asked may be forked, and ask again.
    forks: bool = True
    #: The API that it is, which notes what it is asked.
    api: Api | None = None


@contextmanager
def _function(folder: Path, parameters: str, body: str, options: str) -> Iterator[Sender]:
    """A function in Python that reads a file; it says what is new if it is asked so."""
    held, away = folder / "held.json", folder / "away.json"
    held.write_text("[]")
    contracts = f"""
import json, os
from pathlib import Path
from typing import Any

def said({parameters}):
    token = os.environ["CRM_LOGIN"]
    path = Path({str(held)!r})
    if not path.exists():
        raise RuntimeError(f"401 for https://ann:{{token}}@crm.example.org with {{token}}")
    rows = json.loads(path.read_text())
{body}
"""
    yield Sender(
        fetch=f"Fetch(said{options}, environment=['CRM_LOGIN'])",
        contracts=contracts,
        hold=lambda rows: held.write_text(
            json.dumps([dict(zip(("id", "item", "updated_at"), row, strict=True)) for row in rows])
        ),
        go_away=lambda: held.rename(away),
        come_back=lambda: away.rename(held),
        environment={"CRM_LOGIN": "canary word/1@2"},
        canaries=["canary word/1@2"],
    )


def _records(folder: Path) -> AbstractContextManager[Sender]:
    return _function(folder, "", "    yield from rows", "")


def _tables(folder: Path) -> AbstractContextManager[Sender]:
    body = """
    import pyarrow as pa
    schema = pa.schema([("id", pa.int64()), ("item", pa.string()), ("updated_at", pa.string())])
    for start in range(0, len(rows), 2):
        yield pa.Table.from_pylist(rows[start : start + 2], schema=schema)
"""
    return _function(folder, "", body, "")


def _incremental(folder: Path) -> AbstractContextManager[Sender]:
    body = "    yield from (row for row in rows if cursor is None or row['updated_at'] >= cursor)"
    return _function(folder, "cursor", body, ', column="updated_at"')


def _own_cursor(folder: Path) -> AbstractContextManager[Sender]:
    body = """
    yield from (row for row in rows if not cursor or row["updated_at"] >= cursor["seen"])
    return {"seen": max((row["updated_at"] for row in rows), default="")}
"""
    return _function(folder, "cursor", body, "")


#: How a column is declared that holds what laws write into it, and how a fetch says that it reads it.
_ORDERS = "create table orders (id int primary key, item varchar(20), updated_at {})"
_TABLE, _CURSOR = 'Table("SHOP_DSN", "orders")', 'Table("SHOP_DSN", "orders", cursor="updated_at")'
_CHANGES = 'Changes("SHOP_DSN", "orders")'
_QUERY = 'Query("SHOP_DSN", "select * from orders")'


def _database(
    fetch: str, library: str, address: str, run: Callable[..., None], stamp: str, nowhere: str
) -> Iterator[Sender]:
    """A table in a database that somebody else writes to; it is away when its address leads nowhere."""
    run(_ORDERS.format(stamp))

    def hold(rows: Sequence[Row]) -> None:
        texts = (", ".join("null" if value is None else repr(value) for value in row) for row in rows)
        run("delete from orders", *(f"insert into orders values ({text})" for text in texts))

    yield _at(address, nowhere, hold, library, fetch=fetch)


def _at(address: str, nowhere: str, hold: Callable[[Sequence[Row]], None], library: str, **more: Any) -> Sender:
    """Return a sender whose address a variable holds; it is away when that leads nowhere."""
    return Sender(
        hold=hold,
        go_away=lambda: os.environ.update(SHOP_DSN=nowhere),
        come_back=lambda: os.environ.update(SHOP_DSN=address),
        environment={"SHOP_DSN": address},
        canaries=[servers.PASSWORD] if servers.PASSWORD in address else [],
        library=library,
        **more,
    )


def _sqlite(fetch: str) -> Callable[[Path], AbstractContextManager[Sender]]:
    def made(folder: Path) -> Iterator[Sender]:
        def run(*statements: str) -> None:
            with closing(sqlite3.connect(folder / "shop.db")) as con:
                for statement in statements:
                    con.execute(statement)
                con.commit()

        address = f"sqlite:///{folder}/shop.db"
        yield from _database(fetch, "", address, run, "text", address.replace("shop.db", "away.db"))

    return contextmanager(made)


def _served(
    start: Callable[[Path], AbstractContextManager[servers.Server]],
    run: Callable[..., None],
    library: str,
    stamp: str,
    address: Callable[[servers.Server], str] = lambda server: server.dsn,
) -> Callable[[str], Callable[[Path], AbstractContextManager[Sender]]]:
    """Return makers of a server's table, one for each way to fetch it."""

    def of(fetch: str) -> Callable[[Path], AbstractContextManager[Sender]]:
        def made(folder: Path) -> Iterator[Sender]:
            with start(folder) as server:
                here, nowhere = address(server), address(replace(server, port=1))
                yield from _database(fetch, library, here, partial(run, server), stamp, nowhere)

        return contextmanager(made)

    return of


_postgresql = _served(servers.postgresql_database, databases.run, "adbc_driver_postgresql", "timestamp")
_mariadb = _served(servers.mariadb_database, databases.run_mysql, "pymysql", "datetime")
_odbc = _served(
    *(servers.postgresql_database, databases.run, "pyodbc", "timestamp"),
    partial(databases.by_odbc, driver="PostgreSQL Unicode"),
)


@contextmanager
def _api(path: str, options: str) -> Iterator[Sender]:
    """An API; `path` is the kind of its pages."""
    with api() as held:
        yield Sender(
            fetch=f"Rest('{held.url}/{path}', {options}, auth=Bearer('SHOP_TOKEN'), answer_within='5 seconds')",
            hold=lambda rows: _hold(held, rows),
            go_away=lambda: held.faults.extend([(403, {})] * 9),
            come_back=held.faults.clear,
            environment={"SHOP_TOKEN": TOKEN},
            canaries=[TOKEN],
            library="httpx2",
            api=held,
        )


def _hold(held: Api, rows: Sequence[Row]) -> None:
    held.orders = [dict(zip(("id", "item", "updated_at"), row, strict=True)) for row in rows]


def _paged(path: str, options: str) -> Callable[[Path], AbstractContextManager[Sender]]:
    return lambda folder: _api(path, options)


@contextmanager
def _download(folder: Path, has_tag: bool) -> Iterator[Sender]:
    """A file on the web, of CSV; a server without tags says when it was changed."""
    with api() as held:
        held.etag = has_tag

        def hold(rows: Sequence[Row]) -> None:
            held.file = _csv(rows)

        yield Sender(
            fetch=f"Download('{held.url}/files/orders.csv', auth=Basic('SHOP_USER', 'SHOP_PASSWORD'))",
            hold=hold,
            go_away=lambda: held.faults.extend([(403, {})] * 9),
            come_back=held.faults.clear,
            environment={"SHOP_USER": "ann", "SHOP_PASSWORD": TOKEN},
            canaries=[TOKEN, basic("ann", TOKEN).removeprefix("Basic ")],
            library="httpx2",
        )


def _csv(rows: Sequence[Row]) -> bytes:
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in sorted(rows)]
    return "\n".join(["id,item,updated_at", *lines, ""]).encode()


@contextmanager
def _bucket(folder: Path) -> Iterator[Sender]:
    """A bucket of S3."""
    with stores.bucket() as held:
        yield _of_bucket(held, stores.SECRET)


@contextmanager
def _google(folder: Path) -> Iterator[Sender]:
    """A bucket of Google."""
    with google.bucket() as held:
        yield _of_bucket(held, held.secret)


@contextmanager
def _azure(folder: Path) -> Iterator[Sender]:
    """A container of Azure."""
    with azure.bucket(folder) as held:
        yield _of_bucket(held, azure.KEY)


def _of_bucket(held: stores.S3 | google.Google | azure.Azure, canary: str) -> Sender:
    return Sender(
        fetch=held.declared(),
        options="files='orders.csv'",
        hold=lambda rows: held.put("in/orders.csv", _csv(rows)),
        go_away=held.go_away,
        come_back=held.come_back,
        environment=held.environment,
        canaries=[canary],
        library="obstore",
        forks=False,
    )


@contextmanager
def _sftp(folder: Path) -> Iterator[Sender]:
    """A folder that a server shows over SSH."""
    with stores.sftp(folder) as held:
        yield Sender(
            fetch=held.fetch(),
            options="files='orders.csv'",
            hold=lambda rows: held.put("in/orders.csv", _csv(rows)),
            go_away=held.go_away,
            come_back=held.come_back,
            environment=held.environment,
            canaries=[stores.SECRET],
            library="asyncssh",
        )


@contextmanager
def _changes(folder: Path) -> Iterator[Sender]:
    """A table whose changes are read from the log: `hold` changes no row that is to stay as it is."""
    if not servers.has_wal2json():
        pytest.skip("wal2json is not installed: apt-get install postgresql-15-wal2json")
    with servers.postgresql_database(folder) as server:
        # what was committed is in the log at once
        run = partial(databases.run, server, "set synchronous_commit = on")
        nowhere = server.dsn.replace(f":{server.port}/", ":1/")
        run(_ORDERS.format("timestamp"), "alter table orders replica identity full")

        def hold(rows: Sequence[Row]) -> None:
            texts = ", ".join(
                f"({', '.join('null' if one is None else repr(one) for one in row)})" for row in rows
            )
            values = f"(values {texts}) as v (id, item, updated_at)"
            run(
                f"delete from orders where id not in (select id from {values})",
                f"insert into orders select id, item, updated_at::timestamp from {values} on conflict (id) do "
                "update set item = excluded.item, updated_at = excluded.updated_at "
                "where (orders.item, orders.updated_at) is distinct from (excluded.item, excluded.updated_at)",
            )

        yield _at(server.dsn, nowhere, hold, "psycopg", fetch=_CHANGES, options='extra="ignore"')
        databases.drop_slots(server)


@contextmanager
def _binlog(folder: Path) -> Iterator[Sender]:
    """A table of MariaDB whose changes are read from the log: `hold` changes no row that is to stay as it is."""
    with servers.mariadb_database(folder) as server:
        run, nowhere = partial(databases.run_mysql, server), server.dsn.replace(f":{server.port}/", ":1/")
        run(_ORDERS.format("datetime"))

        def hold(rows: Sequence[Row]) -> None:
            texts = [", ".join("null" if one is None else repr(one) for one in row) for row in rows]
            same = "on duplicate key update item = value(item), updated_at = value(updated_at)"
            run(f"delete from orders where id not in ({', '.join(str(row[0]) for row in rows) or 'null'})")
            run(*(f"insert into orders values ({text}) {same}" for text in texts))

        yield _at(server.dsn, nowhere, hold, "pymysqlreplication", fetch=_CHANGES, options='extra="ignore"')


def _project(kind: str, partition: str = "") -> Callable[[Path], AbstractContextManager[Sender]]:
    """Another project, whose table or view is published anew; it is away when its link is."""

    def made(folder: Path) -> Iterator[Sender]:
        held = publishers.project(folder / "shop")

        def hold(rows: Sequence[Row]) -> None:
            made = (
                "select * from staging.orders" if partition else "select id, item, updated_at from staging.orders"
            )
            publishers.publish(
                held,
                {
                    "staging.orders": (
                        "id bigint, item varchar, updated_at varchar, day date default '2024-02-29'",
                        [(*row, "2024-02-29") for row in rows],
                    ),
                    "marts.orders": f"create {kind} marts.orders as {made}",
                },
                {"marts.orders": partition} if partition else {},
            )

        away = held.current.with_name("away")
        yield Sender(
            fetch=f"Project({str(held.root)!r}, 'marts.orders', partition={partition!r})",
            options="extra='ignore'",
            hold=hold,
            go_away=lambda: held.current.rename(away),
            come_back=lambda: away.rename(held.current),
        )

    return contextmanager(made)


#: An API with each kind of pages, by its name.
PAGED: Mapping[str, Callable[[Path], AbstractContextManager[Sender]]] = {
    "one page": _paged("one", "records='data.items'"),
    "NextLink": _paged("links", "records='items', pages=NextLink(), since='since', cursor='updated_at'"),
    "HeaderLink": _paged("header", "pages=HeaderLink()"),
    "NextCursor": _paged("cursor", "records='items', pages=NextCursor('meta.next')"),
    "HeaderCursor": _paged("cursor", "records='items', pages=HeaderCursor('X-Next-Cursor')"),
    "Offset": _paged("offset", "pages=Offset(limit=3)"),
    "PageNumber": _paged("page", "pages=PageNumber()"),
    "Range": _paged("range", "pages=Range(limit=2)"),
}

#: The makers of each kind, by the name of its class.
MAKERS: dict[str, Sequence[Callable[[Path], AbstractContextManager[Sender]]]] = {
    "Bucket": (_bucket, _google, _azure),
    "Download": (lambda folder: _download(folder, True), lambda folder: _download(folder, False)),
    "Changes": (_changes, _binlog),
    "Project": (_project("table"), _project("view"), _project("table", "day")),
    "Fetch": (_records, _tables, _incremental, _own_cursor),
    "Query": (_sqlite(_QUERY),),
    "Table": (_sqlite(_CURSOR), _postgresql(_CURSOR), _mariadb(_TABLE), _odbc(_CURSOR)),
    "Sftp": (_sftp,),
    "Rest": (PAGED["one page"], PAGED["NextLink"], PAGED["Offset"]),
}
#: More ways of a kind, for whoever has the time: each kind of database in full, by a cursor, and by a query.
MORE: dict[str, Sequence[Callable[[Path], AbstractContextManager[Sender]]]] = {
    "Table": (_sqlite(_TABLE), _postgresql(_TABLE), _mariadb(_CURSOR), _odbc(_TABLE)),
    "Query": (_postgresql(_QUERY), _mariadb(_QUERY), _odbc(_QUERY)),
    "Rest": [maker for maker in PAGED.values() if maker not in MAKERS["Rest"]],
}
