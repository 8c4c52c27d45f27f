# ruff: noqa: E501
"""Generated SELECTs over what is on the list of `-- engine: spark`, by DuckDB and by Spark; exit 1 if any differs.

    python benchmarks/spark_select.py --count 10000 --seed 1

Joins, groups, windows, case, casts and functions over three tables of edge values, in a zone whose clocks change. Rows
are compared exactly, floats bit by bit but for the sign of zero; to 9 digits in a SELECT with a sum, an average or a
quantile. What DuckDB refuses, such as an overflow, is counted and not compared, as is what would be a very long text
for Spark; what Spark refuses is told, and no silent difference. Where DuckDB without its optimizer says what Spark
does, the fault is the optimizer's; that is told, too. So are sums of floats that cancel out, of which DuckDB itself
says another thing when the rows come in another order.

Many SELECTs are one job of Spark, which gives each value as text and computes the next ones while these are compared.
To compile them costs most: of ten jobs, one is compiled as in a night, and Spark interprets the others.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from etl.errors import EtlError
from etl.models.spark_sql import translated
from tests.support.spark_sql import ZONE, database, hand_over, of_duckdb, rows, spark

#: So many expressions stand in one SELECT.
ITEMS = 3
#: So many SELECTs are one job of Spark.
TOGETHER = 12
#: One of so many jobs is compiled.
COMPILED = 10
#: After so many jobs another Spark is begun: what its parser keeps of long statements fills its memory.
AT_MOST = 40
#: Longer ones are left out: nested expressions are written more than once for Spark, and it compiles each.
LONGEST = 6_000
COLUMNS = {
    "i": ("int", "INTEGER", ["null", "0", "1", "-1", "7", "100", "2147483647", "-2147483648"]),
    "j": ("int", "BIGINT", ["null", "0", "3", "-7", "9007199254740993"]),
    "m": ("dec", "DECIMAL(15,2)", ["null", "0", "0.05", "-2.50", "2.25", "9999999999999.99"]),
    "x": ("flt", "DOUBLE", ["null", "0.0", "-1.5", "2.5", "2.675", "'nan'", "'inf'", "1e10", "0.1"]),
    "s": ("str", "VARCHAR", ["null", "''", "'UA'", "'ua\n'", "'Straße'", "' a.b '", "'İΣ'", "'12-3'"]),
    "t": ("str", "VARCHAR", ["null", "'a'", "'UA'", "'x_y'"]),
    "d": (
        "date",
        "DATE",
        ["null", "'2013-01-31'", "'2012-02-29'", "'1969-12-31'", "'2024-12-30'", "'1582-10-10'"],
    ),
    "u": (
        "ts",
        "TIMESTAMP",
        ["null", "'2013-03-10 02:30:00'", "'2013-11-03 01:30:00.5'", "'1969-12-31 23:59:59'"],
    ),
    "z": (
        "tz",
        "TIMESTAMP WITH TIME ZONE",
        # in New York, clocks go forward at the first, and the next two have one hour on them
        [
            "null",
            "'2013-03-10 07:30:00+00'",
            "'2013-11-03 05:30:00+00'",
            "'2013-11-03 06:30:00+00'",
            "'1969-12-31 23:59:59.5+00'",
        ],
    ),
    "f": ("bool", "BOOLEAN", ["null", "true", "false"]),
}
#: How an expression of each kind is made of others: `<int>` stands for one of that kind.
GRAMMAR = {
    "int": ["<int> + 1", "<int> - <int>", "<int> * 2", "<int> % 3", "<int> // 2", "abs(<int>)", "-<int>", "length(<str>)",
            "cast(<dec> as bigint)", "cast(<flt> as bigint)", "year(<date>)", "extract(month from <ts>)", "isodow(<date>)",
            "date_diff('day', <date>, <date>)", "coalesce(<int>, 0)", "case when <bool> then <int> else 5 end",
            "greatest(<int>, 3)", "least(<int>, <int>)", "nullif(<int>, 0)", "cast(<bool> as int)", "hour(<ts>)",
            "dayofweek(<date>)", "quarter(<date>)"],
    "dec": ["<dec> + 1", "<dec> * 0.5", "<dec> - <dec>", "round(<dec>, 1)", "abs(<dec>)", "cast(<int> as decimal(18,3))",
            "coalesce(<dec>, 0)", "case when <bool> then <dec> end", "cast(<dec> as decimal(12,1))", "-<dec>"],
    "flt": ["<flt> + 1", "<flt> * <int>", "<int> / <int>", "<dec> / <int>", "<flt> / <flt>", "round(<flt>, 2)", "floor(<flt>)",
            "ceil(<flt>)", "cast(<dec> as double)", "cast(<int> as double)", "coalesce(<flt>, <dec>)", "abs(<flt>)", "round(<flt>)",
            "case when <bool> then <flt> else <int> end"],
    "str": ["<str> || 'x'", "lower(<str>)", "trim(<str>)", "left(<str>, 2)", "right(<str>, 1)", "substring(<str>, 2, 3)",
            "replace(<str>, 'a', 'b')", "coalesce(<str>, <str>)", "case when <bool> then <str> else 'n' end",
            "regexp_replace(<str>, '[\\s,.]+', '_', 'g')", "cast(<int> as varchar)", "cast(<dec> as varchar)", "cast(<date> as varchar)",
            "strftime(<date>, '%Y-%m')", "nullif(<str>, '')"],
    "date": ["<date> + 1", "<date> - 30", "cast(<ts> as date)", "last_day(<date>)", "cast(date_trunc('month', <date>) as date)",
             "coalesce(<date>, date '2020-02-29')", "greatest(<date>, <date>)"],
    "ts": ["<date> + interval 1 month", "<ts> - interval 90 minutes", "date_trunc('hour', <ts>)", "date_trunc('week', <ts>)",
           "cast(<date> as timestamp)", "<ts> + interval 1 day"],
    "tz": ["coalesce(<tz>, <tz>)", "greatest(<tz>, <tz>)", "least(<tz>, <tz>)", "case when <bool> then <tz> end",
           "case when <bool> then <tz> else <tz> end"],
    "bool": ["<int> > <int>", "<dec> <= <flt>", "<str> = <str>", "<date> < '2013-06-01'", "<bool> and <bool>", "<bool> or <bool>",
             "not <bool>", "<str> like '%a%'", "<str> is null", "<int> in (1, 7, 100)", "<int> between -1 and 50", "<flt> = <flt>",
             "<str> is distinct from <str>", "regexp_matches(<str>, '^[A-Z]+$')", "isnan(<flt>)", "isfinite(<flt>)",
             "starts_with(<str>, 'U')", "<int> not in (3, 7)", "<ts> >= '2013-03-10'", "<str> not like 'U%'",
             "<tz> < <tz>", "<tz> is null", "<tz> is not distinct from <tz>", "<tz> between <tz> and <tz>", "<ts> > <date>"],
}  # fmt: skip
AGGREGATES = ["count(*)", "count(<str>)", "count(distinct <int>)", "sum(<int>)", "sum(<dec>)", "avg(<int>)", "avg(<flt>)", "min(<str>)",
              "max(<date>)", "min(<flt>)", "max(<dec>)", "bool_or(<bool>)", "bool_and(<bool>)", "median(<int>)", "median(<flt>)",
              "quantile_cont(<int>, 0.25)", "quantile_cont(<flt>, 0.9)", "quantile_cont(<int>, 0.99)", "max(<ts>)", "min(<tz>)",
              "count(<tz>)", "count(distinct <str>)", "count(distinct <date>)", "sum(<flt>)", "avg(<dec>)"]  # fmt: skip
WINDOWS = ["row_number()", "rank()", "dense_rank()", "lag(<str>)", "lead(<int>, 2)", "lag(<tz>)"]
#: These may have a frame.
FRAMED = ["sum(<int>)", "count(*)", "max(<date>)", "first_value(<dec>)", "last_value(<str>)", "min(<str>)", "max(<tz>)",
          "count(<int>)", "sum(<dec>)", "avg(<int>)", "min(<flt>)"]  # fmt: skip
FRAMES = ["", "rows between 1 preceding and current row", "rows between unbounded preceding and 1 following",
          "rows between current row and unbounded following", "rows between 2 preceding and 1 preceding",
          "rows between 1 following and 3 following", "rows unbounded preceding",
          "range between unbounded preceding and unbounded following",
          "range between unbounded preceding and current row"]  # fmt: skip
JOINS = ["join edge.b as b on b.i = a.i", "left join edge.b as b on b.s = a.s and <bool>", "full join edge.b as b on b.d = a.d",
         "right join edge.b as b on b.t = a.t", "cross join edge.c as b", "left join edge.c as b on <bool>",
         "left join edge.b as b on b.z = a.z"]  # fmt: skip
#: Of these, the rows are those of one side.
HALVES = ["semi join edge.b as b on b.i = a.i", "anti join edge.b as b on b.s = a.s", "semi join edge.b as b on b.d <= a.d and <bool>",
          "anti join edge.b as b on b.z = a.z and <bool>"]  # fmt: skip

#: Subqueries in where.
ASKED = ["exists (select 1 from edge.b as z where z.i = a.i and z.j <= a.j)", "a.i in (select i from edge.b)",
         "not exists (select 1 from edge.b as z where z.s = a.s)", "a.s not in (select t from edge.b where t is not null)",
         "a.i >= (select min(i) from edge.c)", "(select count(*) from edge.b as z where z.t = a.t) > 0"]  # fmt: skip


class Maker:
    """Makes SELECTs by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def value(self, kind: str, depth: int, tables: str) -> str:
        """Return an expression of a kind, nested up to a depth."""
        if depth <= 0 or self.chance.random() < 0.25:
            columns = [name for name, (own, *_) in COLUMNS.items() if own == kind]
            return f"{self.chance.choice(tables)}.{self.chance.choice(columns)}"
        return f"({self.filled(self.chance.choice(GRAMMAR[kind]), depth - 1, tables)})"

    def filled(self, text: str, depth: int, tables: str) -> str:
        """Return a text with an expression at each mark."""
        while "<" in text and (kind := next((k for k in COLUMNS_KINDS if f"<{k}>" in text), "")):
            text = text.replace(f"<{kind}>", self.value(kind, depth, tables), 1)
        return text

    def select(self) -> str:
        """Return a SELECT, at times by a CTE."""
        query = self.query()
        return f"with made as ({query}) select * from made" if self.chance.random() < 0.15 else query

    def over(self, keys: Sequence[str], tables: str, frame: str = "") -> str:
        """Return a window in which the place of each row is sure."""
        kind = self.chance.choice(["str", "bool", "int", "date", "tz"])
        by = ", ".join(f"{key}{self.chance.choice(['', ' desc', ' nulls first'])}" for key in keys)
        parts = self.chance.choice([f"partition by {self.value(kind, 1, tables)} ", ""])
        return f"over ({parts}order by {by} {frame})"

    def windowed(self, keys: Sequence[str], tables: str) -> str:
        """Return a function of a window, with a frame if it may have one."""
        if self.chance.random() < 0.4:
            return f"{self.filled(self.chance.choice(WINDOWS), 1, tables)} {self.over(keys, tables)}"
        frame = self.chance.choice(FRAMES)
        return f"{self.filled(self.chance.choice(FRAMED), 1, tables)} {self.over(keys, tables, frame)}"

    def aggregate(self, tables: str) -> str:
        """Return an aggregate, at times of some rows."""
        filter = " filter (where <bool>)" if self.chance.random() < 0.25 else ""
        return self.filled(self.chance.choice(AGGREGATES) + filter, 2, tables)

    def query(self) -> str:
        """Return a SELECT."""
        chance = self.chance
        join = chance.choice(JOINS) if chance.random() < 0.4 else ""
        tables = "ab" if join else "a"
        if not join and chance.random() < 0.15:
            join = chance.choice(HALVES)
        source = "edge.a as a " + self.filled(join, 1, "ab")
        if chance.random() < 0.2:
            inner = ", ".join(f"{self.filled(f'<{COLUMNS[c][0]}>', 2, 'a')} as {c}" for c in COLUMNS)
            source = source.replace("edge.a as a", f"(select a.id, {inner} from edge.a as a) as a", 1)
        where = f" where {self.value('bool', 2, tables)}" if chance.random() < 0.5 else ""
        if chance.random() < 0.2:
            where += f"{' and' if where else ' where'} {self.filled(chance.choice(ASKED), 1, 'a')}"
        shape = chance.choice(
            ["plain", "plain", "group", "window", "distinct", "union", "set", "limit", "qualify"]
        )
        keys = [f"{table}.id" for table in tables]
        kinds = [chance.choice(COLUMNS_KINDS) for _ in range(ITEMS)]
        items = [self.value(kind, 2, tables) for kind in kinds]
        if shape == "group":
            kept = [
                self.value(chance.choice(["int", "str", "date", "bool", "tz"]), 2, tables)
                for _ in range(chance.randint(1, 2))
            ]
            made = [self.aggregate(tables) for _ in range(ITEMS)]
            named = [f"{one} as g{n}" for n, one in enumerate(kept)] + [
                f"{one} as v{n}" for n, one in enumerate(made)
            ]
            having = " having count(*) > 1" if chance.random() < 0.2 else ""
            return f"select {', '.join(named)} from {source}{where} group by all{having}"
        if shape == "window":
            items = [self.windowed(keys, tables), *items[1:]]
        named = [f"{one} as v{n}" for n, one in enumerate(items)]
        if shape == "limit":
            named += [f"{key} as k{n}" for n, key in enumerate(keys)]
            by = ", ".join(f"k{n} {chance.choice(['', 'desc', 'nulls first'])}" for n in range(len(keys)))
            return (
                f"select {', '.join(named)} from {source}{where} order by {by} limit {chance.choice([1, 5, 30])}"
            )
        if shape == "qualify":
            asked = f"{chance.choice(['row_number', 'rank'])}() {self.over(keys, tables)}"
            return f"select {', '.join(named)} from {source}{where} qualify {asked} <= {chance.randint(1, 3)}"
        if shape in ("distinct", "set"):
            safe = [
                self.value(chance.choice(["int", "str", "date", "dec", "ts", "tz", "bool"]), 2, tables)
                for _ in range(2)
            ]
            kept = ", ".join(f"{one} as v{n}" for n, one in enumerate(safe))
            if shape == "set":
                word = f"{chance.choice(['union', 'except', 'intersect'])} {chance.choice(['', 'all'])}"
                return f"select {kept} from {source}{where} {word} select {kept} from {source} where a.id > 9"
            return f"select distinct {kept} from {source}{where}"
        query = f"select {', '.join(named)} from {source}{where}"
        return f"{query} union all {query}" if shape == "union" else query


#: The tables, with so many rows.
TABLES = {"a": 40, "b": 12, "c": 2}
COLUMNS_KINDS = list(GRAMMAR)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tables(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Make the three tables, their values by chance."""
    chance = random.Random(seed)
    for name, count in TABLES.items():
        lines = []
        for number in range(count):
            values = [f"cast({chance.choice(values)} as {type})" for _, type, values in COLUMNS.values()]
            lines.append(f"({number}, {', '.join(values)})")
        names = ", ".join(["id", *COLUMNS])
        con.execute(f"create table edge.{name} as select * from (values {', '.join(lines)}) t({names})")
        hand_over(con, f"edge.{name}")


class Asked(NamedTuple):
    """A SELECT, the rows that DuckDB has for it, and the same SELECT for Spark."""

    sql: str
    want: pyarrow.Table
    made: str


#: What became of a SELECT, in a word; the SELECT; and what is to be said of it.
Outcome = tuple[str, str, str]
#: Rows as they are compared.
Rows = Sequence[tuple[Any, ...]]


def asked(con: duckdb.DuckDBPyConnection, sql: str) -> Asked | Outcome:
    """Return a SELECT that can be compared, or what became of it."""
    try:
        want = of_duckdb(con, sql)
    except duckdb.Error as error:
        return "refused by DuckDB", sql, str(error)
    try:
        made = translated(con, sql, "sql/made.sql")
    except EtlError as error:
        return "refused at planning", sql, str(error)
    return Asked(sql, want, made) if len(made) <= LONGEST else ("left out as too long", sql, "")


def compared(con: duckdb.DuckDBPyConnection, batch: Sequence[Asked]) -> Iterator[Outcome]:
    """Yield what became of SELECTs that Spark computes in one job; of each half if it refuses one of them."""
    if not batch:
        return
    parts = []
    for number, one in enumerate(batch):
        texts = ", ".join(written(field) for field in one.want.schema)
        parts.append(f"select {number} as q, array({texts}) as r from ({one.made})")
    got = spark().ask(" union all ".join(parts))
    if isinstance(got, str) and len(batch) > 1:
        half = len(batch) // 2
        yield from compared(con, batch[:half])
        yield from compared(con, batch[half:])
    elif isinstance(got, str):
        yield "refused by Spark", batch[0].sql, got[:300]
    else:
        found = defaultdict(list)
        for number, row in zip(got["q"].to_pylist(), got["r"].to_pylist(), strict=True):
            found[number].append(row)
        yield from (difference(con, one, found[number]) for number, one in enumerate(batch))


def written(field: pyarrow.Field) -> str:
    """Return a column as text; an instant by its number, since an hour is there twice when clocks go back."""
    is_instant = pyarrow.types.is_timestamp(field.type) and field.type.tz
    return f"cast({f'unix_micros(`{field.name}`)' if is_instant else f'`{field.name}`'} as string)"


def difference(con: duckdb.DuckDBPyConnection, one: Asked, found: Sequence[Sequence[str | None]]) -> Outcome:
    """Return whether the rows of Spark, each value as text, are those of DuckDB."""
    columns = zip(*found, strict=True) if found else [()] * one.want.num_columns
    made = [
        pyarrow.array([None if v is None else read(v, field.type) for v in column], field.type)
        for column, field in zip(columns, one.want.schema, strict=True)
    ]
    rounded = [
        any(word in one.sql for word in ("sum(", "avg(", "median(", "quantile_cont("))
    ] * one.want.num_columns
    mine, theirs = rows(one.want, rounded), rows(pyarrow.table(made, schema=one.want.schema), rounded)
    if mine == theirs:
        return "the same", one.sql, ""
    if theirs == rows(unoptimized(con, one.sql), rounded):
        return "wrong by DuckDB's optimizer", one.sql, f"{len(mine)} rows against {len(theirs)}"
    if only_floats_differ(one, mine, theirs) and mine != rows(reordered(con, one.sql), rounded):
        return "other by the order of rows", one.sql, ""
    pairs = [pair for pair in zip(mine, theirs, strict=False) if pair[0] != pair[1]][:2]
    return "SILENTLY OTHER", one.sql, f"{len(mine)} rows against {len(theirs)}: {pairs}"


def unoptimized(con: duckdb.DuckDBPyConnection, sql: str) -> pyarrow.Table:
    """Return what DuckDB says to a SELECT as it stands."""
    with con.cursor() as own:
        own.execute(f"set timezone = '{ZONE}'; pragma disable_optimizer")
        return of_duckdb(own, sql)


def only_floats_differ(one: Asked, mine: Rows, theirs: Rows) -> bool:
    """Return whether the rows of both sides are the same but for their floats."""
    exact = [n for n, field in enumerate(one.want.schema) if not pyarrow.types.is_floating(field.type)]
    first, second = (Counter(tuple(row[n] for n in exact) for row in side) for side in (mine, theirs))
    return first == second


def reordered(con: duckdb.DuckDBPyConnection, sql: str) -> pyarrow.Table:
    """Return what DuckDB says to a SELECT over the same tables, the last row first."""
    with database() as own:
        for name in TABLES:
            turned = con.sql(f"from edge.{name} order by id desc").to_arrow_table()
            own.register(f"turned_{name}", turned)
            own.execute(f"create table edge.{name} as from turned_{name}")
        return of_duckdb(own, sql)


def read(text: str, type: pyarrow.DataType) -> object:
    """Return a value that Spark wrote as text."""
    if pyarrow.types.is_boolean(type):
        return text == "true"
    if pyarrow.types.is_floating(type):
        return float(text)
    if pyarrow.types.is_integer(type):
        return int(text)
    if pyarrow.types.is_decimal(type):
        return Decimal(text)
    if pyarrow.types.is_date(type):
        return date.fromisoformat(text)
    if pyarrow.types.is_timestamp(type):
        return EPOCH + timedelta(microseconds=int(text)) if type.tz else datetime.fromisoformat(text)
    return text


def batches(con: duckdb.DuckDBPyConnection, selects: Iterable[str]) -> Iterator[list[Asked] | Outcome]:
    """Yield SELECTs that can be compared, some at a time, and what became of each other one."""
    batch: list[Asked] = []
    for sql in selects:
        one = asked(con, sql)
        if not isinstance(one, Asked):
            yield one
            continue
        batch.append(one)
        if len(batch) == TOGETHER:
            yield batch
            batch = []
    yield batch


def computed(con: duckdb.DuckDBPyConnection, batch: Sequence[Asked], number: int) -> list[Outcome]:
    """Return what became of the SELECTs of a job, compiled if it is its turn."""
    if number and number % AT_MOST == 0:
        spark().close()
        spark.cache_clear()
        for name in TABLES:
            hand_over(con, f"edge.{name}")
    if number % COMPILED < 2:
        is_compiled = number % COMPILED == 0
        spark().ask(f"set spark.sql.codegen.wholeStage = {str(is_compiled).lower()}")
        spark().ask(f"set spark.sql.codegen.factoryMode = {'FALLBACK' if is_compiled else 'NO_CODEGEN'}")
    return list(compared(con, batch))


def outcomes(con: duckdb.DuckDBPyConnection, selects: Iterable[str]) -> Iterator[Outcome]:
    """Yield what became of SELECTs; Spark computes some, while DuckDB does the next ones."""
    job: Future[list[Outcome]] | None = None
    number = 0
    with ThreadPoolExecutor(1) as away:
        for one in batches(con, selects):
            if isinstance(one, tuple):
                yield one
                continue
            before, job = job, away.submit(computed, con.cursor(), one, number)
            number += 1
            yield from before.result() if before else ()
        yield from job.result() if job else ()


def drawn(maker: Maker, count: int, until: float) -> Iterator[str]:
    """Yield so many SELECTs, or as many as fit into the time."""
    for _ in range(count):
        if time.monotonic() > until:
            break
        yield maker.select()


def main() -> None:
    """Compare, and say how many came out how."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=600.0, help="end earlier than with the count")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    con, maker, found = database(), Maker(options.seed), Counter[str]()
    tables(con, options.seed)
    until = time.monotonic() + options.minutes * 60
    for number, (word, sql, why) in enumerate(outcomes(con, drawn(maker, options.count, until)), 1):
        found[word] += 1
        if word not in ("the same", "refused by DuckDB", "left out as too long"):
            print(f"{word}: {sql}\n    {why}", flush=True)
        if number % 100 == 0:
            print(number, dict(found), flush=True)
    print(f"{sum(found.values())} SELECTs: {dict(found)}")
    sys.exit(1 if found["SILENTLY OTHER"] else 0)


if __name__ == "__main__":
    main()
