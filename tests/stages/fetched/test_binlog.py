"""Changes of a MariaDB: whatever is written, wherever a fetch ends, models hold the table and its history."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymysql import OperationalError
from pymysql.connections import Connection
from pymysqlreplication.column import Column as Logged
from pymysqlreplication.constants import FIELD_TYPE

from etl.errors import FetchError
from etl.operations.fetching import drop_slots
from etl.stages.fetched import manifests
from etl.stages.fetched.kinds.changes.binlog import statements
from etl.stages.fetched.kinds.changes.binlog.server import Server as Asking
from etl.stages.fetched.kinds.changes.binlog.stream import order, position, read_place
from etl.stages.fetched.kinds.changes.binlog.values import Bytes, Column, row_of
from tests.support import databases as db
from tests.support import servers
from tests.support.changed import ABOUT, CONTRACT, DAY, Changed, check_each_change_comes, ending

CREATE = "create table orders (id int primary key, item text, price decimal(9, 2))"


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Iterator["Shop"]:
    with servers.mariadb_database(tmp_path) as server:
        monkeypatch.setenv("SHOP_DSN", server.dsn)
        db.run_mysql(server, CREATE)
        yield Shop(tmp_path / "project", server)


class Shop(Changed):
    """The table on MariaDB, whose log tells of all tables."""

    contract = CONTRACT.replace("public.orders", "orders")
    held = "select cast(id as char), item, cast(price as char) from orders"

    def run(self, *statements: str) -> None:
        db.run_mysql(self.server, *statements)

    def ask(self, query: str) -> Sequence[tuple[Any, ...]]:
        return db.ask_mysql(self.server, query)


def test_the_table_comes_first_and_then_each_change_of_it(shop):
    check_each_change_comes(
        shop,
        "create table others (id int primary key) select 1 as id",
        "create index of_price on orders (price)",
        "grant select on orders to shop@'%'",
        "create table other_orders (id int primary key, orders_id int)",
        *("create table a (id int) engine = aria", "set autocommit = 0", "insert into a values (1)"),
        *("update orders set price = 77", "rollback", "set autocommit = 1"),
        gone="cup",
    )


@pytest.mark.parametrize("seed", range(2))
def test_random_transactions_and_killed_fetches_lose_and_double_nothing(shop, seed, monkeypatch):
    random, day = Random(seed), DAY
    shop.run(*(f"insert into orders values ({n}, 'first', {n})" for n in range(5)))
    for _ in range(4):
        with closing(db.connected(shop.server)) as one, closing(db.connected(shop.server)) as other:
            for con in (one, other):
                con.autocommit(False)
                con.query("set session transaction isolation level read committed")
            for step in range(random.randrange(1, 10)):
                # each session has keys of its own, so that none waits for the other
                con, parity = random.choice([(one, 0), (other, 1)])
                with con.cursor() as cursor:
                    write(cursor, random, 2 * random.randrange(6) + parity, step)
                if random.random() < 0.3:
                    (con.commit if random.random() < 0.8 else con.rollback)()
                if random.random() < 0.1:
                    shop.run("flush binary logs")
                if random.random() < 0.3:
                    day += timedelta(random.randrange(2))
                    fetch_or_fail(shop, day, random, monkeypatch)
            one.commit()
            other.commit()
    day += timedelta(1)
    shop.fetch(day, full=random.random() < 0.3)
    shop.check(day)


def write(cursor, random: Random, key: int, step: int) -> None:
    value = random.choice(["book", "", "ü\\\"'\n\t", "null", str(step)])
    match random.randrange(4):
        case 0:
            cursor.execute("delete from orders where id = %s", (key,))
        case 1:
            # to a key of the same parity
            cursor.execute("update ignore orders set id = %s where id = %s", (key + 12, key))
        case _:
            cursor.execute(
                "insert into orders values (%s, %s, %s) on duplicate key update item = value(item), "
                "price = value(price)",
                (key, value, random.choice([None, step, 1.25])),
            )


def fetch_or_fail(shop: Shop, day: date, random: Random, monkeypatch) -> None:
    """Fetch, and perhaps end before or after a rename."""
    with ending(monkeypatch, random.randrange(3)):
        shop.fetch(day)


def test_the_newest_file_can_be_fetched_again(shop):
    shop.fetch()
    shop.run("insert into orders values (1, 'book', 1)")
    newest = shop.fetch(DAY + timedelta(1)).newest
    (shop.project.fetched / newest.file).unlink()
    assert shop.fetch(DAY + timedelta(1)).newest.to == newest.to
    assert shop.changes() == [("insert", "1", "book")]


def test_a_table_that_nobody_changes_moves_on_with_the_files_of_the_log(shop):
    shop.fetch()
    assert shop.fetch().files == ()
    shop.run("flush binary logs", "create table others (id int primary key)", "insert into others values (1)")
    assert shop.fetch().files
    assert shop.fetch().files == ()
    source = db.sources(shop.project)["orders"]
    newest, first = [said for _, said in manifests(source, shop.project.fetched)]
    assert newest.rows == 0 and order(read_place(newest.to)) > order(read_place(first.to))


def test_a_log_that_was_purged_is_refused_and_all_of_it_told_again(shop, monkeypatch):
    shop.run("insert into orders values (1, 'book', 1), (2, 'cup', 2)")
    shop.fetch()
    shop.run("delete from orders where id = 1", "insert into orders values (3, 'pen', 3)")
    real = Asking.logs
    # as the server is when it has purged it: other tests read this one's log too
    monkeypatch.setattr(Asking, "logs", lambda server: {"bin.900000": 1})
    with pytest.raises(FetchError, match=r"begins at bin.900000: bin\.\d+, where .* was purged, .*--full"):
        shop.fetch(DAY + timedelta(1))
    assert len(shop.changes()) == 2
    monkeypatch.setattr(Asking, "logs", real)
    shop.fetch(DAY + timedelta(1), full=True)
    assert ("delete", "1", "book") in shop.changes()
    shop.check(DAY + timedelta(1))


def test_a_log_that_is_another_one_is_refused(shop, monkeypatch):
    shop.fetch()
    with monkeypatch.context() as patched:
        patched.setattr(Asking, "gtid", lambda server, file, at: "0-9-9")
        with pytest.raises(FetchError, match=r"is not the one that was read: .*0-9-9, and had .*--full"):
            shop.fetch(DAY + timedelta(1))
    monkeypatch.setattr(Asking, "begin", lambda server: ("bin.000000", 4))
    with pytest.raises(FetchError, match=r"ends at bin.000000:4, before what was fetched: .*Move data"):
        shop.fetch(DAY + timedelta(1), full=True)


def test_a_connection_that_breaks_while_the_log_is_read_is_not_made_again_in_the_midst(shop, monkeypatch):
    shop.fetch()
    shop.run("insert into orders values (1, 'book', 1), (2, 'cup', 2)")
    real, ended = Connection._read_packet, []

    def broken(self, *args, **more):
        # the log's own connection ends after the event that names the table, and before its rows
        if self in ended:
            raise OperationalError(2013, "Lost connection")
        found = real(self, *args, **more)
        if found._data[:1] == b"\0" and found._data[5:6] == b"\x13" and b"orders" in found._data:
            ended.append(self)
        return found

    monkeypatch.setattr(Connection, "_read_packet", broken)
    with pytest.raises(FetchError) as told:
        shop.fetch(DAY + timedelta(1))
    assert ended and told.value.is_transient
    monkeypatch.undo()
    monkeypatch.setenv("SHOP_DSN", shop.server.dsn)
    assert shop.fetch(DAY + timedelta(1)).rows == 2


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ("truncate orders", r"has the statement: truncate orders.*--full"),
        ("alter table orders add column more int default 5", r"has the statement: alter table.*--full"),
        (
            "set session binlog_row_image = minimal; update orders set price = 1",
            r"leaves values out.*binlog_row_image",
        ),
        (
            "xa start 'a'; update orders set price = 1; xa end 'a'; xa prepare 'a'; xa commit 'a'",
            r"XA transaction",
        ),
        ("rename table orders to away; create table orders like away", r"has the statement: rename table"),
    ],
)
def test_a_change_that_the_log_does_not_tell_whole_is_refused_until_all_is_fetched(shop, done, said):
    shop.run("insert into orders values (1, 'book', 9)")
    shop.fetch()
    shop.run(*done.split(";"))
    more = shop.ask("select count(*) from information_schema.columns where column_name = 'more'")
    if "add column" in done:
        assert more
        text = CONTRACT.replace("public.orders", "orders").replace('"orders"))', '"orders"), extra="ignore")')
        db.project(shop.project.root, text)
    with pytest.raises(FetchError, match=said):
        shop.fetch(DAY + timedelta(1))
    assert shop.changes() == [("snapshot", "1", "book")]
    shop.fetch(DAY + timedelta(1), full=True)
    shop.run("insert into orders (id, item) values (7, 'pen')")
    assert shop.fetch(DAY + timedelta(2)).rows == 1
    assert shop.changes()[-1] == ("insert", "7", "pen")


def test_a_statement_instead_of_rows_is_refused(tmp_path, monkeypatch):
    # no other test may meet it: a server of its own
    with servers.mariadb_database(tmp_path, "mariadb-apart") as server:
        monkeypatch.setenv("SHOP_DSN", server.dsn)
        shop = Shop(tmp_path / "project", server)
        shop.run(CREATE, "insert into orders values (1, 'book', 9)")
        shop.fetch()
        shop.run("set session binlog_format = statement", "update orders set price = 1")
        with pytest.raises(FetchError, match=r"statement instead of rows: update orders.*binlog_format.*--full"):
            shop.fetch(DAY + timedelta(1))
        assert shop.changes() == [("snapshot", "1", "book")]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("alter table orders drop primary key", r"no primary key.*alter table .* add primary key"),
        ("alter table orders engine = aria", r"is kept by Aria: .*engine=InnoDB"),
        ("alter table orders drop column price", r"does not have 'price', which the contract Orders requires"),
        ("alter table orders add column more int", r"columns that the contract Orders does not have: 'more'"),
        (
            "alter table orders drop price; alter table orders add price uuid",
            r"'price', uuid, in a form that",
        ),
        ("alter table orders add system versioning", r"is not a plain table"),
        (
            "create table c (id int primary key); alter table orders add foreign key (id) references c (id) "
            "on delete cascade",
            r"changed by the foreign key .* the log does not tell that",
        ),
        ("drop table orders; create view orders as select 1 as id", r"is not a plain table"),
        ("drop table orders", r"There is no orders"),
    ],
)
def test_a_table_whose_changes_cannot_be_told_is_refused_with_what_to_type(shop, before, said):
    shop.run(*before.split(";"))
    with pytest.raises(FetchError, match=said):
        shop.fetch()
    assert shop.records() == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("log_bin", "OFF", r"writes no log of changes\. Write log_bin=bin"),
        ("binlog_format", "MIXED", r"has binlog_format=MIXED: .*type: set global binlog_format = 'ROW'"),
        ("binlog_row_image", "MINIMAL", r"set global binlog_row_image = 'FULL'"),
        ("binlog_row_metadata", "NO_LOG", r"set global binlog_row_metadata = 'FULL'"),
        ("log_bin_compress", "ON", r"set global log_bin_compress = 'OFF'"),
        ("gtid_slave_pos", "0-1-1", r"is a replica that does not log what it copies"),
    ],
)
def test_a_log_that_does_not_tell_whole_rows_is_refused_by_name(shop, monkeypatch, name, value, said):
    real = Asking.setting
    # the server is shared: its settings stay
    monkeypatch.setattr(Asking, "setting", lambda server, own: value if own == name else real(server, own))
    with pytest.raises(FetchError, match=said):
        shop.fetch()


def test_a_mysql_is_told_of_other_roads(shop, monkeypatch):
    real = Asking.check_log

    def checked(server):
        server.session.is_maria = False
        real(server)

    monkeypatch.setattr(Asking, "check_log", checked)
    with pytest.raises(FetchError, match=r"is a MySQL: .*cursor='updated_at'"):
        shop.fetch()


def test_a_user_that_may_not_read_the_log_is_told_which_right_it_lacks(shop, monkeypatch):
    user = f"u{shop.server.database}"
    shop.run(f"create user {user}@'%' identified by '{servers.PASSWORD}'", f"grant select on orders to {user}@'%'")
    try:
        monkeypatch.setenv("SHOP_DSN", shop.server.dsn.replace("//shop:", f"//{user}:"))
        with pytest.raises(FetchError, match=r"grant replication slave, binlog monitor on \*\.\* to <user>"):
            shop.fetch()
        shop.run(f"grant replication slave, binlog monitor on *.* to {user}@'%'")
        assert shop.fetch().files
        shop.run("insert into orders values (1, 'book', 1)")
        assert shop.fetch().rows == 1
    finally:
        shop.run(f"drop user {user}@'%'")


def test_a_binlog_has_nothing_to_drop(shop, monkeypatch):
    shop.fetch()
    monkeypatch.chdir(shop.project.root)
    assert drop_slots(["orders"]) == {"orders": []}


#: Columns, and values of them that are not easy.
TYPES = {
    "i": ("int", ["-2147483648", "2147483647", "0"]),
    "u": ("bigint unsigned", ["18446744073709551615", "0"]),
    "s": ("bigint", ["-9223372036854775808", "9223372036854775807"]),
    "m": ("mediumint", ["-8388608", "8388607"]),
    "mu": ("mediumint unsigned", ["16777215"]),
    "z": ("int(6) zerofill", ["42", "1234567"]),
    "dz": ("decimal(8, 2) zerofill", ["42.5"]),
    "t": ("tinyint", ["-128", "127"]),
    "b1": ("bool", ["true", "false"]),
    "sm": ("smallint unsigned", ["65535"]),
    "n": ("decimal(12, 4)", ["-3.5", "0", "-0.0001", "99999999.9999"]),
    "n2": ("decimal(2, 2)", ["-0.01", "0.99"]),
    "n3": ("decimal(65, 30)", ["12345678901234567890123456789012345.123456789012345678901234567891", "-1"]),
    "n4": ("decimal(18, 0)", ["-123456789012345678", "1000000000"]),
    "n5": ("decimal(18, 9)", ["-123456789.000000001", "0.1"]),
    "f": ("float", ["0.1", "1e20", "-1e-20", "16777216", "123456.7", "3.4e38", "0"]),
    "f2": ("float(7, 3)", ["1234.5678", "-0.001"]),
    "d": ("double", ["0.1", "1e300", "-1e-300", "123456789012345678", "1e15", "1e16", "1e-14", "1e-15", "2.5"]),
    "d2": ("double(10, 2)", ["12345678.901", "0.005", "-1.115"]),
    "bi": ("bit(10)", ["513", "0"]),
    "bi64": ("bit(64)", ["18446744073709551615"]),
    "bn": ("binary(5)", ["'ab'", "x'ff00'", "''"]),
    "vb": ("varbinary(9)", ["'ab '", "x'00ff'", "''"]),
    "bl": ("blob", ["x'00ff27'", "''"]),
    "lb": ("longblob", ["repeat('x', 70000)"]),
    "c": ("char(4)", ["'ab'", "'ü'", "''", "' a '"]),
    "cl": ("char(200)", ["'ab'", "repeat('ü', 200)"]),
    "v": ("varchar(10)", ["'a b '", "'😀'", "'null'", "''"]),
    "vl": ("varchar(300)", ["repeat('ü', 300)", "'x'"]),
    "tx": ("text", ["'a\\nb\\t\\\\\"'", "repeat('y', 300)"]),
    "la": ("varchar(10) character set latin1", ["'é€'"]),
    "u16": ("varchar(10) character set utf16", ["'é😀'"]),
    "e": ("enum('a', 'b''c', 'd,e')", ["'a'", "'b''c'", "'d,e'"]),
    "se": ("set('x', 'y''z', 'w')", ["'x,w'", "'y''z'", "''"]),
    "j": ("json", ["'{\"a\": [1, null]}'"]),
    "da": ("date", ["'2024-02-29'", "'0000-00-00'", "'2024-00-00'", "'1000-01-01'", "'9999-12-31'"]),
    "dt": (
        "datetime",
        ["'2024-01-02 03:04:05'", "'0000-00-00'", "'2024-05-00 01:02:03'", "'9999-12-31 23:59:59'"],
    ),
    "dt3": ("datetime(3)", ["'2024-01-02 03:04:05.678'", "'1000-01-01 00:00:00.001'"]),
    "dt5": ("datetime(5)", ["'2024-01-02 03:04:05.67891'"]),
    "ts": ("timestamp null", ["'2024-01-02 03:04:05'", "'0000-00-00'", "'1970-01-01 00:00:01'"]),
    "ts1": ("timestamp(1) null", ["'2024-01-02 03:04:05.7'"]),
    "ts6": ("timestamp(6) null", ["'2038-01-19 03:14:07.999999'"]),
    "ti": ("time", ["'-838:59:59'", "'12:34:56'", "'-00:00:01'"]),
    "ti1": ("time(1)", ["'-00:00:00.1'", "'1:2:3.4'", "'-12:00:01.9'"]),
    "ti2": ("time(2)", ["'-12:00:01.25'", "'0:0:0'"]),
    "ti5": ("time(5)", ["'-00:00:00.00001'", "'838:59:58.99999'"]),
    "ti6": ("time(6)", ["'-01:00:00.000001'"]),
    "y": ("year", ["2024", "0", "1901", "2155"]),
}


def test_values_of_every_type_are_the_servers_text_in_the_table_and_in_its_log(shop):
    columns = ", ".join(f"`{name}` {type}" for name, (type, _) in TYPES.items())
    fields = "".join(f"    {name}: str = pa.Field(nullable=True)\n" for name in TYPES)
    shop.run("drop table orders", f"create table orders (id int primary key, {columns})")
    head = f"from etl import Changes\nclass Orders(pa.DataFrameModel):\n    id: int\n{fields}{ABOUT}\n"
    text = f'{head}orders = Source(contract=Orders, fetch=Changes("SHOP_DSN", "orders"))\n'
    shop.project = db.project(shop.project.root.parent / "types", text, {})
    rows = range(max(len(values) for _, values in TYPES.values()) + 1)
    put = []
    for row in rows:
        values = (vs[row] if row < len(vs) else "null" for _, vs in TYPES.values())
        put.append(f"insert into orders values ({row}, {', '.join(values)})")
    shop.run("set sql_mode = '', time_zone = '+00:00'", *put)
    shop.fetch()
    shop.run("set sql_mode = '', time_zone = '+00:00'", "delete from orders", *put)
    shop.fetch()
    known = shop.records()
    held = {op: {one["id"]: one for one in known if one["_op"] == op} for op in ("snapshot", "delete", "insert")}
    for row in rows:
        for name in TYPES:
            texts = {op: held[op][str(row)][name] for op in held}
            assert len(set(texts.values())) == 1, (TYPES[name], row, texts)
    first = held["snapshot"]["0"]
    assert [first[name] for name in ("z", "bi", "bn", "e", "se")] == ["42", "513", "0x6162000000", "a", "x,w"]
    assert held["snapshot"]["1"]["da"] == "0000-00-00"


FLOATS = st.one_of(
    st.floats(-1e300, 1e300), st.floats(-1e6, 1e6), st.floats(width=32, allow_nan=False, allow_infinity=False)
)


@example(
    numbers=[1e15, 1000000000000000.5, -1234567890123456.8, 12345678901234567.0, 999999999999999.9, 1e-14, 1e-15]
)
@given(numbers=st.lists(FLOATS, min_size=1, max_size=40))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_float_of_the_log_is_written_as_the_server_writes_it(shop, numbers):
    # the server reads -0.0 as 0
    numbers = [number + 0.0 for number in numbers]
    small = [number if number == 0 or 1e-30 < abs(number) < 3e38 else 1.5 for number in numbers]
    pairs = zip(range(len(numbers)), small, numbers, strict=True)
    values = ", ".join(f"({place}, {less!r} + 0e0, {number!r} + 0e0)" for place, less, number in pairs)
    shop.run("create or replace table t (n int primary key, f float, d double)", f"insert into t values {values}")
    said = {n: (f, d) for n, f, d in shop.ask("select n, cast(f as char), cast(d as char) from t")}
    columns = [
        Column(name=name, type=name, short=name, charset=None, family="float") for name in ("float", "double")
    ]
    logged = [Logged(type=kind) for kind in (FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE)]
    for place, number in enumerate(numbers):
        data = b"\0" + struct.pack("<f", small[place]) + struct.pack("<d", number)
        assert tuple(row_of(Bytes(data), logged, columns).values()) == said[place]


def test_a_position_sorts_as_the_log_does():
    places = [("bin.000001", 4), ("bin.000001", 900), ("bin.000009", 5), ("bin.000010", 4), ("bin.1000000", 4)]
    assert sorted(places, key=order) == places
    texts = [position(place, number) for place in places for number in (0, 1, 9, 10, 100)]
    assert sorted(texts) == texts


@pytest.mark.parametrize(
    ("statement", "default", "concerned"),
    [
        ("alter table orders add x int", "shop", True),
        ("ALTER TABLE `shop`.`orders` add x int", "", True),
        ("alter table other.orders add x int", "shop", False),
        ("alter table orders add x int", "other", False),
        ("alter table orders_old add x int", "shop", False),
        ("rename table x to shop . orders", "other", True),
        ("create or replace table orders (id int)", "shop", True),
        ("/*!40000 alter table `orders` disable keys */", "shop", True),
        ("drop table if exists a, shop.orders", "other", True),
        ("drop database `shop`", "", True),
        ("drop database workshop", "", False),
        ("create unique index i on orders (id)", "shop", False),
        (
            "create definer=`a`@`b` trigger t before insert on orders for each row set @a = 1",
            "shop",
            False,
        ),
        ("create or replace view v as select * from orders", "shop", False),
        ("grant select on shop.orders to ann", "shop", False),
    ],
)
def test_a_statement_that_may_change_the_rows_of_the_table_is_known(statement, default, concerned):
    text = statements.told(statement)
    assert not statements.makes_rows(text)
    assert statements.concerns(text, default, "shop", "orders") == concerned


@pytest.mark.parametrize(
    "statement", ["insert into a values (1)", "/* x */ replace a values (1)", "call p()", "do f()"]
)
def test_a_statement_that_writes_rows_is_known(statement):
    assert statements.makes_rows(statements.told(statement))
    assert statements.makes_rows(statements.told(f"set statement binlog_format = statement for {statement}"))
