"""Small tables are compared here, and what is said of them is what DuckDB says of large ones."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.operations.diff import Compared, Request, compare, small
from etl.project import Project
from tests.support import tiny
from tests.support.thorough import examples

#: Values of each column, which DuckDB takes for equal, alike or of another order than their texts, among others.
VALUES = {
    "BIGINT": ["null", "9", "10", "-1"],
    "VARCHAR": ["null", "''", "'a'", "'A'", "'é'", "e'\\n'"],
    "DOUBLE": ["null", "0.0", "'-0.0'", "'nan'", "0.1", "0.1 + 0.2", "0.3", "'inf'"],
    "DECIMAL(9,2)": ["null", "1.00", "1.01"],
    "DATE": ["null", "'2024-01-02'", "'infinity'", "'0044-03-15 (BC)'"],
    "TIMESTAMP": ["null", "'2024-01-02 03:04:05'", "'2024-01-02 03:04:05.000001'"],
    "UUID": ["null", "'00000000-0000-0000-0000-000000000001'", "'f0000000-0000-0000-0000-000000000001'"],
    "BLOB": ["null", "'\\x00'::blob", "''::blob"],
    "INTEGER[]": ["null", "[]", "[1, null]"],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return tiny.project(tmp_path_factory.mktemp("diff"), raw={})


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, str], list[list[list[str]]]]:
    """Draw the columns of a table and its rows on both sides."""
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    columns = {f"c{n}": type for n, type in enumerate(types)}
    row = st.tuples(*(st.sampled_from(VALUES[type]) for type in types)).map(list)
    return columns, [draw(st.lists(row, max_size=6)) for _ in range(2)]


def write(path: Path, columns: dict[str, str], rows: list[list[str]], comment: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create schema marts")
        declared = ", ".join(f"{name} {type}" for name, type in columns.items())
        for table in ("t", "u"):
            con.execute(f"create table marts.{table} ({declared})")
            for row in rows:
                con.execute(f"insert into marts.{table} values ({', '.join(row)})")
        con.execute(f"comment on column marts.t.{next(reversed(columns))} is '{comment}'")


@settings(max_examples=examples(25), deadline=None)
@given(
    table=tables(),
    key=st.sampled_from([[], ["c0"], ["c0", "c1"]]),
    limit=st.integers(0, 3),
    comment=st.sampled_from(["", "[pii: mask]"]),
)
def test_both_ways_say_the_same(
    project: Project, table: tuple[dict[str, str], list[list[list[str]]]], key: list[str], limit: int, comment: str
) -> None:
    columns, sides = table
    files = [project.root / name / "warehouse.duckdb" for name in ("before", "after")]
    for path, rows in zip(files, sides, strict=True):
        write(path, columns, rows, comment)
    names = ("marts.t", "marts.u")

    def told(**rows: Any) -> list[Compared]:
        keys = dict.fromkeys(names, key) if set(key) <= columns.keys() else {}
        return compare(project, Request((files[0], files[1]), keys=keys, limit=limit, **rows))

    assert told(rows={name: (len(sides[0]), len(sides[1])) for name in names}) == told()


def test_personal_data_is_hidden(project: Project) -> None:
    files = [project.root / name / "warehouse.duckdb" for name in ("before", "after")]
    for path, value in zip(files, ("'ann'", "'bob'"), strict=True):
        write(path, {"id": "BIGINT", "c0": "VARCHAR"}, [["1", value]], "[pii: mask]")

    request = Request((files[0], files[1]), keys={"marts.t": ["id"]}, rows={"marts.t": (1, 1)})
    assert [dict(example.values) for example in compare(project, request)[0].examples] == [{"c0": ("***", "***")}]


def test_only_tables_whose_rows_are_known_to_be_few_are_read_here(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [project.root / name / "warehouse.duckdb" for name in ("before", "after")]
    for path, value in zip(files, ("1", "2"), strict=True):
        write(path, {"c0": "BIGINT"}, [[value]], "")
    read = []
    monkeypatch.setattr(small, "_as_wholes", lambda table, *_: read.append(table.item.name) or [])

    request = Request((files[0], files[1]), rows={"marts.t": (1, 1), "marts.u": (1, 1_000_000)})
    assert [item.status for item in compare(project, request)] == ["same", "changed"]
    assert read == ["marts.t"]
