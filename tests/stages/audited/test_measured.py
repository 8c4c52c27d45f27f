"""The facts of a column are those that a brute force finds, over every type; what a type has none of is absent."""

import json
import math
import random
import statistics
from collections import Counter
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.engine.exact import KNOWN
from etl.engine.quoting import identifier, literal
from etl.stages.audited.measured import Asked, as_json, measured, sampling
from tests.support.thorough import examples

CONNECTION = duckdb.connect(config={"threads": 1})
CONNECTION.execute("create schema marts; set timezone = 'Europe/Berlin'")

#: Of every type that a table of ours can have, values as SQL; the first is the least, the last the greatest.
VALUES: dict[str, list[str]] = {
    "BOOLEAN": ["false", "true"],
    **{name: ["-128", "0", "127"] for name in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")},
    **{name: ["0", "1", "255"] for name in ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")},
    "HUGEINT": [f"-{2**127 - 1}", "0", f"{2**127 - 1}"],
    "UHUGEINT": ["0", f"{2**128 - 1}"],
    "BIGNUM": ["-1", f"{10**400}"],
    "FLOAT": ["-1.5", "0", "3.4e38", "'inf'", "'nan'"],
    "DOUBLE": ["-1.7e308", "-0.0", "5e-324", "1.7e308", "'-inf'", "'nan'"],
    "DECIMAL(4,1)": ["-999.9", "0", "999.9"],
    "DECIMAL(18,3)": ["-1.001", "7"],
    "DECIMAL(38,0)": [f"-{10**38 - 1}", f"{10**38 - 1}"],
    "VARCHAR": ["''", "'a'", "chr(0)", "repeat('ä', 300)", "'</script>'", "'𝄞'"],
    "BLOB": ["''::blob", "'\\x00\\xff'::blob"],
    "BIT": ["'1'::bit", "'0101'::bit"],
    "UUID": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "ENUM('b', 'a')": ["'b'", "'a'"],
    "DATE": ["'-infinity'", "'0044-03-15 (BC)'", "'2024-03-01'", "'290000-01-01'", "'infinity'"],
    "TIME": ["'00:00:00'", "'23:59:59.999999'"],
    "TIME_NS": ["'00:00:00'", "'23:59:59.999999'"],
    "TIME WITH TIME ZONE": ["'10:00:00+15:00'", "'10:00:00-15:00'"],
    **{
        name: ["'1970-01-01'", "'2024-03-01 12:00:00'"]
        for name in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
    },
    "TIMESTAMPTZ_NS": ["'1970-01-01 00:00:00+00'", "'2024-03-01 12:00:00+00'"],
    "INTERVAL": ["interval '-1 month'", "interval '1 day'"],
    "JSON": ["'{}'", "'[1, 2]'"],
    "INTEGER[]": ["[]", "[1, null]"],
    "DOUBLE[2]": ["[1, 'nan'::double]"],
    "STRUCT(a INTEGER, b VARCHAR[])": ["{'a': 1, 'b': ['x']}"],
    "MAP(VARCHAR, INTEGER)": ["map {}", "map {'a': 1}"],
    "UNION(n INTEGER, t VARCHAR)": ["1", "'x'"],
    "TUPLE(INTEGER, VARCHAR)": ["(1, 'x')"],
    "VARIANT": ["1::variant", "'x'::variant"],
    "GEOMETRY": ["'POINT(1 2)'"],
    '"NULL"': ["null"],
}
#: Of what is greater by far than the mean of it, the last digits.
_LAST_DIGITS = dict.fromkeys(["HUGEINT", "UHUGEINT", "DECIMAL(38,0)", "FLOAT"], 1e30)
NAMES = [
    'a"b',
    "select",
    "ä ü",
    "x]",
    "'); drop table t; --",
    "rowid",
    "ROWID",
    "_etl_row",
    "day",
    "\t",
    "count(*)",
]


def test_every_type_that_is_known_is_tried() -> None:
    assert {CONNECTION.dtype(name).id for name in VALUES} >= KNOWN


def facts(columns: dict[str, str], rows: list[list[str]], **asked: Any) -> dict[str, Any]:
    """Return the facts of a table of these columns and rows, which are SQL."""
    items = ", ".join(f"{identifier(name)} {type}" for name, type in columns.items())
    CONNECTION.execute(f"create or replace table marts.t ({items})")
    for row in rows:
        CONNECTION.execute(f"insert into marts.t values ({', '.join(row)})")
    types = CONNECTION.execute("select column_name, column_type from (describe marts.t)").fetchall()
    wanted = {"table": "marts.t", "columns": tuple(types), "partition": "", "parts": {None: len(rows)}, **asked}
    return {str(name): dict(found) for name, found in measured(CONNECTION, Asked(**wanted))[None].items()}


@pytest.mark.parametrize("type", VALUES)
@given(data=st.data())
@settings(max_examples=examples(8), deadline=None)
def test_each_type_has_facts_that_are_json(type: str, data: st.DataObject) -> None:
    values = [f"({value})::{type}" for value in VALUES[type]]
    chosen = data.draw(st.lists(st.sampled_from([*values, "null"]), max_size=12))
    name = data.draw(st.sampled_from(NAMES))

    found = facts({name: type, "n": "INTEGER"}, [[value, "1"] for value in chosen])[name]

    known = [value for value in chosen if value != "null" and not value.startswith("(null)")]
    kept = json.loads(as_json(found))
    assert ("bars" in kept) == ("sampled" in found)
    assert {fact: value for fact, value in kept.items() if fact != "bars"} == found
    assert (found["rows"], found["nulls"]) == (len(chosen), len(chosen) - len(known))
    assert min(1, len(known)) <= found["approx_distinct"] <= len(known)
    again = facts({name: type, "n": "INTEGER"}, [[value, "1"] for value in chosen[::-1]])[name]
    # sums of DOUBLEs depend on the order of the rows, by their last digits
    if "mean" in found and type == "DECIMAL(38,0)":
        assert again.pop("mean") == pytest.approx(found.pop("mean"), abs=1e-12 * 10**38)
    assert again == found


@pytest.mark.parametrize("type", [type for type in VALUES if not type.startswith(("FLOAT", "DOUBLE"))])
def test_extremes_are_what_duckdb_prints(type: str) -> None:
    values = [f"({value})::{type}" for value in VALUES[type]]
    found = facts({"x": type}, [[value] for value in values])["x"]
    if "min" in found and "ZONE" not in type and "TZ" not in type:
        for name in ("min", "max"):
            cast = "x::varchar" if type.startswith("ENUM") else "x"
            ((text,),) = CONNECTION.execute(f"select left({name}({cast})::varchar, 100) from marts.t").fetchall()
            assert found[name] == text


@given(
    st.lists(
        st.floats(allow_nan=True, allow_infinity=True) | st.integers(-5, 5).map(float) | st.none(), max_size=40
    )
)
@settings(max_examples=examples(60), deadline=None)
def test_numbers_are_those_of_a_brute_force(values: list[float | None]) -> None:
    found = facts({"x": "DOUBLE"}, [[literal(value)] for value in values])["x"]

    known = [value for value in values if value is not None]
    finite = sorted(value for value in known if math.isfinite(value))
    assert found.get("not_finite", 0) == len(known) - len(finite)
    assert (float(found["min"]), float(found["max"])) == (finite[0], finite[-1]) if finite else "min" not in found
    assert len(found.get("quantiles", [])) == (21 if finite else 0)
    if finite and max(map(abs, finite)) < 1e100:
        assert found["mean"] == pytest.approx(statistics.fmean(finite), rel=1e-6, abs=1e-6 * max(map(abs, finite)))
        exact = [finite[max(0, -(-step * len(finite) // 20) - 1)] for step in range(21)]
        assert found["quantiles"] == pytest.approx(exact, rel=1e-8)


@given(st.lists(st.sampled_from(["a", "b", "c", "", "ä" * 150]) | st.none(), max_size=60))
@settings(max_examples=examples(40), deadline=None)
def test_texts_are_counted_by_their_share(values: list[str | None]) -> None:
    found = facts({"x": "VARCHAR"}, [[literal(value)] for value in values])["x"]

    known = [value for value in values if value is not None]
    shares = {value[:100]: count / len(known) for value, count in Counter(known).items()}
    assert found.get("top", {}) == pytest.approx(shares)
    lengths = sorted(map(len, known))
    assert found.get("lengths", []) == (
        pytest.approx([lengths[0], sum(lengths) / len(lengths), lengths[-1]]) if known else []
    )


def test_each_partition_has_its_own_facts_by_the_same_statements() -> None:
    CONNECTION.execute(
        "create or replace table marts.t as "
        "select date '2024-03-01' + (i % 3)::int as d, i as n, 'x' || i % 7 as t from range(3000) as r(i) "
        "union all select null, 5, 'none' union all select date '2024-04-01', 1, 'other'"
    )
    days: list[date | None] = [date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 9), None]
    found = measured(
        CONNECTION,
        Asked(
            table="marts.t",
            columns=(("n", "BIGINT"), ("t", "VARCHAR")),
            partition="d",
            parts=dict(zip(days, [1000, 1000, 0, 1], strict=True)),
            measures={"share": "count(*) filter (t = 'x0') / count(*)"},
        ),
    )

    assert [found[day][""]["rows"] for day in days] == [1000, 1000, 0, 1]
    assert found[days[0]]["n"]["mean"] == 1498.5
    assert found[days[0]][""]["measures"]["share"] == 0.143
    assert 200 < found[days[0]]["n"]["sampled"] < 300
    assert found[None]["t"]["top"] == {"none": 1.0}
    assert "n" not in found[days[2]]


@pytest.mark.parametrize("name", ["n", "rowid", "RowId"])
def test_a_sample_is_like_the_whole_whatever_hides_the_number_of_a_row(name: str) -> None:
    CONNECTION.execute(f"create or replace table marts.t as select i % 100 as {name} from range(200000) as r(i)")
    asked = Asked(table="marts.t", columns=((name, "BIGINT"),), partition="", parts={None: 200_000})

    found = measured(CONNECTION, asked)[None][name]

    assert 1200 < found["sampled"] <= 2500
    assert found["quantiles"] == pytest.approx([5 * step for step in range(21)], abs=5)
    assert measured(CONNECTION, asked)[None][name] == found


@pytest.mark.parametrize("kind", ["table", "view"])
@pytest.mark.parametrize("name", ["n", "rowid"])
def test_only_the_parts_that_are_asked_for_are_read(kind: str, name: str) -> None:
    CONNECTION.execute("create schema if not exists raw; drop view if exists raw.t; drop table if exists raw.u")
    rows = f"select date '2024-03-01' + (i % 50)::int as d, i as {name} from range(50000) as r(i)"
    CONNECTION.execute(f"create table raw.u as {rows}")
    broken = f"case when d = '2024-03-05' then error('read') else {name} end"
    CONNECTION.execute(f"create view raw.t as select d, {broken} as {name} from raw.u")
    table = "raw.t" if kind == "view" else "raw.u"
    parts: dict[date | None, int] = {date(2024, 3, 1): 1000, date(2024, 3, 2): 1000}

    found = measured(CONNECTION, Asked(table=table, columns=((name, "BIGINT"),), partition="d", parts=parts))

    assert [200 < found[day][name]["sampled"] < 300 for day in parts] == [True, True]
    with pytest.raises(duckdb.Error, match="read"):
        CONNECTION.execute("from raw.t").fetchall()


@given(st.integers(0, 10**12))
@settings(max_examples=examples(200), deadline=None)
def test_a_sample_is_as_large_as_it_is_said_to_be(rows: int) -> None:
    step = sampling(rows)
    most = max(256, min(rows / 4, 2500))
    assert rows / step <= most + 1
    assert step == 1 or rows / (step // 2) > most - 1
    assert (step == 1) == (rows <= 256)


def test_a_table_of_very_many_columns_takes_time_that_grows_with_them_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []

    class Counting:
        def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
            sizes.append(len(sql))
            return CONNECTION.execute(sql)

    asked = {}
    for number in (1000, 2000):
        names = [f"c{n}" for n in range(number)]
        CONNECTION.execute(
            f"create or replace table marts.t as select {', '.join(f'{n} as c{n}' for n in range(number))}"
        )
        sizes.clear()
        found = measured(
            Counting(),  # type: ignore[arg-type]
            Asked(table="marts.t", columns=tuple((n, "INTEGER") for n in names), partition="", parts={None: 1}),
        )
        assert len(found[None]) == number + 1
        asked[number] = (len(sizes), max(sizes))
    assert asked[2000][0] == 2 * asked[1000][0]
    assert asked[2000][1] < 1.1 * asked[1000][1]


def test_personal_data_is_counted_and_no_more() -> None:
    found = facts(
        {"Name": "VARCHAR", "n": "INTEGER"}, [["'zoe'", "1"], ["null", "2"]], personal=frozenset({"name"})
    )
    assert found["Name"] == {"rows": 2, "nulls": 1, "approx_distinct": 1}
    assert found["n"]["max"] == "2"


def test_the_same_rows_in_any_order_have_the_same_facts() -> None:
    rows = [[str(random.Random(n).uniform(0, 1e6)), f"'{n % 5}'"] for n in range(200)]
    first = facts({"x": "DOUBLE", "t": "VARCHAR"}, rows)
    assert facts({"x": "DOUBLE", "t": "VARCHAR"}, rows[::-1]) == first
