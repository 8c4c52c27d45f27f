"""The same SELECTs by DuckDB and by Spark in a process of its own: here, pandera would import it."""

from __future__ import annotations

import atexit
import decimal
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow.parquet
import pytest

from etl.models.spark_sql import SESSION, handed_over, table_name, translated
from etl.models.spark_sql.functions import Entry
from tests.support.hosts import CLUSTERS

#: Its clocks change, so that whoever takes one kind of time for the other is seen.
ZONE = "America/New_York"

_SERVER = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pyspark.sql import SparkSession
settings = json.loads(sys.stdin.readline())
builder = SparkSession.builder.master("local[1]")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("OFF")
import pyarrow.parquet
for line in sys.stdin:
    asked = json.loads(line)
    try:
        for name, path in asked["tables"].items():
            spark.read.parquet(path).createOrReplaceTempView(name)
        if asked["sql"]:
            pyarrow.parquet.write_table(spark.sql(asked["sql"]).toArrow(), asked["target"])
        answer = ""
    except Exception as error:
        answer = str(error) or repr(error)
    print("ANSWER " + json.dumps(answer), flush=True)
"""

VALUES = {
    "TINYINT": "null 0 1 -1 127 -128 7",
    "INTEGER": "null 0 1 -1 7 -7 2 100 2147483647 -2147483648",
    "BIGINT": "null 0 1 -1 3 -7 9007199254740993 9223372036854775807 -9223372036854775808",
    "HUGEINT": "null 0 1 -1 -7 9223372036854775808 -9007199254740993 12345678901234567890123456789012345678",
    "DECIMAL(4,1)": "null 0 0.5 -0.5 1.5 2.5 -2.5 999.9 0.1",
    "DECIMAL(15,2)": "null 0 0.05 -0.05 2.25 0.5 1.50 2.50 -2.50 -1.005 9999999999999.99 -90071992547.41",
    "DECIMAL(38,6)": "null 0 0.000001 -0.5 2.5 9007199254740.993001 -12345678901234567890123456789.123456",
    "DOUBLE": "null 0.0 -0.0 1.5 -1.5 0.5 2.5 -2.5 nan inf -inf 1e-300 1e300 2.675 1.005 0.1 -0.3 7 "
    "0.49999999999999994 4503599627370497.5 9007199254740993 333333333.33333331",
    "BOOLEAN": "null true false",
    "DATE": "null 2013-01-06 2012-02-29 2013-12-31 2013-03-31 1969-12-28 1970-01-01 0001-01-01 1582-10-04 "
    "1582-10-10 2014-01-01 2021-01-03 2013-11-03 2013-11-04 2000-02-29 9990-12-31",
    "TIMESTAMP": "null 2013-01-06T23:30:00 2012-02-29T00:00:00.123456 1969-12-31T23:59:59.999999 "
    "2013-03-10T02:30:00 2013-11-03T01:30:00 1500-02-03T04:05:06 2013-12-31T12:00:00 "
    "2016-12-31T23:59:59 0001-01-01T00:00:00",
    "TIMESTAMP WITH TIME ZONE": "null 2013-11-03T05:30:00+00 2013-11-03T06:30:00+00 1969-12-28T10:10:10.5+00 "
    "2013-03-10T07:30:00+00",
}
TEXTS = [
    None, "", " ", "a", "b", "UA", "ua\n", "ua", "Straße", "ÉT  É", "  x  ", "\ttab\t", "\u00a0nbsp\u00a0",
    " a.b,c ",    "12-345", "İI", "ΣΑΣ ΌΣΟΣ", "日本語", "👍🏽 e\u0301", "it's", "back\\slash", "100%", "a_b", "$1",
    "line\none\r\n", "\u2003", "ǅ", "x\x0by",
]  # fmt: skip
#: The types that stand for a kind.
TYPES = {
    "int": ["TINYINT", "INTEGER", "BIGINT"],
    "huge": ["HUGEINT"],
    "dec": ["DECIMAL(4,1)", "DECIMAL(15,2)", "DECIMAL(38,6)"],
    "flt": ["DOUBLE"],
    "bool": ["BOOLEAN"],
    "str": ["VARCHAR"],
    "date": ["DATE"],
    "ts": ["TIMESTAMP"],
    "tz": ["TIMESTAMP WITH TIME ZONE"],
}
#: What stands for literals.
LITERALS = {
    "'#0'": ["0", "1", "3"],
    "'#1'": ["1", "2"],
    "'$0'": ["''", "'x '"],
    "'$1'": ["''", "'b\\c'"],
    "'$sought'": ["'a'", "'.'", "'ß'"],
    "'$like'": ["'%a%'", "'UA%'", "'_'", "'%'", "'a_b'", "'%\n'"],
    "'$re'": [
        "'^[0-9A-Z]{2}$'", "'^ua$'", r"'[\s,]+'", r"'(\d+)-(\d+)'", "'[^a-z]'", r"'\w+$'", r"'a\.b'", "'ua|12'",
        "'a*'", r"'^\s'",
    ],
    "'$sub'": [r"'[\s,]+'", r"'(\d+)-(\d+)'", "'[^a-z]'", r"'\w+$'", r"'a\.b'", "'ua|12'", "'^ +'"],
}  # fmt: skip
INTERVALS = ["1 day", "1 month", "13 months", "90 minutes", "2 years", "3 weeks", "1 hour", "59 seconds"]


class Spark:
    """A session of Spark that answers SELECTs."""

    def __init__(self) -> None:
        if not (CLUSTERS / "pyspark").is_dir() or shutil.which("java") is None:
            pytest.skip("Spark is not here: `make clusters`, which needs Java")
        self.folder = Path(tempfile.mkdtemp(prefix="etl-spark-"))
        pipe, environment = subprocess.PIPE, {**os.environ, "PYTHONPATH": str(CLUSTERS)}
        with open(self.folder / "said", "wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _SERVER], stdin=pipe, stdout=pipe, stderr=said, text=True, env=environment
            )
        own = {
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.session.timeZone": ZONE,
            # each SELECT is asked once over a few rows: what would make it fast costs more than it
            "spark.sql.adaptive.enabled": "false",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            # it keeps plans and classes of a thousand SELECTs, and has no room for anything else then
            "spark.driver.memory": "2g",
            "spark.sql.codegen.cache.maxEntries": "10",
            "spark.sql.ui.retainedExecutions": "1",
            "spark.ui.retainedJobs": "1",
            "spark.ui.retainedStages": "1",
        }
        own |= {"spark.ui.showConsoleProgress": "false", "spark.sql.warehouse.dir": str(self.folder)}
        self._say({**own, **SESSION})
        self.count = 0

    def _say(self, what: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def ask(self, sql: str, tables: Mapping[str, str] | None = None) -> pyarrow.Table | str:
        """Return the rows of a SELECT, or what Spark says against it."""
        self.count += 1
        target = self.folder / f"{self.count}.parquet"
        self._say({"sql": sql, "tables": tables or {}, "target": str(target)})
        assert self.process.stdout
        line = ""
        while not line.startswith("ANSWER "):
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError((self.folder / "said").read_text()[-2000:])
        if answer := json.loads(line.removeprefix("ANSWER ")):
            return str(answer)
        if not sql:
            return ""
        found = pyarrow.parquet.read_table(target)
        target.unlink()
        return found

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def spark() -> Spark:
    """Return the one session of this process."""
    found = Spark()
    atexit.register(found.close)
    return found


def database() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    con.execute(f"set timezone = '{ZONE}'; create schema edge")
    return con


def hand_over(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Give Spark a table, as a night does."""
    path = spark().folder / f"{name}.parquet"
    columns = con.execute(f"describe {name}").fetchall()
    items = ", ".join(f'cast("{c}" as {handed_over(type)}) as "{c}"' for c, type, *_ in columns)
    con.execute(f"copy (select {items} from {name}) to '{path}' (format parquet)")
    assert spark().ask("", {table_name(name): str(path)}) == ""


def canon(value: Any, is_rounded: bool = False) -> Any:
    """Return a value as it is compared: floats bit by bit but for the sign of zero, or to 9 digits."""
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        return f"{value + 0.0:.9g}" if is_rounded else repr(value + 0.0)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).isoformat()
    if isinstance(value, decimal.Decimal | date | datetime):
        return str(value)
    if isinstance(value, list):
        return tuple(canon(one, is_rounded) for one in value)
    return value


def rows(table: pyarrow.Table, rounded: Iterable[bool] = ()) -> list[tuple[Any, ...]]:
    """Return rows in order, as they are compared."""
    given = list(rounded)
    how = [False] * (table.num_columns - len(given)) + given
    columns = [
        [canon(v, r) for v in _plain(column).to_pylist()] for column, r in zip(table.columns, how, strict=True)
    ]
    return sorted(zip(*columns, strict=True), key=repr)


def _plain(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """Return dates and times as numbers: Python has none beyond the year 9999."""
    if pyarrow.types.is_timestamp(column.type):
        return column.cast(pyarrow.timestamp("us", column.type.tz)).cast(pyarrow.int64())
    return column.cast(pyarrow.int32()) if pyarrow.types.is_date32(column.type) else column


def of_duckdb(con: duckdb.DuckDBPyConnection, sql: str) -> pyarrow.Table:
    """Return the rows of a SELECT as a job's file holds them."""
    columns = con.execute(f"describe {sql}").fetchall()
    items = ", ".join(f'cast("{c}" as {handed_over(type)}) as "{c}"' for c, type, *_ in columns)
    return con.sql(f"select {items} from ({sql})").to_arrow_table()


class Case(NamedTuple):
    """An expression over a table of edge values."""

    entry: Entry
    sql: str
    types: tuple[str, ...]


def cases(entry: Entry) -> Iterable[Case]:
    """Yield an entry over each combination of types, and of literals."""
    marks = [mark for mark in LITERALS if mark in entry.duckdb]
    for kinds in entry.kinds.split(" "):
        names = [kind for kind in kinds.split(",") if kind]
        for types in product(*(TYPES[kind] for kind in names if kind != "iv")):
            for values in product(*(LITERALS[mark] for mark in marks)):
                sql = entry.duckdb
                for mark, value in zip(marks, values, strict=True):
                    sql = sql.replace(mark, value)
                for interval in INTERVALS if "iv" in names else [""]:
                    count, _, unit = interval.partition(" ")
                    yield Case(entry, sql.replace("_1", f"interval '{count}' {unit}") if interval else sql, types)


def values_of(type: str) -> list[str]:
    """Return edge values of a type as SQL."""
    if type == "VARCHAR":
        return ["null" if text is None else "'" + text.replace("'", "''") + "'" for text in TEXTS]
    return [f"cast({'null' if v == 'null' else repr(v)} as {type})" for v in VALUES[type].split()]


def columns_of(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [str(name) for name, *_ in con.execute(f"describe {table}").fetchall()]


def both(con: duckdb.DuckDBPyConnection, sql: str, rounded: Iterable[bool] = ()) -> str:
    """Return how Spark differs from DuckDB in a SELECT; empty if it does not."""
    want = of_duckdb(con, sql)
    got = spark().ask(translated(con, sql, "sql/edge.sql"))
    if isinstance(got, str):
        return f"Spark refuses it: {got[:400]}"
    kinds = [(str(a.type), str(b.type)) for a, b in zip(want.schema, got.schema, strict=True) if a.type != b.type]
    kinds = [pair for pair in kinds if not pair[0].startswith("timestamp")]
    mine, theirs = rows(want, rounded), rows(got, rounded)
    if kinds:
        return f"other types: {kinds}"
    other = [(a, b) for a, b in zip(mine, theirs, strict=False) if a != b]
    return f"{len(mine)} rows against {len(theirs)}: {other[:3]}" if mine != theirs else ""
