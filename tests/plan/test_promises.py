"""Contracts held against the SELECTs that make their tables, before anything runs."""

import re
from pathlib import Path

import pytest

from etl.errors import ModelError
from tests.support import tiny

CONTRACT = """
class Items(pa.DataFrameModel):
    item: str
    sales: int

    class Config:
        name = "marts.items"
"""
SELECT = "select item, count(*) as sales from raw.sales group by item"


def refusal(root: Path, sql: str, contract: str = CONTRACT, raw: str = tiny.CONTRACTS) -> str:
    with pytest.raises(ModelError) as error:
        tiny.plan(tiny.project(root, raw + contract, {"marts/items.sql": sql}))
    return str(error.value)


@pytest.mark.parametrize(
    ("expression", "type"),
    [
        ("sum(id::decimal(14, 2))::decimal(16, 2)", "DECIMAL(16,2)"),
        ("count(*)::integer", "INTEGER"),
        ("max(delivery_date)", "DATE"),
        ("array_agg(id)", "BIGINT[]"),
        ("avg(id)", "DOUBLE"),
    ],
)
def test_another_type_is_told_with_the_line_to_write_which_loads(
    tmp_path: Path, expression: str, type: str
) -> None:
    sql = SELECT.replace("count(*)", expression)
    message = refusal(tmp_path, sql)

    said = f"column sales of marts.items is BIGINT in its contract, but sql/marts/items.sql makes {type}. Write `"
    assert message.startswith(f"contracts/all.py:13: {said}sales: ")
    field, *imports = re.findall(r"`([^`]+)`", message)
    contract = "\n".join(["", *imports, CONTRACT.replace("sales: int", field)])
    tiny.plan(tiny.project(tmp_path, tiny.CONTRACTS + contract, {"marts/items.sql": sql}))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (SELECT.replace("as sales", "as sale"), "promises the column sales (BIGINT), but sql/marts/"),
        (SELECT.replace("as sales", "as SALES"), "sql/marts/items.sql calls it SALES. Write `as sales` in the "),
        (
            SELECT.replace("count(*)", "sum(id)"),
            "makes HUGEINT. A contract cannot have that type. Cast it in the SELECT",
        ),
        (SELECT.replace("count(*)", "null"), 'makes "NULL". A contract cannot have that type. Cast it in the S'),
    ],
)
def test_what_a_select_lacks_is_told_with_what_to_do(tmp_path: Path, sql: str, said: str) -> None:
    message = refusal(tmp_path, sql)

    assert message.startswith("contracts/all.py:13: ")
    assert said in message


def test_a_strict_contract_is_told_what_it_does_not_know(tmp_path: Path) -> None:
    message = refusal(tmp_path, SELECT.replace("item,", "item, 1.5 as n,"), CONTRACT + "        strict = True\n")

    assert message == (
        "contracts/all.py:11: column n (DECIMAL(2,1)) of sql/marts/items.sql is not in the contract of "
        "marts.items, which is strict. Write `n: pandas_engine.Decimal(2, 1)` below "
        "`from pandera.engines import pandas_engine`, or remove it from the SELECT."
    )


@pytest.mark.parametrize(
    "header", ["-- materialized: view\n", "-- materialized: incremental\n-- partition: d\n", ""]
)
def test_every_kind_of_model_is_held_to_its_contract(tmp_path: Path, header: str) -> None:
    sql = f"{header}select item, 1::integer as sales, delivery_date as d from raw.sales"

    assert "is BIGINT in its contract, but sql/marts/items.sql makes INTEGER" in refusal(tmp_path, sql)


def test_a_history_is_held_to_it_with_the_columns_that_it_adds(tmp_path: Path) -> None:
    header = "-- materialized: scd2\n-- key: item\n-- partition: delivery_date\n"
    sql = f"{header}select delivery_date, item from raw.sales"
    contract = CONTRACT.replace("sales: int", "valid_from: int")

    assert "column valid_from of marts.items is BIGINT in its contract" in refusal(tmp_path, sql, contract)


@pytest.mark.parametrize("on_raw", [True, False])
def test_an_audit_that_a_contract_asks_for_is_held_to_the_types(tmp_path: Path, on_raw: bool) -> None:
    asked = '\n    class Config:\n        metadata = {"freshness": "item within 2 days"}\n'
    raw = tiny.CONTRACTS.replace("    item: str = pa.Field(nullable=True)\n", f"    item: str\n{asked}")
    built = CONTRACT + '        metadata = {"freshness": "item within 2 days"}\n'

    message = refusal(tmp_path, SELECT, "" if on_raw else built, raw if on_raw else tiny.CONTRACTS)

    assert message.endswith("freshness: item within 2 days: item is VARCHAR, not a date or timestamp.")
