"""The compiler broken on purpose, one way at a time: the comparison with pandera notices every one."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandera.pandas as pa
import pytest

from etl.contract import judge, python_checks, trace
from etl.contract.compiler import compile_contract
from etl.contract.contract import Contract
from tests.contract.differential import OTHER, Case, Kind, broken_in_duckdb, broken_in_pandera

pytestmark = pytest.mark.filterwarnings("ignore")

NUMBERS, WORDS = Kind(float, "float64", [], []), Kind(str, "str", [], [])
WHOLE = Kind(int, "int64", [], [])
BUILT_IN = Case(
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
            "d": pa.Column(int, unique=True, report_duplicates="exclude_first"),
        },
        unique=["n", "d"],
    ),
    {
        "n": [0.0, 9.0, math.nan, None, -1.0, 4.0],
        "s": ["a", "ab", "ab", "b\n", None, "xa"],
        "d": [1, 2, 3, 3, 3, 4],
    },
    {"n": NUMBERS, "s": WORDS, "d": WHOLE},
)
WRITTEN = Case(
    pa.DataFrameSchema(
        {
            "a": pa.Column(
                float,
                [
                    pa.Check(lambda s: s < 3, name="c0"),
                    pa.Check(lambda s: s.isin([1.0]) | (s >= 2), name="c1", ignore_na=False),
                    pa.Check(lambda v: v != 2, name="c2", element_wise=True),
                    pa.Check(lambda s: s.round() != 1, name="c3"),
                ],
                nullable=True,
            ),
            OTHER: pa.Column(float, nullable=True),
            "c": pa.Column(int, [pa.Check(lambda s: s + 1 > s, name="c0")]),
        },
        [pa.Check(lambda t: t["a"] <= t[OTHER], name="row")],
    ),
    {"a": [1.0, 3.0, 2.0, math.nan, None], OTHER: [1.0, 1.0, None, 1.0, 2.0], "c": [0, 1, 2**63 - 1, 3, 4]},
    {"a": NUMBERS, OTHER: NUMBERS, "c": WHOLE},
)


@pytest.mark.parametrize("case", [BUILT_IN, WRITTEN])
def test_the_unbroken_compiler_agrees_with_pandera(case: Case) -> None:
    assert broken_in_duckdb(compile_contract(case.schema), case) == broken_in_pandera(case) != set()


RULES = {" >= ": " > ", " in (": " not in (", "starts_with": "ends_with", " is not null": " is null"}
RULES |= {"length(": "2 * length(", r"\n?\z": r"\z", "not isnan": "isnan", ", false)": ", true)", r"\A": ""}


@pytest.mark.parametrize(("sql", "mutant"), RULES.items())
def test_a_wrongly_written_rule_is_noticed(sql: str, mutant: str) -> None:
    contract = compile_contract(BUILT_IN.schema)
    rules = tuple(replace(rule, sql=rule.sql.replace(sql, mutant)) for rule in contract.rules)
    assert rules != contract.rules
    assert broken_in_duckdb(replace(contract, rules=rules), BUILT_IN) != broken_in_pandera(BUILT_IN)


def _without_report(contract: Contract) -> Contract:
    return replace(contract, uniques=tuple(replace(unique, report="all") for unique in contract.uniques))


@pytest.mark.parametrize(
    "mutate",
    [
        lambda contract: replace(contract, uniques=()),
        lambda contract: replace(contract, uniques=contract.uniques[:-1]),
        _without_report,
    ],
)
def test_a_dropped_key_is_noticed(mutate: Callable[[Contract], Contract]) -> None:
    contract = mutate(compile_contract(BUILT_IN.schema))
    assert broken_in_duckdb(contract, BUILT_IN) != broken_in_pandera(BUILT_IN)


def test_an_author_s_check_that_is_dropped_is_noticed() -> None:
    contract = compile_contract(WRITTEN.schema)
    for number in range(len(contract.python)):
        less = replace(contract, python=contract.python[:number] + contract.python[number + 1 :])
        assert broken_in_duckdb(less, WRITTEN) != broken_in_pandera(WRITTEN)


def _leaf_without_nan(sql: str, type: str, missing: bool) -> trace.Traced:
    return trace.Traced(sql, type, missing)


def _inverted(check: Any, data: Any) -> Any:
    return np.logical_not(VERDICTS(check, data))


VERDICTS = judge.verdicts
MUTANTS: list[tuple[Any, str, Any]] = [
    (trace.Traced, "__lt__", trace.Traced.__le__),  # type: ignore[operator]
    (trace.Traced, "__le__", trace.Traced.__ge__),  # type: ignore[operator]
    (trace.Traced, "__or__", trace.Traced.__and__),  # type: ignore[operator]
    (trace.Traced, "isin", lambda self, values: trace.Traced("true", "BOOLEAN", False)),
    (python_checks, "leaf", _leaf_without_nan),
    (python_checks, "present", lambda column: f"{column.sql} is not null"),
    (python_checks, "judged", lambda *_: "false"),
    (judge, "verdicts", _inverted),
]


@pytest.mark.parametrize(("place", "name", "mutant"), MUTANTS, ids=[name for _, name, _ in MUTANTS])
def test_a_compiler_that_traces_or_runs_otherwise_is_noticed(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, mutant: Any
) -> None:
    """Once its own trial on samples, which would take the Python way instead, is out of the way."""
    monkeypatch.setattr(python_checks._Samples, "difference", lambda *_, **__: "")
    expected = broken_in_pandera(WRITTEN)
    monkeypatch.setattr(place, name, mutant)
    assert broken_in_duckdb(compile_contract(WRITTEN.schema), WRITTEN) != expected
