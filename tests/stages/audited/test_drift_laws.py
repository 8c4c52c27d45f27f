"""Drift, by every measure and type: the same values never alarm, a planted change does, too few are silent."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from etl.contract import drift as kinds
from etl.contract.audit import Audit, HeaderAudit
from etl.contract.audit_kinds import audits_of
from etl.contract.audit_types import type_problems
from etl.contract.drift_sql import count_of_past
from etl.engine.quoting import literal
from etl.ledger.profiles import Row
from etl.stages.audited import profile_table
from etl.stages.audited.measured import Asked, as_json, measured
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

FIRST = date(2024, 1, 1)
#: By its limit in the grammar, each measure with the least limit that can be written, and one that is usual.
MEASURES = {
    "psi_limit": ("x by psi {}", "0.000001", "0.2"),
    "nulls_limit": ("x by nulls {}%", "0.000001", "20"),
    "distinct_limit": ("x by distinct {}%", "0.000001", "50"),
    "mean_limit": ("x by mean {}", "0.5", "3"),
    "category_limit": ("x by share of {value} {}%", "0.000001", "10"),
    "correlation_limit": ("x by correlation with y {}", "0.000001", "0.5"),
}


def numbers(*values: object) -> tuple[list[str], list[str]]:
    texts = [str(value) for value in values]
    return texts[:3], texts[3:]


#: By type, the usual values and those of a day on which something has changed, as SQL; the first of a kind is
#: written in `share of`.
VALUES: dict[str, tuple[list[str], list[str]]] = {
    **{name: numbers(1, 2, 3, 70, 80, 90) for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")},
    **{name: numbers(1, 2, 3, 70, 80, 90) for name in ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")},
    "UHUGEINT": numbers(1, 2, 3, 2**127, 2**127 + 2**90, 2**128 - 1),
    "DECIMAL(4,1)": numbers("1.5", "2.5", "3.5", "700.5", "800.5", "900.5"),
    "DECIMAL(38,10)": numbers("1.5", "2.5", "3.5", "700.5", f"{10**27}.5", f"{10**27 + 10**20}.5"),
    "FLOAT": (["1.5", "'nan'", "3.5"], ["700.5", "'inf'", "3e38"]),
    "DOUBLE": (["1.5", "'nan'", "-0.0", "'-inf'", "5e-324"], ["1e70", "'inf'", "1.5e70"]),
    "VARCHAR": (["'a'", "'it''s'", "''"], ["'b'", "'ä</script>'", "repeat('z', 300)"]),
    "ENUM('a', 'b', 'c', 'd')": (["'a'", "'b'"], ["'c'", "'d'"]),
    "BOOLEAN": (["true"], ["false"]),
    "DATE": (["'2024-03-01'", "'2024-03-02'"], ["'1999-01-01'", "'infinity'", "'290000-01-01'"]),
    "TIMESTAMP": (["'2024-03-01 10:00:00'", "'2024-03-02'"], ["'1999-01-01'", "'-infinity'", "'2199-01-01'"]),
    "TIMESTAMP WITH TIME ZONE": (["'2024-03-31 00:30:00Z'", "'2024-03-31 01:30:00Z'"], ["'1999-01-01 12:00:00Z'"]),
    "TIME": (["'10:00:00'", "'11:00:00'"], ["'23:59:59.999999'", "'00:00:00'"]),
    "UUID": (["'00000000-0000-0000-0000-000000000000'"], ["'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
}
#: Values whose differences and squares are beyond all that a DOUBLE holds.
EXTREME = {
    "DOUBLE": ["1.7e308", "-1.7e308", "1e-308", "'inf'", "'nan'"],
    "HUGEINT": [str(2**127 - 1), f"(-{2**127 - 1})", "0"],
    "UHUGEINT": [str(2**128 - 1), "0"],
    "DECIMAL(38,0)": [str(10**38 - 1), f"(-{10**38 - 1})"],
    "FLOAT": ["3.4e38", "-3.4e38", "'-inf'"],
}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as made:
        made.execute("create schema etl; create schema marts; set timezone = 'America/New_York'")
        profile_table.define(made)
        yield made


@dataclass(frozen=True)
class Column:
    """A column of a type on some days, whose values are SQL; `y` goes up with x unless the day says otherwise."""

    type: str
    days: Sequence[Sequence[str]]
    #: On which days y goes down where x goes up.
    turned: Sequence[int] = ()


def audit_of(measure: str, limit: str, column: Column, past: int) -> Audit | None:
    """Return the audit of a measure; None if it is not for the type."""
    value = column.days[0][0].replace("repeat('z', 300)", "'z'")
    value = value if value.startswith("'") else f"'{value}'"
    text = MEASURES[measure][0].format(limit, value=value)
    (audit,) = audits_of("marts.t", "t.sql", [HeaderAudit("drift", f"{text} against the last {past}")])
    types = {"marts.t": {"x": column.type, "y": "DOUBLE"}}
    return None if list(type_problems(audit, types)) else audit


def judged(
    con: duckdb.DuckDBPyConnection, audit: Audit, column: Column, *, by_night: bool = False
) -> list[tuple[object, ...]]:
    """Return what an audit finds when each day is a part that the night after it profiles."""
    con.execute(f"create or replace table marts.t (d date, x {column.type}, y double)")
    for number, values in enumerate(column.days):
        sign = -1 if number in column.turned else 1
        rows = [f"({literal(day(number))}, {value}, {sign * n})" for n, value in enumerate(values)]
        con.execute(f"insert into marts.t values {', '.join(rows)}")
    parts: dict[date | None, int] = {day(number): len(values) for number, values in enumerate(column.days)}
    query = "select column_name, column_type from (describe marts.t) where column_name <> 'd'"
    types = con.execute(query).fetchall()
    asked = Asked(table="marts.t", columns=tuple(types), partition="d", parts=parts, measures=dict(audit.measures))
    rows = [
        Row("marts.t", "" if by_night else str(part), name, f"run-{part}", str(part), as_json(facts))
        for part, columns in measured(con, asked).items()
        for name, facts in columns.items()
    ]
    con.execute("delete from etl.profiles")
    profile_table.write(con, [], rows)
    return con.execute(audit.sql).fetchall()


def day(number: int) -> date:
    return FIRST + timedelta(number)


def shuffled(values: Sequence[str], seed: int) -> list[str]:
    return random.Random(seed).sample(values, len(values))


@st.composite
def stable(draw: DrawFn) -> tuple[Column, int]:
    """Draw days of the same values in any order, of one row and more, nulls and extremes among them."""
    type = draw(st.sampled_from([*VALUES, *EXTREME]))
    pool = [*VALUES.get(type, ([], []))[0], *EXTREME.get(type, []), "null"]
    values = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=40))
    past = draw(st.integers(1, 4))
    return Column(type, [shuffled(values, seed) for seed in range(past + 1)]), past


@pytest.mark.parametrize("measure", kinds._MEASURES)
@given(drawn=stable(), by_night=st.booleans())
@settings(max_examples=examples(12), deadline=None)
def test_the_same_values_never_alarm(
    con: duckdb.DuckDBPyConnection, measure: str, drawn: tuple[Column, int], by_night: bool
) -> None:
    column, past = drawn
    if measure == "correlation_limit":
        # with what stands beside each of them, they are the same in the same order alone
        column = Column(column.type, [column.days[0]] * (past + 1))
    if audit := audit_of(measure, MEASURES[measure][1], column, past):
        assert judged(con, audit, column, by_night=by_night) == []


@st.composite
def planted(draw: DrawFn, measure: str) -> tuple[Column, int]:
    """Draw days of which the last one differs by what the measure is about, by far."""
    type = draw(st.sampled_from(sorted(VALUES)))
    usual, others = VALUES[type]
    past, size = draw(st.integers(2, 5)), draw(st.integers(12, 60))
    days = [[usual[n % len(usual)] for n in range(size)] for _ in range(past)]
    if measure == "nulls_limit":
        last = ["null" if n % 2 else usual[0] for n in range(size)]
    elif measure == "distinct_limit":
        days, last = [usual[:1] * size] * past, [others[0], usual[0]] * (size // 2)
    elif measure == "mean_limit":
        last = [others[0]] * size
        days = [shuffled([usual[0]] * n + ["null"] * (size - n), n) for n in range(size - past, size)]
    elif measure == "correlation_limit":
        grows = [*usual[:1] * (size // 2), *others[:1] * (size - size // 2)]
        return Column(type, [grows] * (past + 1), turned=[past]), past
    else:
        last = [others[n % len(others)] for n in range(size)]
    return Column(type, [*days, shuffled(last, 0)]), past


@pytest.mark.parametrize("measure", kinds._MEASURES)
@given(data=st.data(), by_night=st.booleans())
@settings(max_examples=examples(15), deadline=None)
def test_a_planted_change_always_alarms(
    con: duckdb.DuckDBPyConnection, measure: str, data: st.DataObject, by_night: bool
) -> None:
    column, past = data.draw(planted(measure))
    if audit := audit_of(measure, MEASURES[measure][2], column, past):
        (found,) = judged(con, audit, column, by_night=by_night)
        assert str(found[0])[:10] == str(day(past))


@pytest.mark.parametrize("measure", kinds._MEASURES)
@given(data=st.data(), more=st.integers(1, 3))
@settings(max_examples=examples(8), deadline=None)
def test_too_little_history_says_nothing_and_how_much_is_missing(
    con: duckdb.DuckDBPyConnection, measure: str, data: st.DataObject, more: int
) -> None:
    column, past = data.draw(planted(measure))
    if audit := audit_of(measure, MEASURES[measure][2], column, past + more):
        assert judged(con, audit, column) == []
        assert con.execute(count_of_past(audit.sql)).fetchall() == [(past,)]


@pytest.mark.parametrize("measure", sorted(kinds._MEASURES.keys() - {"nulls_limit", "distinct_limit"}))
@pytest.mark.parametrize("type", sorted(VALUES))
def test_days_without_values_are_no_history_of_values(
    con: duckdb.DuckDBPyConnection, measure: str, type: str
) -> None:
    usual, others = VALUES[type]
    column = Column(type, [usual * 4, ["null"] * 5, ["null"], [others[0]] * 12])
    if audit := audit_of(measure, "0.5", column, 3):
        assert judged(con, audit, column) == []
        assert con.execute(count_of_past(audit.sql)).fetchall()[0][0] <= 1


def test_every_measure_has_types_that_it_is_for() -> None:
    assert MEASURES.keys() == kinds._MEASURES.keys()
    for measure in MEASURES:
        kept = [type for type in VALUES if audit_of(measure, "1", Column(type, [VALUES[type][0]]), 2)]
        assert len(kept) >= 8, measure
