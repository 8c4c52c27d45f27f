"""Every entry of the list, over edge values of every type that it takes: Spark computes what DuckDB does."""

from __future__ import annotations

import pytest

from etl.models.spark_sql.casts import CASTS
from etl.models.spark_sql.functions import AGGREGATES, ARITHMETIC, LOGIC, TEXT, TIME, WINDOWS, Entry
from tests.support.spark_edges import Edges, grouped
from tests.support.spark_sql import TYPES, Case, both, cases, hand_over, spark

pytestmark = pytest.mark.sampled

pytest.importorskip("sqlglot")

#: Windows of all shapes that are on the list, over the table of groups.
FRAMES = [
    "over ()",
    "over (partition by g)",
    "over (partition by g order by n)",
    "over (partition by g order by n desc)",
    "over (order by g, n)",
    "over (partition by g order by n rows between 1 preceding and current row)",
    "over (partition by g order by n rows between unbounded preceding and 1 following)",
    "over (partition by g order by n rows between current row and unbounded following)",
    "over (partition by g order by n range between unbounded preceding and unbounded following)",
]


#: What compares two values, or chooses one of them, as one type.
COMPARED = [
    *(f"_0 {sign} _1" for sign in ("=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from")),
    *("_0 between _1 and _0", "_0 not between _0 and _1", "_0 in (_1, null)", "_0 not in (_0, _1)"),
    *("coalesce(_0, _1)", "greatest(_0, _1)", "least(_0, _1)"),
    *("case when _0 = _1 then _0 else _1 end", "case _0 when _1 then 1 end"),
]
#: The kinds that stand beside each other there.
BESIDE = [
    *(f"{kind},{kind}" for kind in ("int", "huge", "dec", "flt", "bool", "str", "date", "ts", "tz")),
    *(
        "int,huge",
        "int,dec",
        "dec,int",
        "int,flt",
        "flt,int",
        "dec,flt",
        "flt,dec",
        "huge,flt",
        "date,ts",
        "ts,date",
    ),
]


@pytest.fixture(scope="module")
def edges() -> Edges:
    spark()
    return Edges()


@pytest.mark.parametrize("entries", [ARITHMETIC, LOGIC, TEXT, TIME], ids=["arithmetic", "logic", "text", "time"])
def test_functions_of_one_row_are_the_same(edges: Edges, entries: list[Entry]) -> None:
    assert list(edges.differing(entries)) == []


@pytest.mark.parametrize("kinds", BESIDE)
def test_comparisons_are_the_same(edges: Edges, kinds: str) -> None:
    assert list(edges.differing([Entry(sql, kinds, "") for sql in COMPARED])) == []


def by_type(entries: list[Entry]) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in (case for entry in entries for case in cases(entry)):
        found.setdefault(case.types[0] if case.types else "INTEGER", []).append(case)
    return found


@pytest.mark.parametrize("type", sorted(by_type(AGGREGATES)))
def test_aggregates_are_the_same(edges: Edges, type: str) -> None:
    table, given = grouped(edges, type), by_type(AGGREGATES)[type]
    filtered = [case._replace(sql=f"{case.sql} filter (where n > 0)") for case in given]
    query = f"select g, {{}} from {table} group by g"
    problems = [*edges.halved(given, query), *edges.halved(filtered, query)]
    problems += edges.halved(given, f"select {{}} from {table} where g < 0")
    assert problems == []


@pytest.mark.parametrize("type", sorted(by_type(AGGREGATES)))
def test_windows_are_the_same(edges: Edges, type: str) -> None:
    table = grouped(edges, type)
    given = [case for case in by_type([*AGGREGATES, *WINDOWS]).get(type, []) if case.entry.in_window]
    problems = []
    for frame in FRAMES:
        # without an order DuckDB itself may number rows in another way
        fixed = [case for case in given if case.entry.alone or "order by" in frame]
        fixed = [case for case in fixed if case.entry.in_frame or "between" not in frame]
        over = [case._replace(sql=f"{case.sql} {frame}") for case in fixed]
        problems += edges.halved(over, f"select g, n, {{}} from {table}")
    assert problems == []


@pytest.mark.parametrize("kinds", [*CASTS, ("dec", "flt"), ("huge", "flt")], ids=" to ".join)
def test_casts_are_the_same(edges: Edges, kinds: tuple[str, str]) -> None:
    entry = Entry("cast", kinds[0], "")
    problems = []
    for source in TYPES[kinds[0]]:
        for target in TYPES[kinds[1]]:
            case = Case(entry, f"cast(_0 as {target})", (source,))
            problems += edges.differing_cases({(source,): [case]})
    assert problems == []


def test_every_letter_is_the_same(edges: Edges) -> None:
    edges.con.execute(
        "create or replace table edge.letters as select i, chr(i::int) as s from range(1, 1114112) t(i) "
        "where not (i between 55296 and 57343 or i between 68944 and 68965 "
        "or i between 93856 and 93880 or i in (7305, 42955, 42956, 42958, 42962, 42964, 42970, 42972))"
    )
    hand_over(edges.con, "edge.letters")
    items = "lower(s) as a, lower('a' || s || 'a' || s) as b, trim(s) as c, trim('a' || s) as d, length(s) as e"
    assert both(edges.con, f"select i, {items}, ltrim(s || 'a') as f, s like '_' as g from edge.letters") == ""


@pytest.mark.parametrize("letter", [7305, 42958, 42972, 68944, 93856])
def test_a_letter_that_only_spark_knows_is_an_error(edges: Edges, letter: int) -> None:
    edges.con.execute(f"create or replace table edge.letter as select chr({letter}) as s")
    hand_over(edges.con, "edge.letter")
    assert "a letter that DuckDB does not know" in both(edges.con, "select lower(s) as l from edge.letter")
