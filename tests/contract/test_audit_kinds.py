"""What each built-in kind of audit finds in a table, and how a line that is none is refused."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.contract.audit import Audit, HeaderAudit
from etl.contract.audit_kinds import AUDIT_KEYS, AUDIT_KINDS, audits_of, check_tables
from etl.errors import ModelError

TABLES = """
    create schema marts; create schema etl;
    create table marts.airlines as select unnest(['UA', 'AA']) as carrier;
    create table marts.flights as
    select * from (values
        (date '2013-01-01', 'JFK', 'UA', 100, 0.1), (date '2013-01-01', 'LGA', 'ZZ', 200, 0.2),
        (date '2013-01-02', 'JFK', null, 300, null), (date '2013-01-02', 'JFK', 'ZZ', 400, 0.3)
    ) as t(flight_date, origin, carrier, miles, delay);
    create table marts.daily as
    select flight_date, sum(miles)::bigint as miles, count(*) as flights, sum(delay)::double as delay
    from marts.flights group by all;
    create table etl.row_counts as
    select 'marts.flights' as table_name, date '2013-01-01' + n as batch_date, 'run-' || n as run_id, rows
    from (values (0, 0), (1, 9), (2, 3), (3, 5)) as t(n, rows);
    set variable batch_date = date '2013-01-04';
"""


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute(TABLES)
        yield made


def an_audit(kind: str, text: str, table: str = "marts.flights") -> Audit:
    (audit,) = audits_of(table, "sql/marts/flights.sql", [HeaderAudit(kind, text, "error", 3)])
    return audit


def found(con: duckdb.DuckDBPyConnection, kind: str, text: str, table: str = "marts.flights") -> list[Any]:
    return sorted(con.execute(an_audit(kind, text, table).sql).fetchall(), key=repr)


JANUARY = [date(2013, 1, 1), date(2013, 1, 2)]


@pytest.mark.parametrize(
    ("kind", "text", "rows"),
    [
        ("unique", "miles", []),
        ("unique", "flight_date, origin", [(JANUARY[1], "JFK", 2)]),
        ("not_null", "carrier", [(JANUARY[1], "JFK", None, 300, None)]),
        ("not_null", "origin", []),
        ("references", "carrier = marts.airlines.carrier", [("ZZ", 2)]),
        ("references", "origin = marts.flights.origin", []),
        ("accepted_values", "origin = JFK, EWR", [("LGA", 1)]),
        ("accepted_values", "carrier = UA, 'ZZ'", []),
        ("accepted_values", "miles = 100, 200,300", [(400, 1)]),
        ("row_count", "at least 4", []),
        ("row_count", "at least 5", [(4,)]),
        ("row_count", "within 30% of yesterday", [(4, 3.0)]),
        ("row_count", "within 33.4% of yesterday", []),
        ("row_count", "within 25% of the last 2", [(4, 6.0)]),
        ("row_count", "within 34% of the last 7", []),
        ("freshness", "flight_date within 2 days", []),
        ("freshness", "flight_date within 1 day", [(JANUARY[1], date(2013, 1, 4))]),
        ("not_null", "carrier at least 75%", []),
        ("not_null", "carrier at least 75.1%", [(4, 3)]),
        ("not_null", "carrier at least 75% by flight_date", [(JANUARY[1], 2, 1)]),
        ("not_null", "delay at least 50% by origin", []),
    ],
)
def test_a_kind_finds_the_rows_that_break_it(
    con: duckdb.DuckDBPyConnection, kind: str, text: str, rows: list[Any]
) -> None:
    assert found(con, kind, text) == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("miles = marts.flights.miles by flight_date", []),
        ("miles = marts.flights.miles", []),
        ("flights = marts.flights.* by flight_date", []),
        ("delay = marts.flights.delay by flight_date", []),
        ("flights = marts.flights.miles", [(4, 1000)]),
        ("flights = marts.airlines.*", [(4, 2)]),
    ],
)
def test_two_tables_add_up_to_the_same(con: duckdb.DuckDBPyConnection, text: str, rows: list[Any]) -> None:
    assert found(con, "sums_to", text, "marts.daily") == rows


def test_a_group_that_one_table_lacks_adds_nothing_to_its_side() -> None:
    with duckdb.connect() as con:
        con.execute(
            "create schema a; create table a.x as select * from (values (1, 5), (2, 0), (null, 7)) as t(k, n)"
        )
        con.execute("create table a.y as select * from (values (3, 4), (null, 7)) as t(k, n)")

        assert found(con, "sums_to", "n = a.y.n by k", "a.x") == [(1, 5, 0), (3, 0, 4)]


@given(st.lists(st.floats(-1e12, 1e12), max_size=30), st.randoms())
def test_sums_of_floats_are_equal_in_any_order_of_the_rows(values: list[float], random: Any) -> None:
    shuffled = random.sample(values, len(values))
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("create schema a; create table a.x (n double); create table a.y (n double)")
        con.execute("insert into a.x select unnest(?::double[])", [values])
        con.execute("insert into a.y select unnest(?::double[])", [shuffled])

        assert found(con, "sums_to", "n = a.y.n", "a.x") == []


@pytest.mark.parametrize(
    ("own", "other"), [("nan", 1), ("inf", 1), ("inf", "-inf"), (1, 1.00000001), (0, "1e-300")]
)
def test_sums_of_floats_that_differ_are_found(own: object, other: object) -> None:
    with duckdb.connect() as con:
        con.execute(f"create schema a; create table a.x as select '{own}'::double as n")
        con.execute(f"create table a.y as select '{other}'::double as n")

        assert len(found(con, "sums_to", "n = a.y.n", "a.x")) == 1


def test_a_date_in_the_future_hides_no_stale_table() -> None:
    with duckdb.connect() as con:
        con.execute(
            "create schema a; create table a.x as select unnest([date '2013-01-01', date '2099-01-01']) as d"
        )
        con.execute("set variable batch_date = date '2013-01-04'")

        assert found(con, "freshness", "d within 2 days", "a.x") == [(date(2013, 1, 1), date(2013, 1, 4))]
        con.execute("delete from a.x")
        assert found(con, "freshness", "d within 2 days", "a.x") == [(None, date(2013, 1, 4))]


@pytest.fixture
def days(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Twenty days of ten rows, but 2 on the tenth and 4 on the last one; and one row without a day."""
    con.execute(
        "create or replace table marts.sales as select date '2013-01-01' + n::int as day, n from range(20) as r(n)"
    )
    con.execute("insert into marts.sales select day, n from marts.sales, range(9) where n not in (9, 19)")
    con.execute("insert into marts.sales select * from (values (date '2013-01-10', 9), (null, 0)) as t(day, n)")
    con.execute("insert into marts.sales select date '2013-01-20', 19 from range(3)")
    return con


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("within 50% of the last 7 by day", [(date(2013, 1, 20), 4, 10.0)]),
        ("within 60% of the last 7 by day", []),
        ("within 50% of the last 11 by day", [(date(2013, 1, 10), 2, 10.0), (date(2013, 1, 20), 4, 102 / 11)]),
        ("within 50% of yesterday by day", [(date(2013, 1, 20), 4, 10.0)]),
    ],
)
def test_the_newest_partitions_are_compared_with_those_before_each(
    days: duckdb.DuckDBPyConnection, text: str, rows: list[Any]
) -> None:
    assert found(days, "row_count", text, "marts.sales") == rows


@pytest.mark.parametrize(
    ("night", "text", "rows"),
    [
        ("2013-01-20", "day within 1 day, at least 50% of the usual rows", [(date(2013, 1, 20), 4, 10.0)]),
        ("2013-01-20", "day within 1 day, at least 40% of the usual rows", []),
        ("2013-01-19", "day within 1 day, at least 100% of the usual rows", []),
        ("2013-01-22", "day within 1 day, at least 1% of the usual rows", [(date(2013, 1, 20), 4, 10.0)]),
        ("2013-01-01", "day within 1 day, at least 50% of the usual rows", []),
        ("2012-12-31", "day within 1 day, at least 50% of the usual rows", [(None, None, None)]),
    ],
)
def test_a_newest_day_with_few_rows_is_not_fresh(
    days: duckdb.DuckDBPyConnection, night: str, text: str, rows: list[Any]
) -> None:
    with days.cursor() as con:
        con.execute(f"set variable batch_date = date '{night}'")
        got = con.execute(an_audit("freshness", text, "marts.sales").sql).fetchall()
    assert [(newest, rows, expected) for newest, _, rows, expected in got] == rows


def test_by_partition_is_by_the_column_that_the_table_is_partitioned_by() -> None:
    for kind, text in (
        ("row_count", "within 5% of the last 7 by partition"),
        ("not_null", "v at least 5% BY Partition"),
    ):
        line = HeaderAudit(kind, text, "error", 3)
        (audit,) = audits_of("marts.sales", "x.sql", [line], "the day")
        assert 'group by "the day"' in audit.sql or '"the day"::date' in audit.sql
        assert audit.why == f"{kind}: {text}"
        with pytest.raises(ModelError, match=r"x.sql:3: .* has no partition. Name a date column: by sale_date"):
            audits_of("marts.sales", "x.sql", [line])


def test_without_an_earlier_count_there_is_nothing_to_compare_with(con: duckdb.DuckDBPyConnection) -> None:
    assert found(con, "row_count", "within 1% of yesterday", "marts.airlines") == []


def test_audits_are_named_by_table_kind_and_columns_and_say_what_was_asked() -> None:
    lines = [
        HeaderAudit("not_null", "carrier, origin", "error", 2),
        HeaderAudit("references", "carrier = marts.airlines.carrier", "warn", 3),
        HeaderAudit("references", "carrier = Marts.Old.code", "error", 4),
        HeaderAudit("row_count", "within 30% of the last 7"),
        HeaderAudit("unique", '"flight date", origin'),
    ]

    audits = audits_of("marts.flights", "sql/marts/flights.sql", lines)

    assert [(audit.name, audit.severity, audit.place) for audit in audits] == [
        ("marts.flights.not_null.carrier", "error", "sql/marts/flights.sql:2"),
        ("marts.flights.not_null.origin", "error", "sql/marts/flights.sql:2"),
        ("marts.flights.references.carrier", "warn", "sql/marts/flights.sql:3"),
        ("marts.flights.references.carrier#2", "error", "sql/marts/flights.sql:4"),
        ("marts.flights.row_count.last_7", "error", "sql/marts/flights.sql"),
        ("marts.flights.unique.flight date,origin", "error", "sql/marts/flights.sql"),
    ]
    assert audits[3].reads == ("marts.flights", "marts.old")
    assert audits[3].why == "references: carrier = Marts.Old.code"


@pytest.mark.parametrize("kind", AUDIT_KEYS)
def test_a_text_that_is_not_of_its_kind_is_refused_with_the_grammar(kind: str) -> None:
    with pytest.raises(ModelError) as error:
        audits_of("marts.flights", "sql/marts/flights.sql", [HeaderAudit(kind, "= ?", "error", 3)])

    assert str(error.value) == (
        f"sql/marts/flights.sql:3: {kind}: '= ?' is not understood. "
        f"Write it like this: {kind}: {AUDIT_KINDS[kind].grammar}."
    )


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("unique", "origin, Origin", "unique: origin, Origin names a column twice. Write it like this: unique: "),
        ("accepted_values", "origin = 'JFK", "the values 'JFK are not understood from \"'JFK\" on"),
        ("accepted_values", "origin = JFK,,LGA", "are not understood from ',LGA' on"),
        ("row_count", "within 5% of the last 900", "the last 900 is outside 1 to 366 earlier counts"),
        ("references", "carrier = airlines.carrier", "'carrier = airlines.carrier' is not understood"),
        ("freshness", "flight_date within 2 weeks", "'flight_date within 2 weeks' is not understood"),
    ],
)
def test_a_text_that_cannot_be_meant_is_refused_in_words(kind: str, text: str, said: str) -> None:
    with pytest.raises(ModelError) as error:
        an_audit(kind, text)

    assert said in str(error.value)


def test_values_and_names_stay_values_and_names() -> None:
    with duckdb.connect() as con:
        con.execute('create schema a; create table a.x as select $$x\'; drop table a.x; --$$ as "a {b}"')

        assert found(con, "not_null", '"a {b}"', "a.x") == []
        assert found(con, "accepted_values", "\"a {b}\" = 'x''; drop table a.x; --', {y}", "a.x") == []


def test_a_table_that_nobody_makes_is_named_with_the_closest_one() -> None:
    audit = an_audit("references", "carrier = marts.airline.carrier")

    with pytest.raises(ModelError) as error:
        check_tables([audit], ["marts.flights", "marts.airlines"])

    assert str(error.value) == (
        "sql/marts/flights.sql:3: references: carrier = marts.airline.carrier: there is no table marts.airline. "
        "Did you mean marts.airlines?"
    )
