"""What is PostgreSQL's own: the horizon, roles, time limits, errors that pass, and values that Arrow bends."""

import os
from contextlib import closing

import psycopg
import pytest

from etl.errors import FetchError
from etl.sources.fetches.database import Table
from etl.stages.fetched.kinds import database
from tests.support import databases as db
from tests.support.cursors import InMemory, Reader, asked_for
from tests.support.interleavings import CREATE

STAMPED = CREATE.replace("not null)", "not null default now())")


def add(con, value):
    con.execute("insert into items (value) values (%s)", (value,))


def test_the_horizon_waits_for_the_oldest_transaction_and_needs_no_overlap(postgresql):
    db.run(postgresql, STAMPED)
    reader = Reader(Table("SHOP_DSN", "items", cursor="updated_at", horizon=True))
    with closing(psycopg.connect(postgresql.dsn)) as slow:
        add(slow, 1)
        db.run(postgresql, "insert into items (value) values (2)")
        assert [row["value"] for row in reader.fetch()] == [2]
        assert reader.newest.to < str(db.ask(postgresql, "select min(updated_at)::text from items")[0][0])
        slow.commit()
    assert {row["value"] for row in reader.fetch()} == {1, 2}


def test_a_role_that_may_not_see_others_falls_back_to_the_overlap(postgresql, monkeypatch):
    db.run(postgresql, STAMPED, "insert into items (value) values (1)")
    role = f"r{postgresql.database}"
    db.run(postgresql, f"create role {role} login", f"grant select on items to {role}")
    monkeypatch.setenv("SHOP_DSN", postgresql.dsn.replace("//shop:", f"//{role}:"))
    table = Table("SHOP_DSN", "items", cursor="updated_at", horizon=True)
    landing = InMemory()
    told = database.fetch(asked_for(table, Reader(table).contract, None), landing)
    assert told.notes == ["the horizon cannot be seen by this role, so the overlap holds"]
    assert (told.rows, told.horizon) == (1, None)
    db.run(postgresql, f"revoke all on items from {role}")
    with pytest.raises(FetchError, match="permission denied for table items"):
        Reader(table).fetch()
    db.run(postgresql, f"drop role {role}")


def test_a_value_that_arrow_bends_comes_as_text_however_late_it_comes(postgresql):
    stamp = "timestamptz '2024-01-01' + i * interval '1 s' as updated_at"
    made = f"create table items as select i as id, i as value, {stamp}"
    db.run(postgresql, f"{made} from generate_series(1, 300000) i")
    db.run(
        postgresql, "insert into items values (0, 0, 'infinity'), (-1, 0, '-infinity'), (-2, 0, '0044-03-15 BC')"
    )
    with database.together() as sessions:
        reader = Reader(Table("SHOP_DSN", "items"), sessions)
        rows = reader.fetch()
        # the connection is of use to others afterwards
        assert len(reader.fetch()) == len(rows) == 300_003
    assert {row["updated_at"] for row in rows[-3:]} == {"infinity", "-infinity", "0044-03-15 00:00:00+00 BC"}
    assert rows[0]["updated_at"] == "2024-01-01 00:00:01+00"
    # it is known from now on, so that it is read once only
    assert reader.newest.more["as_text"] == ["updated_at"]


def test_a_fetch_says_who_asks_and_ends_in_time(postgresql):
    db.run(
        postgresql,
        "create view items as select 1 as id, length(current_setting('application_name')) as value, "
        "now() as updated_at",
    )
    assert Reader(Table("SHOP_DSN", "items")).fetch()[0]["value"] == len("etl/items")
    db.run(
        postgresql,
        "create or replace view items as select 1 as id, 2 as value, now() as updated_at from pg_sleep(9)",
    )
    table = Table("SHOP_DSN", "items")
    with pytest.raises(FetchError, match="canceling statement due to statement timeout"):
        database.fetch(asked_for(table, Reader(table).contract, None, seconds=1), InMemory())


def test_it_reads_and_never_writes(postgresql):
    db.run(
        postgresql,
        STAMPED,
        "create function adds() returns int language sql as "
        "'insert into items (value) values (1) returning value'",
        "create view writes as select 1 as id, adds() as value, now() as updated_at",
    )
    with pytest.raises(FetchError, match="read-only transaction"):
        Reader(Table("SHOP_DSN", "writes")).fetch()


@pytest.mark.parametrize(
    ("dsn", "said", "passes"),
    [
        ("postgresql://shop:ocelot@127.0.0.1:1/shop", "Connection refused", True),
        ("postgresql://shop:ocelot@127.0.0.1:{port}/nowhere", 'database "nowhere" does not exist', False),
        ("mysql://shop:ocelot@127.0.0.1:1/shop", "Can't connect to MySQL server", True),
        ("sqlite:///nowhere.db", "nowhere.db, and there is no such file", False),
    ],
)
def test_what_passes_is_tried_again_and_nothing_secret_is_said(postgresql, monkeypatch, dsn, said, passes):
    monkeypatch.setenv("SHOP_DSN", dsn.format(port=postgresql.port))
    with pytest.raises(FetchError, match=said) as raised:
        Reader(Table("SHOP_DSN", "items")).fetch()
    assert raised.value.is_transient is passes
    assert "ocelot" not in str(raised.value)


def test_a_source_that_fails_leaves_the_snapshot_to_the_others(postgresql):
    db.run(postgresql, STAMPED, "insert into items (value) values (1)")
    with database.together() as sessions:
        session = sessions.of("SHOP_DSN")
        table = Table("SHOP_DSN", "items")
        database.fetch(asked_for(table, Reader(table).contract, None, shared=sessions), InMemory())
        snapshot = session.snapshot
        with pytest.raises(FetchError, match="There is no nowhere"):
            database.fetch(
                asked_for(Table("SHOP_DSN", "nowhere"), Reader(table).contract, None, shared=sessions), InMemory()
            )
        db.run(postgresql, "insert into items (value) values (2)")
        told = database.fetch(asked_for(table, Reader(table).contract, None, shared=sessions), InMemory())
        assert (told.rows, told.snapshot) == (1, snapshot)
        # a connection that is gone is opened again
        db.run(
            postgresql,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name ~ '^etl' and datname = current_database()",
        )
        with pytest.raises(FetchError) as raised:
            database.fetch(asked_for(table, Reader(table).contract, None, shared=sessions), InMemory())
        assert raised.value.is_transient
        told = database.fetch(asked_for(table, Reader(table).contract, None, shared=sessions), InMemory())
        assert told.rows == 2


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(os.environ, "SHOP_DSN", "postgresql://db/shop")
    monkeypatch.setitem(__import__("sys").modules, "adbc_driver_postgresql", None)
    monkeypatch.delitem(__import__("sys").modules, "etl.stages.fetched.kinds.database.postgresql", raising=False)
    with pytest.raises(FetchError, match=r"pip install 'etl\[postgresql\]'"):
        Reader(Table("SHOP_DSN", "items")).fetch()


def test_a_disk_that_is_full_is_no_word_of_the_database(postgresql):
    class Full(InMemory):
        def write(self, batch):
            raise OSError(28, "No space left on device")

    db.run(postgresql, STAMPED, "insert into items (value) select generate_series(1, 300000)")
    table = Table("SHOP_DSN", "items")
    with pytest.raises(OSError, match="No space left on device"):
        database.fetch(asked_for(table, Reader(table).contract, None), Full())
