"""What DuckDB prints of a view in one order or another means the same; nothing else does."""

import duckdb
import pytest

from etl.models import meanings_of_views
from etl.models.query import parse

HEAD = "CREATE VIEW marts.v AS "


@pytest.mark.parametrize(
    "one, other",
    [
        ("select * exclude (a, b) from t", "select * exclude (b, a) from t"),
        ("select * exclude (t.a, t.b) from t", "select * exclude (t.b, t.a) from t"),
        ("select * replace (1 as a, 2 as b) from t", "select * replace (2 as b, 1 as a) from t"),
        ("select * rename (a as c, b as d) from t", "select * rename (b as d, a as c) from t"),
        (
            "from (select columns(* exclude (a, b)) from t) as u",
            "from (select columns(* exclude (b, a)) from t) as u",
        ),
        ("select  a -- a comment\nfrom t", "SELECT a FROM t"),
    ],
)
def test_an_order_by_chance_means_nothing(one: str, other: str) -> None:
    con = duckdb.connect()
    assert len(set(meanings_of_views(con, [HEAD + one, HEAD + other]))) == 1
    assert len({parse(con, {"a.sql": text})["a.sql"].normal for text in (one, other)}) == 1


@pytest.mark.parametrize(
    "one, other",
    [
        ("select a, b from t", "select b, a from t"),
        ("select * exclude (a, b) from t", "select * exclude (a) from t"),
        ("select * replace (1 as a, 2 as b) from t", "select * replace (2 as a, 1 as b) from t"),
        ("select 'a b' as x", "select 'a  b' as x"),
        ("from range(1)", "from range(2)"),
    ],
)
def test_all_else_does(one: str, other: str) -> None:
    assert len(set(meanings_of_views(duckdb.connect(), [HEAD + one, HEAD + other]))) == 2


def test_the_names_of_a_view_and_of_its_columns_count() -> None:
    texts = [
        f'CREATE VIEW "a as b"."v ""(x)"" w"{columns} AS SELECT 1 AS x;'
        for columns in ("", " (p)", ' ("q as (r")')
    ]
    assert len(set(meanings_of_views(duckdb.connect(), texts))) == 3


def test_a_view_as_duckdb_prints_it_before_and_after_it_was_stored_is_one(tmp_path: object) -> None:
    texts = []
    for _ in range(2):
        with duckdb.connect(f"{tmp_path}/v.duckdb") as con:
            con.execute("create table if not exists t as select 1 as a, 2 as b, 3 as c, 4 as d, 5 as e")
            con.execute("create view if not exists v as select * exclude (a, b) replace (1 as d, 2 as e) from t")
            texts += [
                sql for (sql,) in con.execute("select sql from duckdb_views() where not internal").fetchall()
            ]
    assert len(set(meanings_of_views(duckdb.connect(), texts))) == 1
