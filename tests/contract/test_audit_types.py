"""The types that each built-in kind of audit can judge: whatever else is named is told before anything runs."""

import duckdb
import pytest

from etl.contract.audit import BATCH_DATE, COUNT_COLUMNS, ROW_COUNTS
from etl.contract.audit import HeaderAudit as Line
from etl.contract.audit_kinds import AUDIT_KEYS, audits_of
from etl.contract.audit_types import type_problems
from etl.stages.audited import profile_table

#: Types, and a value of each; `v` of another table has one that differs.
VALUES = {
    "BIGINT": "1",
    "UTINYINT": "1",
    "HUGEINT": "1",
    "DECIMAL(9,2)": "1.50",
    "DOUBLE": "1.5",
    "VARCHAR": "'one'",
    "ENUM('one', 'two')": "'one'",
    "BOOLEAN": "true",
    "DATE": "'2024-03-01'",
    "TIMESTAMP": "'2024-03-01 12:00'",
    "TIMESTAMP WITH TIME ZONE": "'2024-03-01 12:00+00'",
    "TIME": "'12:00'",
    "INTERVAL": "interval 1 day",
    "BLOB": "'a'::blob",
    "UUID": "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'",
    "BIGINT[]": "[1]",
    "STRUCT(a BIGINT)": "{a: 1}",
    "MAP(VARCHAR, BIGINT)": "map {'a': 1}",
}
LINES = {
    "unique": ["v"],
    "not_null": ["v", "v at least 5%", "v at least 5% by v"],
    "references": ["v = marts.others.v"],
    "accepted_values": [
        *("v = one", "v = 1, 2", "v = 1.5", "v = 1.234", "v = 300", "v = true", "v = 2024-03-01", "v = 12:00"),
        *("v = 2024-02-30", "v = 2024-03-01 12:00", "v = '[1]'", "v = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'"),
    ],
    "row_count": ["at least 1", "within 5% of the last 7 by v"],
    "freshness": ["v within 2 days", "v within 2 days, at least 50% of the usual rows"],
    "sums_to": ["v = marts.others.v", "v = marts.others.*", "n = marts.others.n by v"],
    "drift": [
        *("v by psi 0.2 against the last 1", "v by nulls 5% against the last 1", "v by mean 3 against the last 1"),
        *("v by distinct 5% against the last 1", "v by share of one 5% against the last 1"),
        *("v by share of 1 5% against the last 1", "v by correlation with n 0.2 against the last 1"),
        *("v within 0.2 of training by v held out 3 days", "n within 0.2 of training by v held out 3 days"),
    ],
}


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect(config={"threads": 1})
    made.execute("create schema marts; create schema etl")
    counts = ", ".join(f"{name} {type}" for name, type in COUNT_COLUMNS)
    made.execute(f"create table {ROW_COUNTS} ({counts})")
    profile_table.define(made)
    made.execute(f"set variable {BATCH_DATE} = date '2024-03-01'")
    return made


def test_every_kind_is_tried() -> None:
    assert [f"LINES has no line of the kind {kind}." for kind in AUDIT_KEYS if kind not in LINES] == []


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("own", VALUES)
def test_what_is_not_refused_runs_on_rows(con: duckdb.DuckDBPyConnection, own: str, kind: str) -> None:
    ran = 0
    for other in VALUES:
        for table, type in (("items", own), ("others", other)):
            con.execute(f"create or replace table marts.{table} (v {type}, n BIGINT)")
            con.execute(f"insert into marts.{table} values ({VALUES[type]}, 1), (null, 2)")
        tables = {"marts.items": {"v": own, "n": "BIGINT"}, "marts.others": {"v": other, "n": "BIGINT"}}
        for text in LINES[kind]:
            for audit in audits_of("marts.items", "items.sql", [Line(kind, text)]):
                if not list(type_problems(audit, tables)):
                    con.execute(audit.sql).fetchall()
                    for _, measure in audit.measures:
                        con.execute(f"select {measure} from marts.items").fetchall()
                    ran += 1

    # a sum by its groups needs no type of its own column
    assert ran or kind in ("freshness", "accepted_values")


@pytest.mark.parametrize(
    ("kind", "text", "type", "said"),
    [
        ("accepted_values", "v = 1, one", "BIGINT", "v is BIGINT, and 'one' is not a value of that type"),
        ("accepted_values", "v = 1.5", "BIGINT", "v is BIGINT, and '1.5' is not a value of that type"),
        ("accepted_values", "v = 1.234", "DECIMAL(9,2)", "and '1.234' is not a value"),
        ("accepted_values", "v = 2024-02-30", "DATE", "and '2024-02-30' is not a value"),
        ("accepted_values", "v = one, too", "ENUM('one', 'two')", "and 'too' is not a value"),
        ("freshness", "v within 2 days", "VARCHAR", "v is VARCHAR, not a date or timestamp"),
        ("freshness", "V within 2 days", "BIGINT", "V is BIGINT, not a date or timestamp"),
        ("references", "v = marts.others.n", "VARCHAR", "marts.others.n is BIGINT: they are never equal"),
        ("sums_to", "v = marts.others.n", "VARCHAR", "marts.items.v is VARCHAR, not a number"),
        ("sums_to", "n = marts.others.n by v", "BIGINT", "marts.others.v is DATE: they are never equal"),
        ("not_null", "vv", "BIGINT", "marts.items has no column vv. Did you mean v?"),
        (
            "drift",
            "v by psi 0.2 against the last 7",
            "DATE",
            "v is DATE, and psi is for numbers, texts and booleans",
        ),
        ("drift", "v by mean 3 against the last 7", "VARCHAR", "marts.items.v is VARCHAR, not a number"),
        ("drift", "n by correlation with v 0.1 against the last 7", "VARCHAR", "v is VARCHAR, not a number"),
        ("unique", "v, w", "BIGINT", "marts.items has no column w"),
    ],
)
def test_what_a_kind_cannot_judge_is_said(kind: str, text: str, type: str, said: str) -> None:
    (audit,) = audits_of("marts.items", "items.sql", [Line(kind, text)])
    tables = {"marts.items": {"V": type, "n": "BIGINT"}, "marts.others": {"v": "DATE", "n": "BIGINT"}}

    (problem,) = type_problems(audit, tables)

    assert said in problem


def test_types_that_are_alike_can_be_compared() -> None:
    lines = [Line("references", "v = marts.others.v"), Line("freshness", "d within 1 day")]
    tables = {"marts.items": {"v": "INTEGER", "d": "TIMESTAMP"}, "marts.others": {"v": "DECIMAL(9,2)"}}

    assert [list(type_problems(audit, tables)) for audit in audits_of("marts.items", "", lines)] == [[], []]
