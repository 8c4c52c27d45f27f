"""Types that come by ODBC: what is landed is the server's own value, with all its digits and its zone."""

import pytest

from etl.contract.clocks import ZONED
from etl.contract.contract import Column, Contract
from etl.errors import FetchError
from etl.sources.fetches.database import Query, Table
from tests.support import databases as db
from tests.support.cursors import Reader

#: How a column is declared, a value as SQL, and what is landed.
POSTGRESQL = {
    "smallint": ("-32768", "-32768"),
    "bigint": ("9223372036854775807", "9223372036854775807"),
    "numeric(38,10)": ("1234567890123456789012345678.0123456789", "1234567890123456789012345678.0123456789"),
    "double precision": ("0.1", "0.1"),
    "varchar(20)": ("' é\U0001f600 % \\ '' '", " é\U0001f600 % \\ ' "),
    "text": ("repeat('x', 20000)", "x" * 20000),
    "date": ("'0001-02-03'", "0001-02-03"),
    "timestamp": ("'2024-02-29 12:34:56.000001'", "2024-02-29 12:34:56.000001"),
    "timestamptz": ("'2024-02-29 12:34:56.000001+02'", "2024-02-29 10:34:56.000001+00"),
    "time": ("'23:59:59.000001'", "23:59:59.000001"),
    "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    "bytea": ("'\\x00deadbeef'", "0x00deadbeef"),
    "json": ("""'{"a": [1, null]}'""", '{"a": [1, null]}'),
}
MARIADB = {
    "tinyint": ("-128", "-128"),
    "bigint unsigned": ("18446744073709551615", "18446744073709551615"),
    "decimal(65,30)": ("-12345678901234567890123456789012345.123456789012345678901234567891",) * 2,
    "double": ("0.1", "0.1"),
    "char(5)": ("'ab'", "ab"),
    "varchar(50)": ("' é\U0001f600 % '", " é\U0001f600 % "),
    "longtext": ("repeat('x', 70000)", "x" * 70000),
    "date": ("'2024-02-29'", "2024-02-29"),
    "datetime(6)": ("'1000-01-01 00:00:00.000001'", "1000-01-01 00:00:00.000001"),
    "timestamp(6) null": ("'2024-02-29 12:34:56.000001'", "2024-02-29 12:34:56.000001+00"),
    "time(6)": ("'-838:59:59.000001'", "-838:59:59.000001"),
    "varbinary(20)": ("x'00deadbeef'", "0x00deadbeef"),
    "json": ("""'{"a": [1, null, "é"]}'""", '{"a": [1, null, "é"]}'),
}


@pytest.mark.parametrize(
    ("kind", "driver"), [("postgresql", "PostgreSQL Unicode"), ("mariadb", "MariaDB Unicode")]
)
def test_every_value_is_landed_with_all_its_digits(kind, driver, request, monkeypatch):
    server = request.getfixturevalue(kind)
    monkeypatch.setenv("SHOP_DSN", db.by_odbc(server, driver))
    types, runs = (POSTGRESQL, db.run) if kind == "postgresql" else (MARIADB, db.run_mysql)
    columns = {f"c{number}": type for number, type in enumerate(types)}
    values = ", ".join(value for value, _ in types.values())
    utc = ["set time_zone = '+00:00'"] if kind == "mariadb" else []
    made = ", ".join(f"{name} {type}" for name, type in columns.items())
    runs(server, *utc, f"create table held (id int primary key, {made})")
    runs(server, *utc, f"insert into held values (1, {values})", "insert into held (id) values (2)")
    wanted_types = {
        name: ZONED if said[1].endswith("+00") else "VARCHAR"
        for name, said in zip(columns, types.values(), strict=True)
    }
    contract = Contract(
        "Held", columns=tuple(Column(*one, True) for one in {"id": "BIGINT", **wanted_types}.items())
    )

    by_table = Reader(Table("SHOP_DSN", "held"), contract=contract, key="").fetch()
    texts = Contract("Held", columns=tuple(Column(name, "VARCHAR", True) for name in ("id", *columns)))
    by_query = Reader(Query("SHOP_DSN", "select * from held where 1 = 1"), contract=texts, key="").fetch()

    wanted = {type: said for type, (_, said) in types.items()}
    assert {type: by_table[0][name] for name, type in columns.items()} == wanted
    assert all(by_table[1][name] is None for name in columns)
    # of a SELECT the driver does not tell which columns are moments with a zone, or a uuid
    told = {type for type in columns.values() if not type.startswith(("timestamp", "uuid"))}
    assert {type: by_query[0][name] for name, type in columns.items() if type in told} == {
        type: said for type, said in wanted.items() if type in told
    }


def test_a_moment_whose_zone_nobody_says_is_not_guessed(mariadb, monkeypatch):
    monkeypatch.setenv("SHOP_DSN", db.by_odbc(mariadb, "MariaDB Unicode"))
    db.run_mysql(mariadb, "create table held (id int primary key, at timestamp null)")
    contract = Contract("Held", columns=(Column("id", "BIGINT", True), Column("at", ZONED, True)))
    query = Query("SHOP_DSN", "select id, at from held where 1 = 1")

    with pytest.raises(FetchError, match="the driver does not say the zone of 'at'"):
        Reader(query, contract=contract, key="").fetch()
    assert Reader(Table("SHOP_DSN", "held"), contract=contract, key="").fetch() == []
