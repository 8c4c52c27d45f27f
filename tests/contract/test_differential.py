"""Random schemas and rows: the compiled SQL breaks the same rules on the same rows as `pandera.pandas`."""

import datetime as dt
import math
import re
import warnings
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.engines import pandas_engine

from etl.contract.compiler import compile_contract
from etl.contract.contract import Contract
from etl.contract.regexes import re2
from etl.quoting import identifier, literal

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Kind:
    """A column type: what pandera calls it, its values, and what a check may compare them with."""

    dtype: Any
    pandas: Any
    values: list[Any]
    operands: list[Any]
    bounds: tuple[Any, ...] = ()  # operands of <, >, = alone
    masked: bool = False  # pandera itself fails on a null with ignore_na=False
    nulls: bool = True


ZONE = dt.timezone(dt.timedelta(hours=5, minutes=30))
BIG = [-(2**63), -1, 0, 1, 2, 2**53, 2**53 + 1, 2**63 - 1]
HALF_OPEN = (0.5, 2.0**53, math.inf, -math.inf, 2**70)
FLOATS = [math.inf, -math.inf, -0.0, 0.0, 0.1, 0.30000000000000004, 1.5, 2.0**53, 1e308, 5e-324]
MOMENTS = [dt.datetime(2024, 2, 29), dt.datetime(2024, 2, 29, 23, 59, 59, 999999), dt.datetime(1969, 7, 20)]
DAYS = [dt.date(2024, 2, 29), dt.date(2024, 3, 1), dt.date(1, 1, 1), dt.date(9999, 12, 31)]
SPANS = [dt.timedelta(0), dt.timedelta(days=40), dt.timedelta(microseconds=-1), dt.timedelta(hours=24)]
PRICES = [Decimal("-1.50"), Decimal("0.00"), Decimal("1.5"), Decimal("9999999999999.99")]
KINDS = {
    "int": Kind(int, "int64", BIG, BIG, HALF_OPEN, nulls=False),
    "Int64": Kind(pd.Int64Dtype, "Int64", BIG, BIG, HALF_OPEN, masked=True),
    "Int8": Kind(pd.Int8Dtype, "Int8", [-128, -1, 0, 1, 127], [-128, 0, 1, 300], (0.5,), masked=True),
    "UInt64": Kind(pd.UInt64Dtype, "UInt64", [0, 1, 2**63, 2**64 - 1], [-1, 0, 1, 2**64 - 1], masked=True),
    "float": Kind(float, "float64", [*FLOATS, math.nan], [*FLOATS, 0, 1]),
    "Float64": Kind(pd.Float64Dtype, "Float64", FLOATS, [*FLOATS, 1], masked=True),
    "float32": Kind(np.float32, "float32", [0.5, 1.5, math.inf, math.nan, float(np.float32(0.1))], [0.5, 1.5, 1]),
    "bool": Kind(pd.BooleanDtype, "boolean", [True, False], [True, False], masked=True),
    "str": Kind(str, "str", [], []),
    "date": Kind(dt.date, "object", DAYS, DAYS),
    "datetime": Kind(dt.datetime, "datetime64[ns]", MOMENTS, MOMENTS),
    "zoned": Kind(
        pd.DatetimeTZDtype("ns", "UTC"),
        "datetime64[ns, UTC]",
        [moment.replace(tzinfo=dt.UTC) for moment in MOMENTS],
        [moment.replace(tzinfo=ZONE) for moment in MOMENTS] + [MOMENTS[0].replace(tzinfo=dt.UTC)],
    ),
    "timedelta": Kind(dt.timedelta, "timedelta64[ns]", SPANS, SPANS),
    "decimal": Kind(pandas_engine.Decimal(15, 2), "object", PRICES, [*PRICES, 1, Decimal("0.001")]),
}
LETTERS = "aAbkKsSiI01_ '\"\\%.-éßſ\u212a\u0130\u0301٣👍🏽\n\r\t\x0b\x00\x85\u2028"
TEXT = st.text(LETTERS, max_size=5)
PIECES = [
    "a",
    "k",
    "i",
    ".",
    r"\d",
    r"\D",
    r"\w",
    r"[^\w]",
    r"\s",
    r"\S",
    r"[\s\S]",
    "[^a]",
    "[a-k]",
    "a|k",
    ".*",
]
PIECES += [
    "(a)",
    "(?:ab?)+",
    "[A-Z_]{1,2}",
    r"\.",
    "é",
    "٣",
    "(?P<x>s|S)",
    "[^k]",
    r"[\d\s]*?",
    "0+?",
    "^",
    r"\x00",
]


def written(flags: str, pieces: list[str], end: str) -> "str | re.Pattern[str]":
    """Compiled if it has flags: pandas may hand text to pyarrow, which knows no (?a) and folds otherwise."""
    text = flags + "".join(pieces) + end
    return re.compile(text) if flags else text


def translates(pattern: "str | re.Pattern[str]") -> bool:
    try:
        return bool(re2(pattern, anchored=False))
    except ValueError:
        return False


PATTERNS = st.builds(
    written,
    st.sampled_from(["", "", "", "(?i)", "(?s)", "(?a)", "(?m)", "(?ai)"]),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=4),
    st.sampled_from(["", "$", r"\Z"]),
).filter(translates)


@st.composite
def checks(draw: st.DrawFn, kind: Kind, name: str) -> pa.Check:
    """One built-in check, comparing with values that occur."""
    texts = kind.pandas == "str"
    operands = TEXT if texts else st.sampled_from(kind.operands)
    bounds = TEXT if texts else st.sampled_from([*kind.operands, *kind.bounds])
    names = ["eq", "ne", "gt", "ge", "lt", "le", "in_range", "isin", "notin"]
    what = draw(st.sampled_from(names + ["matches", "contains", "starts", "ends", "length"] * 2 * texts))
    options = {"name": name, "ignore_na": kind.masked or draw(st.booleans())}
    make = {"matches": pa.Check.str_matches, "contains": pa.Check.str_contains}
    ends = {"starts": pa.Check.str_startswith, "ends": pa.Check.str_endswith}
    if what in make:
        return make[what](draw(PATTERNS), **options)
    if what in ends:
        return ends[what](draw(TEXT), **options)
    if what == "length":
        low, high = sorted([draw(st.integers(0, 3)), draw(st.integers(0, 3))])
        bounds = {"min_value": low, "max_value": high, "exact_value": low}
        chosen = draw(st.sampled_from([["min_value"], ["max_value"], ["min_value", "max_value"], ["exact_value"]]))
        return pa.Check.str_length(**{bound: bounds[bound] for bound in chosen}, **options)
    if what in ("isin", "notin"):
        return getattr(pa.Check, what)(draw(st.lists(operands, max_size=3)), **options)
    if what == "in_range":
        low, high = sorted([draw(bounds), draw(bounds)])
        include = [low == high or draw(st.booleans()) for _ in range(2)]
        return pa.Check.in_range(low, high, *include, **options)
    return getattr(pa.Check, what)(draw(bounds), **options)


@dataclass(frozen=True)
class Case:
    schema: Any
    rows: dict[str, list[Any]]
    kinds: dict[str, Kind]

    def __repr__(self) -> str:
        shown = {name: (c.dtype, c.nullable, c.checks) for name, c in self.schema.columns.items()}
        return f"Case({shown}, {self.rows})"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kinds = {
        name: KINDS[draw(st.sampled_from(sorted(KINDS)))] for name in ["a", 'b "é'][: draw(st.integers(1, 2))]
    }
    columns, rows, size = {}, {}, draw(st.integers(1, 6))
    for name, kind in kinds.items():
        found = [draw(checks(kind, f"c{number}")) for number in range(draw(st.integers(0, 3)))]
        nullable, unique = draw(st.booleans()), draw(st.booleans())
        columns[name] = pa.Column(kind.dtype, found, nullable=nullable, unique=unique)
        value = TEXT if kind.pandas == "str" else st.sampled_from(kind.values)
        value = st.none() | value if kind.nulls else value
        rows[name] = draw(st.lists(value, min_size=size, max_size=size))
    unique = list(kinds) if len(kinds) > 1 and draw(st.booleans()) else None
    return Case(pa.DataFrameSchema(columns, unique=unique, name="random"), rows, kinds)


def frame(case: Case) -> pd.DataFrame:
    def series(name: str, kind: Kind) -> pd.Series:
        if kind.pandas in ("float64", "float32"):
            return pd.Series([math.nan if v is None else v for v in case.rows[name]], dtype=kind.pandas)
        return pd.Series(case.rows[name], dtype=kind.pandas)

    return pd.DataFrame({name: series(name, kind) for name, kind in case.kinds.items()})


def broken_in_pandera(case: Case) -> set[tuple[str, int]]:
    data = frame(case)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case.schema.validate(data, lazy=True)
    except pa.errors.SchemaErrors as errors:
        found = errors.failure_cases
    else:
        return set()
    broken = set()
    for column, check, number, row in found[["column", "check", "check_number", "index"]].itertuples(index=False):
        if pd.isna(row):  # one null among null keys: pandera fails the column, and names no row
            assert check in ("field_uniqueness", "multiple_fields_uniqueness"), (column, check)
            continue
        names = {"not_nullable": f"{column}.not_nullable", "field_uniqueness": f"{column}.unique"}
        names["multiple_fields_uniqueness"] = f"unique({', '.join(case.kinds)})"
        assert check in names or not pd.isna(number), (column, check)
        broken.add((names.get(check) or f"{column}.c{int(number)}", int(row)))
    return broken


CON = duckdb.connect()


def broken_in_duckdb(contract: Contract, case: Case) -> set[tuple[str, int]]:
    columns = ", ".join(f"{identifier(c.name)} {c.type}" for c in contract.columns)
    CON.execute(f"create or replace temp table rows (row integer, {columns})")
    for row, values in enumerate(zip(*case.rows.values(), strict=True)):
        CON.execute(f"insert into rows values ({row}, {', '.join(map(literal, values))})")
    selects = [f"select {literal(r.name)}, row from rows where not ({r.sql})" for r in contract.rules]
    for unique in contract.uniques:
        key = contract.key(unique)
        # pandera's report leaves out the keys that are null in every column
        shown = " or ".join(f"{column} is not null" for column in key)
        counted = f"select row, {shown} as shown, count(*) over (partition by {', '.join(key)}) as n from rows"
        selects.append(f"select {literal(unique.name)}, row from ({counted}) where shown and n > 1")
    return set(CON.execute(" union all ".join(selects)).fetchall()) if selects else set()


@QUICK
@given(cases())
def test_compiled_rules_break_on_the_rows_on_which_pandera_breaks(case: Case) -> None:
    assert broken_in_duckdb(compile_contract(case.schema), case) == broken_in_pandera(case)


NUMBERS = Kind(float, "float64", [], [])
WORDS = Kind(str, "str", [], [])
FIXED = Case(
    pa.DataFrameSchema(
        {
            "n": pa.Column(
                float, [pa.Check.in_range(0, 9, name="c0"), pa.Check.lt(5, ignore_na=False, name="c1")]
            ),
            "s": pa.Column(
                str,
                [
                    pa.Check.isin(["a", "ab"], name="c0"),
                    pa.Check.str_length(max_value=2, name="c1"),
                    pa.Check.str_matches("[ab]+$", name="c2"),
                    pa.Check.str_startswith("a", name="c3"),
                ],
                unique=True,
            ),
        }
    ),
    {"n": [0.0, 9.0, math.nan, None, -1.0], "s": ["a", "ab", "ab", "b\n", None]},
    {"n": NUMBERS, "s": WORDS},
)
MUTATIONS = [
    (" >= ", " > "),
    (" in (", " not in ("),
    ("starts_with", "ends_with"),
    (" is not null", " is null"),
]
MUTATIONS += [("length(", "2 * length("), (r"\n?\z", r"\z"), ("not isnan", "isnan"), (", false)", ", true)")]


def test_the_unchanged_rules_of_the_fixed_case_agree_with_pandera() -> None:
    assert broken_in_duckdb(compile_contract(FIXED.schema), FIXED) == broken_in_pandera(FIXED)


@pytest.mark.parametrize(("sql", "mutant"), MUTATIONS)
def test_a_wrongly_compiled_rule_is_caught(sql: str, mutant: str) -> None:
    contract = compile_contract(FIXED.schema)
    rules = tuple(replace(rule, sql=rule.sql.replace(sql, mutant)) for rule in contract.rules)
    assert rules != contract.rules
    assert broken_in_duckdb(replace(contract, rules=rules), FIXED) != broken_in_pandera(FIXED)
