"""Changes of a PostgreSQL: whatever is written, wherever a fetch ends, models hold the table and its history."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from random import Random
from typing import Any

import psycopg
import pyarrow
import pytest

from etl.errors import ConfigError, ContractError, FetchError
from etl.operations.fetching import drop_slots, fetch_now
from etl.reports.fetches import fetch_status, told
from etl.sources.fetches.changes import Changes
from etl.stages.fetched import manifests
from etl.stages.fetched.kinds.changes.server import Server as Asking
from etl.stages.fetched.kinds.changes.stream import place, position
from tests.support import databases as db
from tests.support import servers
from tests.support.changed import ABOUT, CONTRACT, DAY, Changed, check_each_change_comes, ending

CREATE = "create table orders (id int primary key, item text, price numeric(9, 2))"


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Iterator["Shop"]:
    if not servers.has_wal2json():
        pytest.skip("wal2json is not installed: apt-get install postgresql-15-wal2json")
    with servers.postgresql_database(tmp_path) as server:
        monkeypatch.setenv("SHOP_DSN", server.dsn)
        db.run(server, CREATE)
        yield Shop(tmp_path / "project", server)
        db.drop_slots(server)


class Shop(Changed):
    """The table on PostgreSQL, which has a slot for it."""

    def run(self, *statements: str) -> None:
        db.run(self.server, "set synchronous_commit = on", *statements)

    def ask(self, query: str) -> Sequence[tuple[Any, ...]]:
        return db.ask(self.server, query)

    def slots(self) -> list[str]:
        return [
            name
            for (name,) in self.ask(
                "select slot_name from pg_replication_slots where database = current_database()"
            )
        ]


def test_the_table_comes_first_and_then_each_change_of_it(shop):
    check_each_change_comes(
        shop,
        "create table others (id int primary key); insert into others values (1)",
        gone=None,
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_transactions_and_killed_fetches_lose_and_double_nothing(shop, seed, monkeypatch):
    random, day = Random(seed), DAY
    shop.run(*(f"insert into orders values ({n}, 'first', {n})" for n in range(5)))
    # a slot is made when all open transactions are over
    shop.fetch()
    for _ in range(8):
        sessions = [closing(psycopg.connect(shop.server.dsn)) for _ in range(2)]
        with sessions[0] as one, sessions[1] as other:
            for con in (one, other):
                con.execute("set synchronous_commit = on")
            for step in range(random.randrange(1, 8)):
                # each session has keys of its own, so that none waits for the other
                con, parity = random.choice([(one, 0), (other, 1)])
                write(con, random, 2 * random.randrange(6) + parity, step)
                if random.random() < 0.3:
                    (con.commit if random.random() < 0.8 else con.rollback)()
                if random.random() < 0.3:
                    day += timedelta(random.randrange(2))
                    fetch_or_fail(shop, day, random, monkeypatch)
            one.commit()
            other.commit()
    day += timedelta(1)
    shop.fetch(day)
    shop.check(day)


def write(con, random: Random, key: int, step: int) -> None:
    value = random.choice(["book", "", "ü\\\"'\n\t", "null", str(step)])
    match random.randrange(4):
        case 0:
            con.execute("delete from orders where id = %s", (key,))
        case 1:
            # to a key of the same parity
            con.execute(
                "update orders set id = %s where id = %s and not exists (select from orders where id = %s)",
                (key + 12, key, key + 12),
            )
        case _:
            con.execute(
                "insert into orders values (%s, %s, %s) on conflict (id) do update set item = excluded.item, "
                "price = excluded.price",
                (key, value, random.choice([None, step, 1.25])),
            )


def fetch_or_fail(shop: Shop, day: date, random: Random, monkeypatch) -> None:
    """Fetch, and perhaps end before or after a rename, or when the slot has moved on."""
    at, ask = random.randrange(4), Asking.ask

    def asked(self, sql, *values):
        found = ask(self, sql, *values)
        if at == 3 and "advance" in sql:
            raise OSError(5, "ended", "slot")
        return found

    with ending(monkeypatch, at) as patched:
        patched.setattr(Asking, "ask", asked)
        shop.fetch(day)


def test_all_of_it_again_tells_which_rows_are_gone(shop):
    shop.run("insert into orders values (1, 'book', 1), (2, 'cup', 2)")
    shop.fetch()
    (first,) = shop.slots()
    db.run(shop.server, f"select pg_drop_replication_slot('{first}')")
    shop.run("delete from orders where id = 1", "insert into orders values (3, 'pen', 3)")
    with pytest.raises(FetchError, match=r"is gone, .*Fetch all of the table: etl fetch orders --full"):
        shop.fetch()
    shop.fetch(DAY + timedelta(1), full=True)
    assert ("delete", "1", "book") in shop.changes()
    assert shop.slots() == [f"{first}_2"]
    shop.run("update orders set item = 'mug' where id = 2")
    shop.fetch(DAY + timedelta(2))
    shop.check(DAY + timedelta(2))
    shop.fetch(DAY + timedelta(3), full=True)
    shop.fetch(DAY + timedelta(4))
    assert shop.slots() == [first]
    shop.check(DAY + timedelta(4))


def test_the_slot_follows_one_file_behind_so_that_the_newest_can_be_fetched_again(shop):
    shop.fetch()
    (slot,) = shop.slots()

    def flushed() -> int:
        query = f"select confirmed_flush_lsn::text from pg_replication_slots where slot_name = '{slot}'"
        return place(shop.ask(query)[0][0])

    known = [flushed()]
    for number in range(3):
        shop.run(f"insert into orders values ({number}, 'book', 1)")
        assert shop.fetch(DAY + timedelta(number)).rows == 1
        known.append(flushed())
    assert known[0] == known[1] == known[2] < known[3]
    newest = shop.fetch(DAY + timedelta(3)).newest
    assert known[3] < place(newest.to)
    (shop.project.fetched / newest.file).unlink()
    assert shop.fetch(DAY + timedelta(3)).rows == 1
    shop.check(DAY + timedelta(3))


def test_a_quiet_table_lets_the_log_of_others_go(shop, monkeypatch):
    shop.fetch()
    shop.run("create table others as select repeat('x', 500) from generate_series(1, 1000)")
    with monkeypatch.context() as patched:
        patched.setattr("etl.stages.fetched.kinds.changes.slot._QUIET_BYTES", 1 << 16)
        assert shop.fetch().files
    assert shop.fetch().files == ()
    source = db.sources(shop.project)["orders"]
    newest, first = [said for _, said in manifests(source, shop.project.fetched)]
    assert newest.rows == 0 and place(newest.to) > place(first.to)
    shop.run("insert into orders values (1, 'book', 1)")
    assert shop.fetch().rows == 1
    shop.check(DAY)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("alter table orders drop constraint orders_pkey", r"no primary key.*alter table .* add primary key"),
        ("alter table orders replica identity nothing", r"alter table .* replica identity default"),
        ("alter table orders drop column price", r"does not have 'price', which the contract Orders requires"),
        ("alter table orders add column more int", r"columns that the contract Orders does not have: 'more'"),
        (
            'alter table orders add column "_op" text',
            r"has a column '_op', which etl needs for itself\. Rename it",
        ),
        ("drop table orders; create view orders as select 1 as id", r"is not a plain table"),
        ("drop table orders", r"There is no public.orders"),
    ],
)
def test_a_table_whose_changes_cannot_be_told_is_refused_with_what_to_type(shop, before, said):
    db.run(shop.server, before)
    with pytest.raises(FetchError, match=said):
        shop.fetch()
    assert shop.slots() == []


def test_without_the_columns_about_changes_nothing_is_fetched(shop):
    text = CONTRACT.replace(ABOUT, ABOUT.replace('    deleted: bool = pa.Field(alias="_deleted")\n', ""))
    shop.project = db.project(shop.project.root.parent / "other", text, {})
    with pytest.raises(FetchError, match=r"The contract Orders does not have '_deleted': without them no model"):
        shop.fetch()
    assert shop.slots() == []


def test_a_beginning_that_somebody_names_means_nothing_for_changes(shop):
    with pytest.raises(FetchError, match=r"--since means nothing for changes: the newest file knows where"):
        shop.fetch(since="0/1")
    assert shop.slots() == []


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["truncate orders"], r"was truncated.*etl fetch orders --full"),
        (["update orders set price = 2"], r"leaves out 'item'.*replica identity full; and then .* --full"),
        (["update orders set price = 'NaN', item = 'x'"], r"'price' holds NaN or Infinity"),
        (
            [
                "alter table orders drop constraint orders_pkey",
                "update orders set item = 'x'",
                "alter table orders add primary key (id)",
            ],
            r"had no primary key for a while.*--full",
        ),
    ],
)
def test_a_change_that_the_log_does_not_tell_whole_is_refused(shop, statements, said):
    shop.run("alter table orders alter item set storage external")
    shop.run("insert into orders values (1, repeat('x', 5000), 1)")
    shop.fetch()
    shop.run(*statements)
    with pytest.raises(FetchError, match=said):
        shop.fetch()
    assert len(shop.changes()) == 1


def test_a_slot_that_somebody_else_has_read_is_refused(shop):
    shop.fetch()
    shop.run("insert into orders values (1, 'book', 1)")
    (slot,) = shop.slots()
    shop.ask(f"select pg_replication_slot_advance('{slot}', pg_current_wal_lsn())")
    with pytest.raises(FetchError, match=r"was read by somebody else.*are lost here.*--full"):
        shop.fetch()


def test_a_slot_that_another_process_reads_just_now_is_waited_for(shop):
    shop.run("insert into orders values (1, 'book', 1)")
    shop.fetch()
    (slot,) = shop.slots()
    with closing(psycopg.connect(shop.server.dsn, autocommit=True, replication="database")) as other:
        began = other.pgconn.exec_(f"START_REPLICATION SLOT {slot} LOGICAL 0/0".encode())
        assert began.status == psycopg.pq.ExecStatus.COPY_BOTH, began.error_message
        with pytest.raises(FetchError, match=rf"The slot {slot} at .* is being read by another process") as found:
            shop.fetch()
        assert found.value.is_transient
    assert shop.changes() == [("snapshot", "1", "book")]


def test_a_log_that_ends_before_what_was_fetched_is_refused(shop, monkeypatch):
    shop.run("insert into orders values (1, 'book', 1)")
    to = str(shop.fetch().newest.to)
    # as if what was fetched were of a server whose log went further
    patched = "etl.stages.fetched.kinds.changes.slot.place"
    monkeypatch.setattr(patched, lambda lsn: place("FF/0" if lsn == to else lsn))
    with pytest.raises(FetchError, match=r"The log of .* ends at .*, before what was fetched: .* Move data"):
        shop.fetch(DAY + timedelta(1), full=True)
    assert shop.changes() == [("snapshot", "1", "book")]


def test_a_slot_for_which_the_server_kept_too_little_and_a_server_without_room_are_told(shop, monkeypatch):
    narrow = servers.narrow_postgresql(shop.project.root)
    monkeypatch.setenv("SHOP_DSN", narrow.dsn)
    db.run(narrow, CREATE, "insert into orders values (1, 'book', 1)")
    db.run(narrow, "select pg_create_logical_replication_slot('other', 'wal2json')")
    with pytest.raises(FetchError, match=r"all replication slots are in use.* Drop those that nobody reads"):
        shop.fetch()
    db.drop_slots(narrow)
    shop.fetch()
    for _ in range(6):
        db.run(narrow, "update orders set item = 'cup'", "select pg_switch_wal()", "checkpoint")
    with pytest.raises(FetchError, match=r"is invalid: .* max_slot_wal_keep_size, and changes are lost.*--full"):
        shop.fetch(DAY + timedelta(1))
    assert shop.changes() == [("snapshot", "1", "book")]
    # a lost slot makes room for the one that takes its place
    shop.fetch(DAY + timedelta(1), full=True)
    assert shop.changes()[1:] == [("snapshot", "1", "cup")]
    db.drop_slots(narrow)


def test_the_slot_of_a_source_that_is_given_up_is_dropped_and_no_other(shop, monkeypatch):
    other = f"other_{shop.server.database}"
    shop.ask(f"select pg_create_logical_replication_slot('{other}', 'wal2json')")
    shop.fetch()
    (slot,) = set(shop.slots()) - {other}
    monkeypatch.chdir(shop.project.root)

    assert drop_slots(["orders"]) == {"orders": [slot]}
    assert shop.slots() == [other]
    assert drop_slots(["orders"]) == {"orders": []}
    with pytest.raises(FetchError, match=rf"The slot {slot} at .* is gone.*etl fetch orders --full"):
        shop.fetch()
    shop.fetch(full=True)
    shop.check(DAY)


def test_a_named_slot_of_somebody_else_is_not_dropped_with_the_source(shop, monkeypatch):
    slot = f"mine_{shop.server.database}"
    text = CONTRACT.replace('"public.orders")', f'"public.orders", slot="{slot}")')
    shop.project = db.project(shop.project.root.parent / "other", text, {})
    shop.ask(f"select pg_create_logical_replication_slot('{slot}', 'wal2json')")
    monkeypatch.chdir(shop.project.root)
    assert drop_slots(["orders"]) == {"orders": []}
    assert shop.slots() == [slot]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], r"Say whose slot is to be dropped: etl fetch SOURCE --drop-slot"),
        (["items"], r"items has no slot: only a source with fetch=Changes"),
        (["files"], r"files"),
    ],
)
def test_only_a_source_of_changes_has_a_slot_to_drop(tmp_path, monkeypatch, names, said):
    more = 'items = Source(contract=Orders, fetch=Table("SHOP_DSN", "items"), extra="ignore")\n'
    more += 'files = Source(contract=Orders, files="orders/{date}.csv")\n'
    monkeypatch.chdir(db.project(tmp_path, CONTRACT + more).root)
    with pytest.raises(ConfigError, match=said):
        drop_slots(names)


def test_a_named_slot_that_is_there_already_is_left_to_its_owner(shop):
    slot = f"mine_{shop.server.database}"
    text = CONTRACT.replace('"public.orders")', f'"public.orders", slot="{slot}")')
    shop.project = db.project(shop.project.root.parent / "other", text, {})
    shop.ask(f"select pg_create_logical_replication_slot('{slot}', 'wal2json')")
    with pytest.raises(FetchError, match=rf"There is a slot {slot} .*select pg_drop_replication_slot\('{slot}'\)"):
        shop.fetch()
    shop.ask(f"select pg_drop_replication_slot('{slot}')")
    shop.fetch()
    assert shop.slots() == [slot]


def test_a_role_that_may_not_read_the_log_is_told_which_right_it_lacks(shop, monkeypatch):
    role = f"r{shop.server.database}"
    db.run(shop.server, f"create role {role} login", f"grant select on orders to {role}")
    monkeypatch.setenv("SHOP_DSN", shop.server.dsn.replace("//shop:", f"//{role}:"))
    with pytest.raises(FetchError, match="alter role <user> replication"):
        shop.fetch()
    db.run(shop.server, f"alter role {role} replication")
    assert shop.fetch().files
    db.run(shop.server, f"drop owned by {role}", f"drop role {role}")


def test_values_are_the_servers_text_in_the_table_and_in_its_log(shop):
    types = (
        "b bytea, ok bool, c char(5), i inet, a int[], j jsonb, ts timestamptz, d date, f float8, u uuid, t text"
    )
    row = "'\\x00ff', true, 'ab', '1.2.3.4', '{1,2}', '{\"a\": 1}', '2024-03-01 12:00+02', '0044-03-15 BC', 0.1, "
    row += "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', e'a\\nb\\t\\\\\"'"
    db.run(shop.server, "drop table orders", f"create table orders (id int primary key, {types})")
    fields = "".join(f"    {one.split()[0]}: str = pa.Field(nullable=True)\n" for one in types.split(", "))
    text = f"from etl import Changes\nclass Orders(pa.DataFrameModel):\n    id: int\n{fields}{ABOUT}\n"
    text += 'orders = Source(contract=Orders, fetch=Changes("SHOP_DSN", "orders"))\n'
    shop.project = db.project(shop.project.root.parent / "types", text, {})
    shop.run(f"insert into orders values (1, {row})", "insert into orders values (2)")
    shop.fetch()
    shop.run("delete from orders", f"insert into orders values (1, {row})", "insert into orders values (2)")
    shop.fetch()
    held: dict[str, list[tuple]] = {"1": [], "2": []}
    for path in sorted(shop.project.fetched.rglob("*.zst")):
        with pyarrow.input_stream(str(path), compression="zstd") as file:
            for line in file.read().splitlines():
                record = json.loads(line)
                if not record["_deleted"]:
                    held[record["id"]].append(tuple(record[one.split()[0]] for one in types.split(", ")))
    assert held["1"][0] == held["1"][1]
    assert held["1"][0][:4] == ("\\x00\\xff", "true", "ab", "1.2.3.4")
    assert held["2"] == [(None,) * 11] * 2


def test_the_status_says_how_much_the_server_keeps_for_the_slot(shop, monkeypatch):
    monkeypatch.setenv("ETL_PROJECT", str(shop.project.root))
    (row,) = fetch_now([])
    said = told(fetch_status(shop.project, db.sources(shop.project)["orders"], row))
    (slot,) = shop.slots()
    assert re.search(rf"cursor \w+/\w+, the server keeps [\d.,]+ MB of its log for the slot {slot}$", said)


def test_a_position_sorts_as_the_log_does():
    places = ["0/9", "0/10", "0/FFFFFFFF", "1/0", "A/1", "10/0"]
    assert sorted(places, key=place) == places
    texts = [position(lsn, number) for lsn in places for number in (0, 1, 9, 10, 100)]
    assert sorted(texts) == texts


@pytest.mark.parametrize("slot", ["Etl", "a b", "x" * 61, "a;b"])
def test_a_slot_that_no_server_takes_is_refused(slot):
    with pytest.raises(ContractError, match="cannot be the name of a slot"):
        Changes("SHOP_DSN", "orders", slot=slot)


def test_other_databases_are_told_of_the_cursor(monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "SHOP_DSN", "sqlite:///shop.db")
    project = db.project(tmp_path, CONTRACT, {})
    with pytest.raises(FetchError, match=r"has no log of changes that etl reads.*cursor='updated_at'"):
        db.fetched(project, DAY, "orders")
