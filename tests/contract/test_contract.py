"""A contract is data: it makes its table, finds what differs, and survives JSON."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from etl.contract.contract import Column, Contract, Problem, PythonRule, Rule, Unique

ORDERS = Contract(
    name="orders",
    columns=(
        Column("order_nb", "BIGINT", nullable=False, description="number of the order", aliases=("order", "nb")),
        Column("amount", "DECIMAL(15,2)", nullable=True),
        Column("paid_at", "TIMESTAMP WITH TIME ZONE", nullable=False, required=False),
    ),
    rules=(Rule("amount.positive", "amount > 0", "amount", "amount > 0", severity="warn"),),
    uniques=(Unique("order_nb.unique", ("order_nb",)),),
    strict=True,
    ordered=True,
    python=(
        PythonRule(
            "amount.even", ("amount",), ".orders", "Orders", position=0, code="abc", column="amount", spec="amount"
        ),
    ),
)
AS_PROMISED = [("order_nb", "BIGINT"), ("amount", "DECIMAL(15,2)"), ("paid_at", "TIMESTAMP WITH TIME ZONE")]


def test_a_contract_survives_json() -> None:
    assert Contract.from_dict(json.loads(json.dumps(ORDERS.to_dict()))) == ORDERS


def test_a_missing_column_is_a_problem_only_if_it_is_required() -> None:
    assert ORDERS.structure_problems(AS_PROMISED[:2]) == []
    assert ORDERS.structure_problems(AS_PROMISED[:1]) == [
        Problem("column_in_dataframe", "amount", "column 'amount' (DECIMAL(15,2)) of contract orders is missing")
    ]


def test_an_extra_column_is_a_problem_only_if_the_contract_is_strict() -> None:
    actual = [*AS_PROMISED, ("note", "VARCHAR")]
    assert replace(ORDERS, strict=False).structure_problems(actual) == []
    assert ORDERS.structure_problems(actual) == [
        Problem("column_in_schema", "note", "column 'note' is not in contract orders, which is strict")
    ]


def test_the_order_of_columns_matters_only_if_the_contract_says_so() -> None:
    actual = [AS_PROMISED[1], AS_PROMISED[0]]
    assert replace(ORDERS, ordered=False).structure_problems(actual) == []
    assert [(p.rule, p.column) for p in ORDERS.structure_problems(actual)] == [
        ("column_ordered", "amount"),
        ("column_ordered", "order_nb"),
    ]


def test_a_different_type_is_a_problem() -> None:
    assert ORDERS.structure_problems([("order_nb", "VARCHAR"), *AS_PROMISED[1:]]) == [
        Problem("dtype", "order_nb", "column 'order_nb' is VARCHAR; contract orders says BIGINT")
    ]


def test_the_key_of_a_unique_rule_takes_nan_for_null() -> None:
    places = Contract("places", (Column("lat", "DOUBLE", True), Column("name", "VARCHAR", True)))
    assert places.key(Unique("unique(lat, name)", ("lat", "name"))) == [
        "nullif(\"lat\", 'nan'::double)",
        '"name"',
    ]


def test_a_column_is_found_by_name() -> None:
    assert ORDERS.column("amount").type == "DECIMAL(15,2)"
    with pytest.raises(KeyError, match="contract orders has no column 'price'"):
        ORDERS.column("price")


def test_contracts_are_read_back_without_pandera_and_duckdb() -> None:
    code = "import sys, etl.contract.contract; print({'pandera', 'duckdb', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_descriptions_units_and_personal_data_are_notes_and_no_part_of_the_definition() -> None:
    amount = replace(ORDERS.column("amount"), unit="EUR", pii="partial", description="what was paid")
    contract = replace(ORDERS, columns=(amount,))
    assert contract.notes() == {"amount": {"description": "what was paid", "unit": "EUR", "pii": "partial"}}
    assert contract.comments() == {"amount": "what was paid [unit: EUR] [pii: partial]"}
    described = replace(contract, columns=(replace(amount, unit="USD", description=""),))
    assert described.definition() == contract.definition()
    assert replace(contract, columns=(replace(amount, default="0"),)).definition() != contract.definition()
    assert replace(contract, python=()).definition() != contract.definition()
