"""Columns known by a pattern: their rules hold for every column of a table that it matches."""

from typing import Any

import pandera.pandas as pa
import pytest

from etl.contract.compiler import compile_contract
from etl.contract.contract import Column
from etl.contract.expand import expanded


def even(n: Any) -> Any:
    return n.map(lambda value: value % 2 == 0)


CONTRACT = compile_contract(
    pa.DataFrameSchema(
        {
            "id": pa.Column(int, pa.Check.gt(0)),
            r"n_\d": pa.Column(int, [pa.Check.lt(9), pa.Check(even)], regex=True, unique=True),
        },
        strict=True,
        name="t",
    )
)


def test_a_pattern_becomes_the_columns_that_it_matches_from_the_start() -> None:
    contract = expanded(CONTRACT, ["id", "n_1", "n_2 too", "in_1"])

    assert [column.name for column in contract.columns] == ["id", "n_1", "n_2 too"]
    assert contract.columns[1] == Column("n_1", "BIGINT", False)
    assert {rule.name: rule.sql for rule in contract.rules} == {
        "id.not_nullable": '"id" is not null',
        "id.greater_than": '"id" > 0',
        "n_1.not_nullable": '"n_1" is not null',
        "n_2 too.not_nullable": '"n_2 too" is not null',
        "n_1.less_than": '"n_1" < 9',
        "n_2 too.less_than": '"n_2 too" < 9',
    }
    assert [unique.columns for unique in contract.uniques] == [("n_1",), ("n_2 too",)]
    assert [(rule.name, rule.columns, rule.spec) for rule in contract.python] == [
        ("n_1.even", ("n_1",), r"n_\d"),
        ("n_2 too.even", ("n_2 too",), r"n_\d"),
    ]
    assert [p.column for p in contract.structure_problems([("id", "BIGINT"), ("x", "BIGINT")])] == [
        "n_1",
        "n_2 too",
        "x",
    ]


def test_a_pattern_that_matches_nothing_is_a_missing_column() -> None:
    (problem,) = expanded(CONTRACT, ["id"]).structure_problems([("id", "BIGINT")])
    assert (problem.rule, problem.column) == ("column_in_dataframe", r"n_\d")


@pytest.mark.parametrize("names", [["id"], ["id", "n_1"]])
def test_a_contract_without_patterns_is_as_it_was(names: list[str]) -> None:
    plain = compile_contract(pa.DataFrameSchema({"id": pa.Column(int)}, name="t"))
    assert expanded(plain, names) is plain
