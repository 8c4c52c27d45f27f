"""Few differing rows are fetched and counted at once, many by DuckDB: nobody can tell which it was."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.engine.quoting import literal
from etl.operations.diff.rows import KINDS, Keyed, Whole, differing
from etl.operations.diff.sides import sides

CELL = st.none() | st.text(st.sampled_from("aé\ufffd😀 A"), max_size=3)
ROWS = st.lists(st.tuples(st.integers(0, 6), CELL, st.none() | st.integers(-2, 12)), max_size=8)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as con:
        con.execute(
            f"attach {literal(str(Path(folder) / 'a'))} as a; attach {literal(str(Path(folder) / 'b'))} as b"
        )
        yield con


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(left=ROWS, right=ROWS, limit=st.integers(0, 3), is_keyed=st.booleans(), is_personal=st.booleans())
def test_both_ways_say_the_same(
    con: duckdb.DuckDBPyConnection, left: list, right: list, limit: int, is_keyed: bool, is_personal: bool
) -> None:
    for catalog, rows in (("a", left), ("b", right)):
        if is_keyed:
            rows = list({row[0]: row for row in rows}.values())
        con.execute(f"create or replace table {catalog}.t (id integer, name varchar, number integer)")
        if is_personal:
            con.execute(f"comment on column {catalog}.t.name is 'Their name. [pii: hash]'")
        if rows:
            con.executemany(f"insert into {catalog}.t values (?, ?, ?)", rows)
    item = sides(con)["main.t"]
    compared = Keyed(item, ["id"]) if is_keyed else Whole(item)

    counts, examples = differing(con, compared, limit)
    by_sql, of_sql = differing(con, compared, limit, most_cells=0)

    assert (counts.added, counts.removed, counts.changed) == (by_sql.added, by_sql.removed, by_sql.changed)
    assert list(counts.columns.items()) == list(by_sql.columns.items())
    assert examples == of_sql
    assert [example.change for example in examples] == sorted(
        (example.change for example in examples), key=KINDS.index
    )
