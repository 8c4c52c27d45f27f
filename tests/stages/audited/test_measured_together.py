"""Small tables that are looked at together have the facts that each has by itself, in a few statements for all."""

from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.engine.quoting import identifier
from etl.stages.audited import measured_together as together
from etl.stages.audited.measured import Asked, measured
from etl.stages.audited.measured_together import is_small, measured_together
from tests.stages.audited.test_measured import CONNECTION, NAMES, VALUES
from tests.support.thorough import examples

#: Sums of these depend on the order of the rows, by their last digits.
ROUGH = "DECIMAL(38,0)"


class Counting:
    """A connection that counts its statements, and can refuse those that read several tables."""

    def __init__(self, refuses: bool = False) -> None:
        self.statements: list[str] = []
        self.refuses = refuses

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        self.statements.append(sql)
        if self.refuses and "union all" in sql:
            raise duckdb.OutOfRangeException("beyond all types")
        return CONNECTION.execute(sql)


def table(number: int, columns: dict[str, str], rows: list[list[str]], **asked: Any) -> Asked:
    """Make a table of these columns and rows, which are SQL, and ask for its facts."""
    name = f"marts.t{number}"
    items = ", ".join(f"{identifier(column)} {type}" for column, type in columns.items())
    CONNECTION.execute(f"create or replace table {name} ({items})")
    for row in rows:
        CONNECTION.execute(f"insert into {name} values ({', '.join(row)})")
    types = CONNECTION.execute(f"select column_name, column_type from (describe {name})").fetchall()
    wanted = {"columns": tuple(types), "partition": "", "parts": {None: len(rows)}, **asked}
    return Asked(table=name, **wanted)


def numbers(count: int) -> list[Asked]:
    return [
        table(n, {"id": "INTEGER", "name": "VARCHAR"}, [[str(n), "'a'"], ["null", "'b'"]]) for n in range(count)
    ]


@given(data=st.data())
@settings(max_examples=examples(40), deadline=None)
def test_tables_together_have_the_facts_that_each_has_by_itself(data: st.DataObject) -> None:
    tables = []
    for number in range(data.draw(st.integers(0, 5))):
        names = data.draw(st.lists(st.sampled_from([*NAMES, "k", "number"]), max_size=4, unique_by=str.lower))
        columns = {"n": "INTEGER"} | {name: data.draw(st.sampled_from(sorted(VALUES))) for name in names}
        values = {
            name: st.sampled_from(["null", *(f"({value})::{type}" for value in VALUES.get(type, ["1"]))])
            for name, type in columns.items()
        }
        rows = data.draw(st.lists(st.fixed_dictionaries(values), max_size=6))
        personal = frozenset(name.lower() for name in names if data.draw(st.booleans()))
        tables.append(table(number, columns, [[row[name] for name in columns] for row in rows], personal=personal))

    found = measured_together(CONNECTION, tables)

    assert len(found) == len(tables)
    for asked, facts in zip(tables, found, strict=True):
        alone = measured(CONNECTION, asked)
        assert list(facts) == list(alone)
        for name, wanted in alone[None].items():
            mine = dict(facts[None][name])
            if "mean" in wanted:
                assert mine.pop("mean") == pytest.approx(wanted["mean"], rel=1e-8)
            assert mine == {key: value for key, value in wanted.items() if key != "mean"}, name


def test_partitions_are_told_apart_those_without_a_date_too() -> None:
    days: list[date | None] = [date(2024, 3, 1), date(2024, 3, 2), None]
    rows = [["date '2024-03-01'", "1"], ["date '2024-03-02'", "2"], ["null", "3"], ["date '2024-03-09'", "4"]]
    parts = dict.fromkeys(days, 1)
    tables = [table(n, {"day": "DATE", "x": "INTEGER"}, rows, partition="day", parts=parts) for n in range(2)]
    asked = [replace(one, columns=(("x", "INTEGER"),)) for one in tables]
    for facts in measured_together(CONNECTION, asked):
        assert facts == measured(CONNECTION, asked[0])
        assert [facts[day]["x"]["max"] for day in days] == ["1", "2", "3"]


def test_many_tables_take_few_statements() -> None:
    counting = Counting()
    found = measured_together(counting, numbers(20))  # type: ignore[arg-type]
    # the rows of each, the numbers, the texts
    assert len(counting.statements) == 3
    assert [facts[None]["id"]["nulls"] for facts in found] == [1] * 20


@pytest.mark.parametrize(
    ("parts", "measures"), [({None: 257}, {}), ({None: 0}, {}), ({None: 5}, {"share": "count(*) / 2"})]
)
def test_what_is_sampled_empty_or_asked_of_rows_is_looked_at_alone(
    parts: dict[None, int], measures: dict[str, str]
) -> None:
    asked = Asked(table="marts.t", columns=(), partition="", parts=parts, measures=measures)
    assert not is_small(asked)


def test_what_cannot_be_had_together_is_had_one_by_one() -> None:
    asked = numbers(3)
    counting = Counting(refuses=True)
    assert measured_together(counting, asked) == measured_together(CONNECTION, asked)  # type: ignore[arg-type]
    assert len(counting.statements) > 3


def test_a_statement_reads_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "_TOGETHER", 2)
    counting = Counting()
    assert measured_together(counting, numbers(5)) == [measured(CONNECTION, asked) for asked in numbers(5)]  # type: ignore[arg-type]
    assert max(statement.count("union all") for statement in counting.statements) == 1
