"""Tables of few values that are looked at together have the facts that each has by itself, in a few statements."""

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
from etl.stages.audited.measured_together import has_few, is_whole, measured_together
from tests.stages.audited.test_measured import _LAST_DIGITS, CONNECTION, NAMES, VALUES
from tests.support.thorough import examples


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


def table(number: int, columns: dict[str, str], rows: list[list[str]], times: int = 1, **asked: Any) -> Asked:
    """Make a table of these columns and rows, which are SQL, each so many times, and ask for its facts."""
    name = f"marts.t{number}"
    items = ", ".join(f"{identifier(column)} {type}" for column, type in columns.items())
    CONNECTION.execute(f"create or replace table {name} ({items})")
    for row in rows:
        CONNECTION.execute(f"insert into {name} select {', '.join(row)} from range({times})")
    types = CONNECTION.execute(f"select column_name, column_type from (describe {name})").fetchall()
    wanted = {"columns": tuple(types), "partition": "", "parts": {None: len(rows) * times}, **asked}
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
        cells = [[row[name] for name in columns] for row in rows]
        # of many rows a sample is taken
        times = data.draw(st.sampled_from([1, 1, 50, 300]))
        tables.append(table(number, columns, cells, times, personal=personal))

    found = measured_together(CONNECTION, tables)

    assert len(found) == len(tables)
    for asked, facts in zip(tables, found, strict=True):
        alone = measured(CONNECTION, asked)
        assert list(facts) == list(alone)
        for name, wanted in alone[None].items():
            mine = dict(facts[None][name])
            own, other = ([known.pop(fact, None) for fact in ("mean", "std")] for known in (mine, dict(wanted)))
            for one, two in zip(own, other, strict=True):
                # sums of DOUBLEs depend on the order of the rows, by the last digits of the greatest
                least = _LAST_DIGITS.get(dict(asked.columns).get(name, ""), 0)
                assert one == two or one == pytest.approx(two, rel=1e-6, abs=least)
            assert mine == {key: value for key, value in wanted.items() if key not in ("mean", "std")}, name


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
    ("parts", "measures"), [({None: 30_000}, {}), ({None: 0}, {}), ({None: 5}, {"share": "count(*) / 2"})]
)
def test_what_is_large_empty_or_asked_of_rows_is_looked_at_alone(
    parts: dict[None, int], measures: dict[str, str]
) -> None:
    columns = (("a", "INTEGER"), ("b", "INTEGER"))
    assert not has_few(Asked(table="marts.t", columns=columns, partition="", parts=parts, measures=measures))


def test_the_sample_of_a_table_with_more_rows_is_a_statement_of_its_own() -> None:
    tables = [table(n, {"id": "INTEGER"}, [["1"], ["2"]], times=n * 200 + 1) for n in range(2)]
    counting = Counting()
    assert [is_whole(asked) for asked in tables] == [True, False]
    assert measured_together(counting, tables) == [measured(CONNECTION, asked) for asked in tables]  # type: ignore[arg-type]
    # one of them asks whether the table is a view, whose rows have no number
    assert len(counting.statements) == 4


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
