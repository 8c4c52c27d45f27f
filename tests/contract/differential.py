"""Random schemas and rows, and which rules they break: in `pandera.pandas`, and as compiled for DuckDB."""

import datetime as dt
import math
import re
import warnings
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
from hypothesis import assume
from hypothesis import strategies as st
from pandera.engines import pandas_engine

from etl.contract import python_rules
from etl.contract.contract import Contract
from etl.contract.regexes import re2
from etl.engine.quoting import identifier, literal


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
    "category": Kind(pd.CategoricalDtype(["a", "k"]), "category", ["a", "k"], []),
    "list": Kind(pd.ArrowDtype(pyarrow.list_(pyarrow.int64())), "list", [[], [1, 2], [1, None], [7]], []),
    "struct": Kind(
        pd.ArrowDtype(pyarrow.struct({"a": pyarrow.int64(), "b c": pyarrow.string()})),
        "struct",
        [{"a": 1, "b c": "x"}, {"a": None, "b c": None}],
        [],
    ),
    "decimal": Kind(pandas_engine.Decimal(15, 2), "object", PRICES, [*PRICES, 1, Decimal("0.001")]),
}
REPORTS = ("all", "exclude_first", "exclude_last")
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


NESTED = ("list", "struct")
OTHER = 'b "é'


def _python(kind: str) -> list[tuple[Any, bool]]:
    """Return functions of one value at a time: vectorised ones, and element-wise ones (True)."""
    found: list[tuple[Any, bool]] = [
        (lambda s: s.notna(), False),
        (lambda s: s.isna() | s.notna(), False),
        (lambda v: len(str(v)) > 2, True),
    ]
    if kind in ("int", "Int64", "Int8", "float", "Float64", "float32"):
        found += [
            (lambda s: s > 1, False),
            (lambda s: (s >= 0) & (s != 1), False),
            (lambda s: ~(s < 0) | s.isin([2, 0]), False),
            (lambda s: s.between(0, 100, inclusive="left"), False),
            (lambda s: s * 2 + 1 > s, False),
            (lambda s: 1 - s <= 0, False),
            (lambda s: s / 2 < 1, False),
            (lambda s: s.abs() % 3 == 1, False),
            (lambda v: v > 0, True),
        ]
    if kind == "str":
        found += [
            (lambda s: s > "a", False),
            (lambda s: ~s.isin(["a", "k"]), False),
            (lambda s: s.str.len() < 3, False),
            (lambda s: s == s.str.lower(), False),
            (lambda v: v.isalpha(), True),
        ]
    if kind == "bool":
        found += [(lambda s: s, False), (lambda s: ~s, False)]
    if kind == "date":
        found += [(lambda s: s >= dt.date(2024, 3, 1), False), (lambda v: v.year > 2000, True)]
    if kind in ("datetime", "zoned"):
        found += [(lambda v: v.year > 2000, True), (lambda s: s.dt.hour == 0, False)]
    if kind == "decimal":
        found += [(lambda s: s > 1, False), (lambda v: v == v.quantize(Decimal("0.1")), True)]
    if kind == "list":
        found += [(lambda v: len(v) < 2, True), (lambda s: s.list.len() > 0, False)]
    return found


def _rows(kinds: list[str]) -> list[tuple[Any, bool]]:
    """Return functions of a row: vectorised ones, and those that get one row at a time (True)."""
    found: list[tuple[Any, bool]] = [
        (lambda t: t["a"].notna() | t[OTHER].isna(), False),
        (lambda t: t.notna().all(axis="columns"), False),
    ]
    if "decimal" not in kinds:  # a column of two places holds 1.50, however short it was written
        found.append((lambda r: len(str(r["a"])) <= len(str(r[OTHER])), True))
    if set(kinds) <= {"int", "Int64", "float"}:
        found += [
            (lambda t: t.a <= t[OTHER], False),
            (lambda t: (t.a + t[OTHER] > 0) | (t["a"] == t[OTHER]), False),
            (lambda t: t.a - t[OTHER] != t[OTHER] * 2, False),
        ]
    if len(set(kinds)) == 1 and kinds[0] in ("str", "date", "datetime", "zoned", "decimal", "timedelta"):
        found += [(lambda t: t.a <= t[OTHER], False), (lambda t: t.a != t[OTHER], False)]
    return found


@st.composite
def python_checks(draw: st.DrawFn, functions: list[tuple[Any, bool]], name: str, masked: bool) -> pa.Check:
    """One check that its author wrote."""
    function, element_wise = draw(st.sampled_from(functions))
    return pa.Check(function, name=name, element_wise=element_wise, ignore_na=masked or draw(st.booleans()))


@dataclass(frozen=True, repr=False)
class Case:
    schema: Any
    rows: dict[str, list[Any]]
    kinds: dict[str, Kind]

    def __repr__(self) -> str:
        shown = {name: (c.dtype, c.nullable, _shown(c.checks)) for name, c in self.schema.columns.items()}
        return f"Case({shown}, {_shown(self.schema.checks)}, {self.rows})"


def _shown(checks: list[pa.Check]) -> list[str]:
    """Return checks as text, with the line of an author's function."""
    lines = [getattr(getattr(c._check_fn, "__code__", None), "co_firstlineno", "") for c in checks]
    return [f"{c} line {n} ignore_na={c.ignore_na}" for c, n in zip(checks, lines, strict=True)]


@st.composite
def cases(draw: st.DrawFn, python: bool = False) -> Case:
    """A schema of one or two columns and rows for it; with built-in checks, or with those of an author."""
    names = ["a", OTHER][: draw(st.integers(1, 2))]
    chosen = {name: draw(st.sampled_from(sorted(KINDS))) for name in names}
    if len(names) == 2 and draw(st.booleans()):
        chosen[OTHER] = chosen["a"]
    kinds = {name: KINDS[kind] for name, kind in chosen.items()}
    columns, rows, size = {}, {}, draw(st.integers(1, 6))
    for name, kind in kinds.items():
        made = python_checks if python else checks
        what: Any = _python(chosen[name]) if python else kind
        number = draw(st.integers(0, 1 if python else 3)) if kind.operands or python or kind.pandas == "str" else 0
        options = [kind.masked] if python else []
        found = [draw(made(what, f"c{position}", *options)) for position in range(number)]
        nullable = draw(st.booleans())
        unique = kind.pandas not in NESTED and draw(st.booleans())
        report = draw(st.sampled_from(REPORTS))
        columns[name] = pa.Column(kind.dtype, found, nullable=nullable, unique=unique, report_duplicates=report)
        value = TEXT if kind.pandas == "str" else st.sampled_from(kind.values)
        value = st.none() | value if kind.nulls else value
        rows[name] = draw(st.lists(value, min_size=size, max_size=size))
    plain = len(kinds) > 1 and not any(kind.pandas in NESTED for kind in kinds.values())
    unique = list(kinds) if plain and draw(st.booleans()) else None
    masked = any(kind.masked for kind in kinds.values())
    over_rows = []
    if python and len(kinds) > 1:
        over_rows = [draw(python_checks(_rows(list(chosen.values())), "row", masked))]
    report = draw(st.sampled_from(REPORTS))
    schema = pa.DataFrameSchema(columns, over_rows, unique=unique, report_duplicates=report, name="random")
    return Case(schema, rows, kinds)


def frame(case: Case) -> pd.DataFrame:
    def series(name: str, kind: Kind) -> pd.Series:
        if kind.pandas in ("float64", "float32"):
            return pd.Series([math.nan if v is None else v for v in case.rows[name]], dtype=kind.pandas)
        dtype = kind.dtype if kind.pandas in (*NESTED, "category") else kind.pandas
        return pd.Series(case.rows[name], dtype=dtype)

    return pd.DataFrame({name: series(name, kind) for name, kind in case.kinds.items()})


def broken_in_pandera(case: Case) -> set[tuple[str, int]]:
    """Return the rules that pandera says are broken, and on which rows."""
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
        if pd.isna(row) and str(check)[:1] in "cr":  # it stops at an unknown answer beside a false one
            assume(False)
        if pd.isna(row):  # one null among null keys: pandera fails the column, and names no row
            assert check in ("field_uniqueness", "multiple_fields_uniqueness"), (column, check)
            continue
        names = {"not_nullable": f"{column}.not_nullable", "field_uniqueness": f"{column}.unique"}
        names["multiple_fields_uniqueness"] = f"unique({', '.join(case.schema.unique or ())})"
        assert check in names or not pd.isna(number), (column, check)
        names["row"] = "row"
        broken.add((names.get(check) or f"{column}.c{int(number)}", int(row)))
    return broken


CON = duckdb.connect()


def broken_in_duckdb(contract: Contract, case: Case) -> set[tuple[str, int]]:
    """Return the rules that are broken in DuckDB, and on which rows."""
    columns = ", ".join(f"{identifier(c.name)} {c.type}" for c in contract.columns)
    CON.execute(f"create or replace table rows (row integer, {columns})")
    for row, values in enumerate(zip(*case.rows.values(), strict=True)):
        CON.execute(f"insert into rows values ({row}, {', '.join(map(_literal, values))})")
    empty = {
        row
        for row, values in enumerate(zip(*case.rows.values(), strict=True))
        if all(value is None or value != value for value in values)
    }
    # a row of nulls alone is no row for pandera; here it is one, if it breaks not_nullable anyway
    skipped = {("row", row) for row in empty if case.schema.checks and case.schema.checks[0].ignore_na}
    python = python_rules.evaluate(CON, contract, lambda rule: case.schema, "select * exclude row from rows")
    selects = [f"select {literal(r.name)}, row from rows where not ({r.sql})" for r in [*contract.rules, *python]]
    for unique in contract.uniques:
        key = contract.key(unique)
        # pandera's report leaves out the keys that are null in every column
        shown = " or ".join(f"{column} is not null" for column in key)
        by = f"over (partition by {', '.join(key)} order by row"
        first = {"all": "1 = 0", "exclude_first": "first", "exclude_last": "last"}[unique.report]
        counted = (
            f"select row, {shown} as shown, count(*) {by} rows between unbounded preceding and unbounded "
            f"following) as n, row_number() {by}) = 1 as first, row_number() {by} desc) = 1 as last from rows"
        )
        selects.append(
            f"select {literal(unique.name)}, row from ({counted}) where shown and n > 1 and not ({first})"
        )
    return set(CON.execute(" union all ".join(selects)).fetchall()) - skipped if selects else set()


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    return literal(value)
