"""What a pandera model becomes, and what is refused with which words."""

import datetime as dt
import enum
import re
import subprocess
import sys
from decimal import Decimal
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest
from pandera.engines import pandas_engine

from etl.contract.compiler import compile_contract
from etl.contract.contract import Column, Rule, Unique
from etl.errors import ContractError


def table(dtype: Any = int, check: Any = None, **options: Any) -> pa.DataFrameSchema:
    """A schema `t` of one column `n`."""
    return pa.DataFrameSchema({"n": pa.Column(dtype, check, **options)}, name="t")


def sql(dtype: Any, check: pa.Check) -> str:
    return compile_contract(table(dtype, check, nullable=True)).rules[0].sql


def refusal(schema: Any) -> str:
    with pytest.raises(ContractError) as error:
        compile_contract(schema)
    return str(error.value)


class Flights(pa.DataFrameModel):
    """One row per departure.

    From New York.
    """

    carrier: str = pa.Field(str_length=2, description="IATA code")
    dep_delay: pd.Int64Dtype = pa.Field(nullable=True, ge=-60, metadata={"sql_warn": {"late": "dep_delay < 600"}})
    tail: str | None = pa.Field(unique=True, nullable=True, isin=["b", "a"], raise_warning=True)

    class Config:
        strict = True
        ordered = True
        coerce = True
        unique = ["carrier", "tail"]  # noqa: RUF012
        metadata = {"sql": {"known": "carrier is not null or tail is not null"}}  # noqa: RUF012


def test_a_model_becomes_columns_rules_and_uniques() -> None:
    contract = compile_contract(Flights)
    assert (contract.name, contract.description) == ("Flights", "One row per departure.")
    assert (contract.strict, contract.ordered) == (True, True)
    assert contract.columns == (
        Column("carrier", "VARCHAR", nullable=False, description="IATA code"),
        Column("dep_delay", "BIGINT", nullable=True),
        Column("tail", "VARCHAR", nullable=True, required=False),
    )
    assert contract.rules == (
        Rule("carrier.not_nullable", '"carrier" is not null', "carrier", "is null"),
        Rule("carrier.str_length", '(length("carrier") = 2)', "carrier", "str_length(2)"),
        Rule(
            "dep_delay.greater_than_or_equal_to",
            '"dep_delay" >= -60',
            "dep_delay",
            "greater_than_or_equal_to(-60)",
        ),
        Rule("dep_delay.late", "(dep_delay < 600)", "dep_delay", "dep_delay < 600", severity="warn"),
        Rule("tail.isin", "\"tail\" in ('a', 'b')", "tail", "isin(['b', 'a'])", severity="warn"),
        Rule(
            "known",
            "(carrier is not null or tail is not null)",
            None,
            "carrier is not null or tail is not null",
        ),
    )
    assert contract.uniques == (
        Unique("tail.unique", ("tail",)),
        Unique("unique(carrier, tail)", ("carrier", "tail")),
    )


@pytest.mark.parametrize(
    ("dtype", "duckdb_type"),
    [
        (int, "BIGINT"),
        (np.uint16, "USMALLINT"),
        (pd.Int8Dtype, "TINYINT"),
        (pd.UInt64Dtype, "UBIGINT"),
        (float, "DOUBLE"),
        (np.float32, "FLOAT"),
        (pd.Float64Dtype, "DOUBLE"),
        (bool, "BOOLEAN"),
        (pd.BooleanDtype, "BOOLEAN"),
        (str, "VARCHAR"),
        (pd.StringDtype, "VARCHAR"),
        ("category", "VARCHAR"),
        (dt.date, "DATE"),
        (dt.datetime, "TIMESTAMP"),
        (pd.DatetimeTZDtype("ns", "America/New_York"), "TIMESTAMP WITH TIME ZONE"),
        (dt.timedelta, "INTERVAL"),
        (Decimal, "DECIMAL(28,0)"),
        (pandas_engine.Decimal(15, 2), "DECIMAL(15,2)"),
        (pd.ArrowDtype(pyarrow.decimal128(15, 2)), "DECIMAL(15,2)"),
        (pd.ArrowDtype(pyarrow.timestamp("us")), "TIMESTAMP"),
        (pd.ArrowDtype(pyarrow.timestamp("us", "UTC")), "TIMESTAMP WITH TIME ZONE"),
        (pd.ArrowDtype(pyarrow.date32()), "DATE"),
        (pd.ArrowDtype(pyarrow.int32()), "INTEGER"),
        (pd.ArrowDtype(pyarrow.float64()), "DOUBLE"),
        (pd.ArrowDtype(pyarrow.bool_()), "BOOLEAN"),
        (pd.ArrowDtype(pyarrow.large_string()), "VARCHAR"),
        (pd.ArrowDtype(pyarrow.binary()), "BLOB"),
        (pd.ArrowDtype(pyarrow.time64("us")), "TIME"),
        (pd.ArrowDtype(pyarrow.duration("us")), "INTERVAL"),
        (pd.ArrowDtype(pyarrow.list_(pyarrow.list_(pyarrow.date32()))), "DATE[][]"),
        (pd.ArrowDtype(pyarrow.list_(pyarrow.float64(), 3)), "DOUBLE[3]"),
        (pd.ArrowDtype(pyarrow.map_(pyarrow.string(), pyarrow.int8())), "MAP(VARCHAR, TINYINT)"),
        (pd.ArrowDtype(pyarrow.dictionary(pyarrow.int8(), pyarrow.string())), "VARCHAR"),
        (
            pd.ArrowDtype(pyarrow.struct({"a": pyarrow.int64(), "b c": pyarrow.decimal128(9, 2)})),
            'STRUCT(a BIGINT, "b c" DECIMAL(9,2))',
        ),
        (pd.CategoricalDtype([3, 1]), "BIGINT"),
        (pandas_engine.DateTime(time_zone_agnostic=True), "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_every_type_has_its_duckdb_type(dtype: Any, duckdb_type: str) -> None:
    assert compile_contract(table(dtype)).column("n").type == duckdb_type


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


def test_categories_and_enums_are_values_that_are_listed() -> None:
    class Shirts(pa.DataFrameModel):
        size: Size
        color: pd.CategoricalDtype = pa.Field(dtype_kwargs={"categories": ["red", "blue"]}, nullable=True)
        cut: str = pa.Field(isin=Size, nullable=True)

    rules = {rule.name: rule.sql for rule in compile_contract(Shirts).rules}
    assert rules == {
        "size.not_nullable": '"size" is not null',
        "size.categories": "\"size\" in ('l', 's')",
        "color.categories": "\"color\" in ('blue', 'red')",
        "cut.isin": "\"cut\" in ('l', 's')",
    }


def test_annotated_types_work() -> None:
    class Prices(pa.DataFrameModel):
        n: Annotated[pd.ArrowDtype, pyarrow.decimal128(9, 3)]

    assert compile_contract(Prices).column("n").type == "DECIMAL(9,3)"


class Letter(enum.StrEnum):
    A = "a"


@pytest.mark.parametrize(
    ("dtype", "check", "expected"),
    [
        (int, pa.Check.gt(1.5), "\"n\"::double > '1.5'::double"),
        (int, pa.Check.isin([2.0, None]), '"n" in (2)'),
        (int, pa.Check.isin([]), 'nullif("n" is null, true)'),
        (int, pa.Check.notin([]), "true"),
        (float, pa.Check.lt(3), 'case when not isnan("n") then "n" < \'3.0\'::double end'),
        (pandas_engine.Decimal(15, 2), pa.Check.ge(Decimal("0.001")), "\"n\" >= '0.001'::decimal(16, 3)"),
        (dt.date, pa.Check.ne(dt.date(2013, 1, 1)), "\"n\" <> date '2013-01-01'"),
        (str, pa.Check.eq(Letter.A), "\"n\" = 'a'"),
        (str, pa.Check.isin("ba"), "\"n\" in ('a', 'b')"),
        (str, pa.Check.gt("a", ignore_na=False), "coalesce(\"n\" > 'a', false)"),
        (str, pa.Check.str_matches(r"[a-z]+$"), "regexp_matches(\"n\", '\\A(?:(?:[a-z]){1,}\\n?\\z)')"),
        (str, pa.Check.str_contains(re.compile("k", re.I)), "regexp_matches(\"n\", '[Kk\\x{212a}]')"),
    ],
)
def test_a_check_becomes_sql(dtype: Any, check: pa.Check, expected: str) -> None:
    assert sql(dtype, check) == expected


def test_rules_of_one_name_are_numbered_and_a_name_of_the_author_is_kept() -> None:
    checks = [pa.Check.gt(1), pa.Check.gt(2), pa.Check.lt(9, name="small", error="too big")]
    rules = compile_contract(table(int, checks, nullable=True)).rules
    assert [rule.name for rule in rules] == ["n.greater_than", "n.greater_than#2", "n.small"]
    assert rules[2].message == "too big"


def test_a_refusal_says_contract_column_check_why_and_what_to_do() -> None:
    assert refusal(table(int, pa.Check(lambda n: n.max() > 0, name="positive"))) == (
        "Contract t, column 'n', check positive: it judges a whole column, not a row: it returns bool, "
        "not one answer for each row. Write an audit (sql/audits) for what a whole table must be. Write it as an "
        'sql rule: metadata={"sql": {"rule_name": "a boolean expression"}}.'
    )


@pytest.mark.parametrize(
    ("dtype", "check", "why"),
    [
        (int, pa.Check.gt(0, groupby="n"), "do not support groupby or element_wise=True here"),
        (int, pa.Check(lambda groups: True, groupby="n"), "groupby compares rows with one another"),
        (int, pa.Check.unique_values_eq([1]), "a whole column, not a row"),
        (int, pa.Check.gt("1"), "'1' (str) is not an exact value of type BIGINT"),
        (int, pa.Check.isin([1.5]), "1.5 (float) is not an exact value of type BIGINT"),
        (int, pa.Check.gt(float("nan")), "nan (float) is not an exact value"),
        (int, pa.Check.str_length(1), "works on text, and the column is BIGINT"),
        (bool, pa.Check.eq(1), "1 (int) is not an exact value of type BOOLEAN"),
        (float, pa.Check.eq(2**53 + 1), "not an exact value of type DOUBLE"),
        (np.float32, pa.Check.le(0.1), "not an exact value of type FLOAT"),
        (pandas_engine.Decimal(15, 2), pa.Check.gt(0.1), "0.1 (float) is not an exact value of type DECIMAL"),
        (pandas_engine.Decimal(38, 0), pa.Check.gt(Decimal("0.1")), "no common DECIMAL of 38 digits"),
        (dt.date, pa.Check.gt(dt.datetime(2013, 1, 1)), "(datetime) is not an exact value of type DATE"),
        (dt.datetime, pa.Check.gt(dt.date(2013, 1, 1)), "(date) is not an exact value of type TIMESTAMP"),
        (
            dt.datetime,
            pa.Check.gt(pd.Timestamp("2013-01-01", tz="UTC")),
            "not an exact value of type TIMESTAMP",
        ),
        (str, pa.Check.isin(["a", None], ignore_na=False), "a null among the values needs ignore_na=True"),
        (str, pa.Check.eq("\ud800"), "surrogate"),
    ],
)
def test_a_check_that_would_mean_something_else_in_sql_is_refused(dtype: Any, check: pa.Check, why: str) -> None:
    assert why in refusal(table(dtype, check))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(?=a)b", "RE2 has no assert (look-around"),
        ("(?<!a)b", "RE2 has no assert_not"),
        (r"(a)\1", "RE2 has no groupref"),
        (r"(?P<x>a)(?P=x)", "RE2 has no groupref"),
        (r"(a)?(?(1)b|c)", "RE2 has no groupref_exists"),
        ("a++", "RE2 has no possessive_repeat"),
        ("(?>a)", "RE2 has no atomic_group"),
        (r"\bJFK", "Begin with (?a)"),
        (r"\W", r"Write [^\w]"),
        ("a$b", "`$` before the pattern's end"),
        ("(?i)é", "List both cases"),
        ("a{1001}", "more than 1000"),
        ("(a{100}){100}", "DuckDB refuses it"),
        (re.compile(b"a"), "is not text"),
    ],
)
def test_a_pattern_that_duckdb_would_match_otherwise_is_refused(pattern: Any, why: str) -> None:
    message = refusal(table(str, pa.Check.str_contains(pattern)))
    assert message.startswith("Contract t") and why in message


def indexed() -> pa.DataFrameSchema:
    return pa.DataFrameSchema({"n": pa.Column(int)}, index=pa.Index(int), name="t")


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (table(None), "Contract t, column 'n': it has no type. Give it one"),
        (table(object), "Contract t, column 'n': type object has no DuckDB type here"),
        (table(complex), "type complex128 has no DuckDB type"),
        (table(pd.CategoricalDtype(["a", 1])), "its categories ['a', 1] are not all text"),
        (table(pd.PeriodDtype("D")), "has no DuckDB type"),
        (table(pd.ArrowDtype(pyarrow.list_(pyarrow.null()))), "type null has no DuckDB type"),
        (table(pd.ArrowDtype(pyarrow.struct([]))), "a struct with fields"),
        (table(int, default="x"), "Contract t, column 'n': default='x' is not a value of type BIGINT"),
        (table(int, default=1.5), "default=1.5 is not a value"),
        (
            table(int, parsers=pa.Parser(abs)),
            "column 'n': parsers is not supported for a table in SQL. Declare it as "
            'cleansing: metadata={"clean": ...}',
        ),
        (table(int, metadata={"units": "m"}), "column 'n': metadata has no key 'units'. Did you mean unit?"),
        (
            table(int, metadata={"x": 1}),
            "metadata has no key 'x'. There are: aliases, ambiguous, clean, decimal, ",
        ),
        (table(int, metadata={"unit": {1}}), "metadata 'unit': {1} is not plain data"),
        (table(int, metadata={"unit": 3}), "metadata 'unit': 3 is not a text"),
        (table(int, metadata={"pii": "yes"}), "'yes' is not one of True, 'hash', 'partial', 'drop'"),
        (table(int, metadata={"aliases": "m"}), "'m' is not a list of names"),
        (table(int, metadata={"aliases": ["n"]}), "holds the column's own name"),
        (table(int, metadata={"format": "%d"}), "is for dates and timestamps, and the column is BIGINT"),
        (table(dt.date, metadata={"format": "%d.%m.%Y %H"}), "a time of day. A DATE would lose it"),
        (table(dt.date, metadata={"format": "%Q"}), "DuckDB refuses '%Q'"),
        (
            pa.DataFrameSchema({"n": pa.Column(int), "m": pa.Column(int, metadata={"aliases": ["n"]})}, name="t"),
            "Contract t: the alias 'n' names two columns",
        ),
        (
            pa.DataFrameSchema({"n": pa.Column(int)}, add_missing_columns=True, name="t"),
            "add_missing_columns needs a default for it",
        ),
        (
            pa.DataFrameSchema({"n.*": pa.Column(int, regex=True, metadata={"sql": {"a": "true"}})}, name="t"),
            "an sql rule cannot name the columns of a pattern",
        ),
        (indexed(), "Contract t: index is not supported"),
        (
            pa.DataFrameSchema({"n": pa.Column(int)}, drop_invalid_rows=True, name="t"),
            "drop_invalid_rows is not",
        ),
        (pa.DataFrameSchema({"n": pa.Column()}, dtype=int, name="t"), "Contract t: dtype is not supported"),
        (
            pa.DataFrameSchema({"n": pa.Column(int), "N": pa.Column(int)}, name="t"),
            "DuckDB cannot tell it from 'n'",
        ),
        (pa.DataFrameSchema({("n", "m"): pa.Column(int)}, name="t"), "its name is not text"),
        (pa.DataFrameSchema({"n": pa.Column(int)}, unique=["m"], name="t"), "unique names ['m']"),
        (
            pa.DataFrameSchema({"n": pa.Column(int)}, pa.Check(lambda t: len(t) > 0, name="all"), name="t"),
            "Contract t, check all: it judges a whole column, not a row: it returns bool",
        ),
        (pa.DataFrameSchema({}, name="t"), "Contract t: it has no columns"),
        (int, "Contract int: type is not a pandera.pandas model"),
    ],
)
def test_what_has_no_meaning_for_a_table_is_refused(schema: Any, message: str) -> None:
    assert message in refusal(schema)


def test_a_check_for_columns_like_none_is_refused() -> None:
    class Model(pa.DataFrameModel):
        n: int

        @pa.check("m.*", regex=True)
        def positive(cls, n: Any) -> Any:
            return n > 0

    assert "Contract Model: check positive is for columns like ['m.*'], and there are none" in refusal(Model)


def test_what_an_author_says_beside_types_and_checks_is_data() -> None:
    class Delays(pa.DataFrameModel):
        delay: int = pa.Field(title="departure delay", metadata={"unit": "minutes", "aliases": ["dep_delay_min"]})
        name: str = pa.Field(alias="full name", nullable=True, metadata={"pii": True})
        day: dt.date = pa.Field(default=dt.date(2013, 1, 31), metadata={"format": "%d.%m.%Y"})

        class Config:
            strict = "filter"
            add_missing_columns = True
            title = "Delays"

    with pytest.raises(ContractError, match="column 'delay': add_missing_columns needs a default"):
        compile_contract(Delays)
    Delays.Config.add_missing_columns = False

    class Later(Delays):
        pass

    contract = compile_contract(Later)
    assert contract.drops_extra and not contract.strict
    assert contract.columns == (
        Column(
            "delay", "BIGINT", False, description="departure delay", unit="minutes", aliases=("dep_delay_min",)
        ),
        Column("full name", "VARCHAR", True, pii="hash"),
        Column("day", "DATE", False, default="31.01.2013", format="%d.%m.%Y"),
    )
    assert contract.comments() == {"delay": "departure delay [unit: minutes]", "full name": "[pii: hash]"}


def test_columns_that_may_be_added_are_not_required() -> None:
    columns = {"n": pa.Column(int, default=0), "m": pa.Column(str, nullable=True)}
    contract = compile_contract(pa.DataFrameSchema(columns, add_missing_columns=True, name="t"))
    assert [(c.name, c.required, c.default) for c in contract.columns] == [("n", False, "0"), ("m", False, None)]


@pytest.mark.parametrize("report", ["all", "exclude_first", "exclude_last"])
def test_which_of_equal_rows_offend_is_kept(report: Any) -> None:
    column = pa.Column(int, unique=True, report_duplicates=report)
    schema = pa.DataFrameSchema({"n": column}, unique=["n"], report_duplicates=report, name="t")
    assert [unique.report for unique in compile_contract(schema).uniques] == [report, report]


@pytest.mark.parametrize(
    "expression",
    [
        "n > 0 and n % 2 = 0",
        "n in (select 1)",
        "n::varchar not like 'a;b -- c'",
    ],
)
def test_an_sql_rule_may_be_any_boolean_expression(expression: str) -> None:
    rule = compile_contract(table(int, nullable=True, metadata={"sql": {"mine": expression}})).rules[0]
    assert rule == Rule("n.mine", f"({expression})", "n", expression)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("n +", "syntax error"),
        ("m > 0", "Referenced column"),
        ("n", "is BIGINT, not one BOOLEAN"),
        ("n > 0, n < 5", "not one boolean expression"),
        ("n > 0) or (n < 5", "syntax error"),
        ("n > 0; drop table t", "not one boolean expression"),
        ("n > 0 -- fine", "holds a comment"),
        ("n > 0 as fine", "not one boolean expression"),
        ("n > 0 from t", "not one boolean expression"),
        ("sum(n) > 0", "WHERE clause cannot contain aggregates"),
        ("row_number() over () > 0", "WHERE clause cannot contain window"),
        ("n > ?", "not one boolean expression"),
        ("n in (select 1 from read_csv('x.csv'))", "not one boolean expression"),
        ("", "is not an SQL expression"),
        (3, "is not an SQL expression"),
    ],
)
def test_an_sql_rule_that_is_not_one_boolean_expression_is_refused(expression: Any, why: str) -> None:
    message = refusal(table(metadata={"sql": {"mine": expression}}))
    assert message.startswith("Contract t, column 'n', check mine (sql rule): ")
    assert why in message and message.endswith("Correct the expression.")


def test_a_set_of_values_gives_the_same_sql_in_every_process() -> None:
    code = (
        "import pandera.pandas as pa; from etl.contract.compiler import compile_contract;"
        "s = pa.DataFrameSchema({'n': pa.Column(str, pa.Check.isin({'a', 'b', 'c', 'd'}))});"
        "print(compile_contract(s).rules[1].sql, compile_contract(s).rules[1].message)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True)
        for seed in "12"
    ]
    assert runs[0].stdout == "\"n\" in ('a', 'b', 'c', 'd') isin(['a', 'b', 'c', 'd'])\n" == runs[1].stdout


def test_the_row_rules_of_a_schema_and_of_an_inherited_config_are_kept() -> None:
    class Base(pa.DataFrameModel):
        n: int

        class Config:
            metadata = {"sql": {"mine": "n > 0"}}  # noqa: RUF012

    class Child(Base):
        m: int

    schema = pa.DataFrameSchema({"n": pa.Column(int)}, metadata={"sql": {"mine": "n > 0"}})
    for model in (Base, Child, schema):
        assert compile_contract(model).rules[-1] == Rule("mine", "(n > 0)", None, "n > 0")
