"""Checks that an author wrote: which become SQL, which stay Python, and what their tables and errors are."""

import datetime as dt
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pandera.pandas as pa
import pytest

from etl.contract import python_rules
from etl.contract.compiler import compile_contract
from etl.contract.contract import Contract
from etl.errors import ContractError, StepError
from etl.sources.catalog import load_catalog

pytestmark = pytest.mark.filterwarnings("ignore")
LIMIT = 5


def table(check: Any, dtype: Any = int) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({"n": pa.Column(dtype, check, nullable=True)}, name="t")


@pytest.mark.parametrize(
    ("dtype", "function", "expected"),
    [
        (int, lambda n: n > LIMIT, 'coalesce("n" > 5, false)'),
        (pd.Int64Dtype, lambda n: (n >= 0) & ~n.isin([3]), '(("n" >= 0) and (not coalesce("n" in (3), false)))'),
        (float, lambda n: n.isna() | (n < 1), None),
        (float, lambda n: 2 * n - 1 < n / 4, None),
        (int, lambda n: n.between(1, 9, inclusive="left"), None),
        (str, lambda n: n != "a", None),
        (dt.datetime, lambda n: n >= pd.Timestamp("2013-01-01"), None),
        (Decimal, lambda n: n > 3, None),
    ],
)
def test_a_plain_comparison_becomes_sql(dtype: Any, function: Any, expected: str | None) -> None:
    contract = compile_contract(table(pa.Check(function), dtype))
    assert contract.python == () and len(contract.rules) == 1
    assert expected is None or expected in contract.rules[0].sql


@pytest.mark.parametrize(
    ("dtype", "function"),
    [
        (int, lambda n: n % 2 == 0),
        (int, lambda n: n // 2 == 0),
        (pd.Int64Dtype, lambda n: n / 2 > 1),
        (str, lambda n: n.str.len() > 1),
        (float, lambda n: n.round(1) == n),
        (dt.datetime, lambda n: n <= pd.Timestamp.now()),
        (dt.datetime, lambda n: n <= pd.Timestamp("today")),
        (float, lambda n: n < time.time()),
    ],
)
def test_what_sql_would_do_otherwise_or_once_for_all_stays_python(dtype: Any, function: Any) -> None:
    contract = compile_contract(table(pa.Check(function), dtype))
    assert contract.rules == () and len(contract.python) == 1


def test_a_function_with_a_branch_stays_python_element_by_element() -> None:
    def small(n: Any) -> bool:
        return n < 3 if n > 0 else n > -3

    (rule,) = compile_contract(table(pa.Check(small, element_wise=True))).python
    assert (rule.name, rule.columns, rule.column) == ("n.small", ("n",), "n")


@pytest.mark.parametrize(
    "function",
    [
        lambda n: n > n.mean(),
        lambda n: ~n.duplicated(),
        lambda n: n.diff().fillna(1) > 0,
        lambda n: n.rank() > 1,
        lambda n: n.cumsum() >= n,
        lambda n: (n > 0).all(),
        lambda n: [True] * len(n),
        lambda n: n[n > 0] > 1,
        lambda n: n > 0 if n.iloc[0] > 0 else n < 0,
        lambda n: n > 0 if bool(n > 0) else n < 0,
    ],
)
def test_what_judges_a_whole_column_is_refused(function: Any) -> None:
    with pytest.raises(
        ContractError, match=r"Contract t, column 'n', check .*: it judges a whole column"
    ) as error:
        compile_contract(table(pa.Check(function), float))
    assert "Write an audit (sql/audits)" in str(error.value)


def rows_breaking(schema: pa.DataFrameSchema, sql: str) -> dict[str, list[Any]]:
    """Return the rows of a SELECT that break each Python rule of a schema."""
    contract: Contract = compile_contract(schema)
    with duckdb.connect() as con:
        rules = python_rules.evaluate(con, contract, lambda rule: schema, sql)
        found = {rule.name: con.execute(f"from ({sql}) where not ({rule.sql})").fetchall() for rule in rules}
    return {name: sorted(rows, key=str) for name, rows in found.items()}


def test_a_check_runs_on_distinct_values_and_nulls_are_ignored() -> None:
    seen: list[Any] = []

    def odd(n: Any) -> bool:
        seen.append(n)
        return bool(n % 2)

    schema = table(pa.Check(odd, element_wise=True), pd.Int64Dtype)
    compile_contract(schema)
    seen.clear()
    sql = "select case when i % 5 < 4 then i % 5 end as n from range(1000) t(i)"

    assert rows_breaking(schema, sql) == {"n.odd": [(0,)] * 200 + [(2,)] * 200}
    assert len([n for n in seen if n == 2]) < 40  # not one call for each of the 1,000 rows


def test_rows_are_judged_by_the_columns_that_a_check_reads() -> None:
    columns = {"a": pa.Column(str, nullable=True), "b": pa.Column(str, nullable=True), "c": pa.Column(int)}
    check = pa.Check(lambda t: t["a"].str.len() <= t.b.str.len(), name="longer")
    schema = pa.DataFrameSchema(columns, check, name="t")

    assert compile_contract(schema).python[0].columns == ("a", "b")
    sql = "from (values ('x', 'y', 1), ('xx', 'y', 2), ('xx', 'y', 3), (null, 'y', 4), (null, null, 5)) t(a, b, c)"
    # a comparison with a null is false in pandas
    broken = [("xx", "y", 2), ("xx", "y", 3), (None, "y", 4), (None, None, 5)]
    assert rows_breaking(schema, sql) == {"longer": broken}


def test_a_check_that_answers_for_each_cell_judges_the_row() -> None:
    columns = {"a": pa.Column(float, nullable=True), "b": pa.Column(float, nullable=True)}
    schema = pa.DataFrameSchema(columns, pa.Check(lambda t: t[["a", "b"]] < 3, name="small"), name="t")
    sql = "select a::double as a, b::double as b from (values (1, 2), (1, 5), (null, 2)) t(a, b)"
    assert rows_breaking(schema, sql) == {"small": [(1.0, 5.0)]}


def test_an_exception_of_the_author_s_function_says_where_and_on_what() -> None:
    schema = table(pa.Check(lambda v: 1 / (v - 17) > 0, element_wise=True, name="odd"), int)
    with pytest.raises(StepError) as error:
        rows_breaking(schema, "select i as n from range(30) t(i)")
    assert str(error.value) == (
        "Contract t, column 'n', check n.odd: its Python function raised ZeroDivisionError: division by zero "
        "(on 17). Nothing was judged by it. Correct the function in the contract."
    )


def test_what_only_real_data_shows_to_judge_a_whole_column_fails_the_step() -> None:
    check = pa.Check(lambda s: (s.str.len() < 30) | (s.str.len() > s.str.len().mean()), name="long")
    with pytest.raises(StepError, match=r"check n.long: it judges a whole column"):
        rows_breaking(table(check, str), "select repeat('x', i::int) as n from range(30, 60) t(i)")


CONTRACTS = """
import pandera.pandas as pa
from pandera import extensions
from etl import Source, sql_check

@extensions.register_check_method(statistics=["letters"])
def only_of(texts, *, letters):
    return texts.map(lambda text: set(text) <= set(letters))

@extensions.register_check_method(check_type="element_wise")
def lower_case(text):
    return text == text.lower()

@sql_check("only_of")
def _only_of(column, type, letters):
    return f"translate({column}, '{letters}', '') = ''"

class Sales(pa.DataFrameModel):
    item: str = pa.Field(only_of={"letters": "abc"}, lower_case=())

sales = Source(contract=Sales, files="sales/{date}.csv")
"""


def test_registered_checks_are_sql_by_their_renderer_or_python(tmp_path: Path) -> None:
    (tmp_path / "sales.py").write_text(CONTRACTS)
    for _ in range(2):  # pandera takes each name once, but contracts are read again
        contract = load_catalog(tmp_path).sources["sales"].contract
    assert contract.rules[1].sql == (
        "case when \"item\" is not null then (translate(\"item\", 'abc', '') = '') end"
    )
    assert contract.rules[1].message == "only_of(letters=abc)"
    (rule,) = contract.python
    assert (rule.name, rule.module, rule.model) == ("item.lower_case", ".sales", "Sales")

    with duckdb.connect() as con:
        (found,) = python_rules.prepare(con, contract, tmp_path, "from (values ('a'), ('B')) t(item)")
        with con.cursor() as other:  # as the threads of extraction see it
            sql = f"from (values ('a'), ('B')) t(item) where not ({found.sql})"
            assert other.execute(sql).fetchall() == [("B",)]

    (tmp_path / "sales.py").write_text(CONTRACTS + "\n")
    with duckdb.connect() as con, pytest.raises(ContractError, match="changed since the contract was read"):
        python_rules.prepare(con, contract, tmp_path, "select 'a' as item")


def test_a_renderer_that_says_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sales.py").write_text(CONTRACTS.replace("= ''\"", "<> ''\""))
    with pytest.raises(ContractError, match=r"sales\.py.*its SQL .* differs from its Python: they differ on"):
        load_catalog(tmp_path)


def test_a_python_check_of_a_model_that_has_no_name_is_refused(tmp_path: Path) -> None:
    text = CONTRACTS.replace("contract=Sales", "contract=Sales.to_schema()")
    (tmp_path / "sales.py").write_text(text)
    with pytest.raises(ContractError, match=r"check item.lower_case: .*Write the model as a class at the top"):
        load_catalog(tmp_path)
