# ruff: noqa: E501
"""Each clause of a SELECT over rows with nulls, doubles and no match: Spark gives the rows that DuckDB does."""

from __future__ import annotations

import duckdb
import pytest

from tests.support.spark_sql import both, database, hand_over, spark

pytestmark = pytest.mark.sampled

pytest.importorskip("sqlglot")

#: Nulls, the same row twice, keys of only one side, and texts that sort by bytes.
TABLES = {
    "edge.a": "(1, 'a', 1.50, date '2013-01-01'), (2, 'B', -0.5, null), (2, 'B', -0.5, null), (3, 'ß', null, "
    "date '2012-02-29'), (null, null, null, null), (4, '', 0, date '1969-12-31'), (null, 'Z', 2.25, null)",
    "edge.b": "(1, 'a', 7.00, date '2013-01-01'), (1, 'x', null, null), (3, null, 0, date '2012-02-29'), "
    "(null, 'Z', 1, null), (9, 'a', -1, date '2024-02-29')",
    "edge.none": "(0, '', 0, null)",
}
JOINED = "a.k as ak, a.s as a_s, b.k as bk, b.s as b_s, b.m as bm"
JOINS = [
    *(f"select {JOINED} from edge.a as a {kind} join edge.b as b {on}" for kind in
      ("inner", "left", "right", "full")
      for on in ("on a.k = b.k", "on a.k = b.k and a.s = b.s", "on a.s = b.s or b.m > 0", "on a.k is not distinct from b.k")),
    *(f"select k, a.s as s, b.s as t from edge.a as a {kind} join edge.b as b using (k)" for kind in ("inner", "left", "right", "full")),
    *(f"select k, s from edge.a as a {kind} join edge.b as b using (k)" for kind in ("semi", "anti")),
    *(f"select * from edge.a as a {kind} join edge.{other} as b on a.k = b.k and b.m >= 0" for kind in ("semi", "anti")
      for other in ("b", "none")),
    *(f"select {JOINED} from edge.a as a {kind} join edge.none as b on a.k = b.k" for kind in ("inner", "left", "right", "full")),
    f"select {JOINED} from edge.a as a cross join edge.b as b",
    f"select {JOINED} from edge.a as a, edge.b as b where a.k < b.k",
    "select a.k, b.s, c.m from edge.a as a left join edge.b as b on a.k = b.k left join edge.b as c on c.s = b.s",
]  # fmt: skip
GROUPS = [
    *(f"select {keys}, count(*) as n, sum(m) as m, min(s) as least, count(k) as c from edge.a group by {by}" for keys, by in
      (("k", "k"), ("s", "all"), ("k, d", "1, 2"), ("k + 1 as up", "up"), ("coalesce(k, 0) as k0", "all"),
       ("k is null as f", "k is null"), ("k, s, d", "k, s, d"))),
    "select k, count(*) as n from edge.a group by k having count(*) > 1",
    "select k, sum(m) as m from edge.a group by all having sum(m) is null or k = 1",
    "select k from edge.none where k > 0 group by k",
    "select count(*) as n, sum(m) as m, max(s) as s from edge.none where k > 0",
    "select count(*) as n, avg(m) as m from edge.a having count(*) > 100",
    "select k, sum(count(*)) over (order by k) as n from edge.a where k is not null group by k",
]  # fmt: skip
WINDOWS = [
    "select s, m from edge.a where s is not null qualify row_number() over (partition by s order by m, d) = 1",
    "select s, m from edge.a qualify rank() over (partition by k order by m) = 1",
    "select k, m, sum(m) over (partition by k) as all_m from edge.a qualify all_m > 0",
    "select k, count(*) as n from edge.a group by k qualify rank() over (order by count(*) desc) = 1",
    *(f"select k, s, rank() over (order by {order}) as r from edge.a" for order in
      ("k", "k desc", "k nulls first", "k desc nulls first", "s", "s desc nulls last", "m desc, k", "d, s nulls first")),
]  # fmt: skip
ORDERS = [
    *(f"select k, s, m from edge.a order by {order} limit {count}" for count in (0, 3) for order in
      ("k, s, m", "k desc, s desc, m", "s nulls first, m", "s desc nulls last, m", "m desc nulls first, s", "3, 2, 1")),
    "select k, -k as o from edge.a order by o, k limit 2",
    "select -k as k, s from edge.a order by k, s limit 2",
    "select s, count(*) as n from edge.a group by s order by n desc, s limit 2",
    "select k, s from edge.a order by k",
]  # fmt: skip
SETS = [
    *(f"select k, s, m, d from edge.a {word} select k, s, m, d from edge.b" for word in
      ("union", "union all", "except", "except all", "intersect", "intersect all")),
    *(f"select k from edge.a {word} select k from edge.a where k = 2" for word in
      ("union", "union all", "except", "except all", "intersect", "intersect all")),
    "select k from edge.a union all select k from edge.b except select k from edge.b where k = 1",
    "select k from edge.a except (select k from edge.b union select k from edge.a where k = 4)",
    "select k from edge.a union select k from edge.b intersect select k from edge.a where k > 1",
    "select distinct k, s from edge.a", "select distinct k is null as f, d from edge.a",
]  # fmt: skip
SUBQUERIES = [
    "with x as (select k, count(*) as n from edge.a group by k), y as (select k, n + 1 as n from x) "
    "select x.k, y.n from x join y on x.k = y.k",
    "with x(one, two) as (select k, s from edge.a) select one, two from x where one > 1",
    "with a as (select k + 1 as k from edge.a) select k from a",
    "select k from (with x as (select k from edge.b) select k from x) as y",
    "select t.k + 1 as k from (select k, s from edge.a where k is not null) as t where t.s <> ''",
    "select k from edge.a where k in (select k from edge.b where k is not null)",
    "select k from edge.a where k not in (select k from edge.b)",
    "select k from edge.a where k not in (select k from edge.b where k is not null)",
    "select k from edge.a where k not in (select k from edge.none where k > 0)",
    "select k from edge.a where (k in (select k from edge.b)) and not s in (select s from edge.b where k = 1)",
    "select k from edge.a as a where k not in (select k from edge.b as b where b.s = a.s)",
    "select k from edge.a as a where exists (select 1 from edge.b as b where b.k = a.k) or m > 0",
    "select k, not exists (select 1 from edge.b as b where b.k = a.k) as f from edge.a as a",
    "select k from edge.a as a where exists (select 1 from edge.b as b where b.k = a.k)",
    "select k from edge.a as a where not exists (select 1 from edge.b as b where b.k = a.k and b.m > a.m)",
    "select k, (select max(m) from edge.b) as m from edge.a",
    "select k, (select max(b.m) from edge.b as b where b.k = a.k) as m from edge.a as a",
    "select k, (select count(*) from edge.b as b where b.k = a.k) as n from edge.a as a",
    "select k from edge.a where m > (select avg(m) from edge.b)",
    "select k from edge.a where m > (select sum(m) from edge.none where k > 0)",
]  # fmt: skip
#: An alias has the name of a column, and each clause has its own mind of which of the two is meant.
ALIASES = [
    "select k + 1 as k, k * 2 as j from edge.a where k > 1",
    "select k + 1 as j, j * 2 as i from edge.a",
    *(f"select k + 1 as k, count(*) as n from edge.a group by {by}" for by in ("k", "all", "1")),
    "select s, -max(k) as k from edge.a group by s having max(k) > 1",
    "select -k as k, rank() over (order by k) as r from edge.a",
    "select -k as k, s from edge.a qualify k > -3 and rank() over (order by k) = 1",
    "select -k as k, s from edge.a order by k, s limit 2",
    "select -k as k, s from edge.a order by 1 desc, 2 limit 2",
    "select s as k, k as s from edge.a order by k, s limit 3",
    "select k, sum(m) as m from edge.a group by k order by m, k limit 2",
]
WHERES = [
    *(f"select k, s from edge.a where {condition}" for condition in
      ("k > 1", "not (k > 1)", "k > 1 or s = ''", "false", "k = null", "k in (1, null)", "k not in (1, null)", "s between 'B' and 'a'",
       "s > 'Z'", "s is distinct from 'a'", "d < '2013-01-01'", "case when k > 1 then m > 0 end")),
    "select 1 as one, 'x' as three",
]  # fmt: skip

#: Literals, whose types DuckDB finds by their values and by what stands beside them.
LITERALS = [
    "select k * 1000 as a1, k + 2147483 as a2, k / 2 as a3, k // 2 as a4, k % 2 as a5, -k % 2 as a6, k - 0.5 as a7, k * 0.1 as a8, m * 0.1 as a9, m * m as a10, m / 3 as a11, m + 1 as a12, m - 0.001 as a13 from edge.a",
    "select k::tinyint + 1 as a1, k::tinyint * 2 as a2, k::smallint + 1 as a3, k::smallint * k as a4, k::tinyint * k::smallint as a5, 1 + 2 as a6, 0.1 + 0.2 as a7, 1 / 3 as a8, 7 // 2 as a9, -7 // 2 as a10, -7 % 3 as a11, 2.50 * 2.00 as a12, 1e0 / 3 as a13 from edge.a",
    "select k + 2147483648 as a1, 3000000000 * 2 as a2, k * 1.5e0 as a3, 100000000000000000000 + k as a4, round(2.5) as a5, round(-2.5, 0) as a6, round(m, 1) as a7, round(1.005e0, 2) as a8 from edge.a",
    "select case when k > 1 then 1 else 2.5 end as a1, case when k > 1 then 'a' end as a2, coalesce(k, 0.5) as a3, coalesce(m, 0) as a4, greatest(k, 1.5) as a5, least(k, null) as a6, coalesce(null, k) as a7, case k when 1 then 'x' when null then 'y' else 'z' end as a8, nullif(k, 1) as a9, if(k > 1, 1, 0) as a10 from edge.a",
    "select d + 1 as a1, d - 1 as a2, d + interval 1 month as a3, d - interval '1' day as a4, d - date '2013-01-01' as a5, date_trunc('month', d) as a6, extract(year from d) as a7, year(d) * 100 + month(d) as a8, strftime(d, '%Y-%m') as a9, cast(d as varchar) || 'x' as a10, cast(d as timestamp) as a11 from edge.a",
    r"""select 'it''s' as a1, 'a\b' as a2, 'a"b' as a3, s || '\n' as a4, s || '''' as a5, replace(s, '\', 'x') as a6, 'ß' || s as a7, s like '%' as a8, s like '_' as a9, substring(s, 1, 0) as a10, left(s, 0) as a11 from edge.a""",
]  # fmt: skip
#: Subqueries that read the rows around them, also where they find none.
CORRELATED = [
    "select k, (select b.s from edge.b as b where b.k = a.k and b.s = 'a') as t from edge.a as a",
    "select k, coalesce((select sum(m) from edge.b as b where b.k = a.k), 0) as t from edge.a as a",
    "select k, (select count(*) from edge.b as b where b.s < a.s) as t from edge.a as a",
    "select k, (select count(*) + 1 from edge.b as b where b.k = a.k) as t from edge.a as a",
    "select k, (select count(*) from edge.b as b where b.k = a.k having count(*) > 0) as t from edge.a as a",
    "select k, (select sum(m) is null from edge.b as b where b.k = a.k) as t from edge.a as a",
    "select k, (select coalesce(max(m), -1) from edge.b as b where b.k = a.k) as t from edge.a as a",
    "select k from edge.a as a where 0 = (select count(*) from edge.b as b where b.k = a.k)",
    "select k from edge.a as a where (select max(m) from edge.b as b where b.k = a.k) is null",
    "select k from edge.a as a where exists (select max(m) from edge.b as b where b.k = a.k)",
    "select k from edge.a as a where not exists (select count(*) from edge.b as b where b.k = a.k)",
    "select k from edge.a as a where exists (select k from edge.b as b where b.k = a.k group by k having count(*) > 1)",
    "select k from edge.a as a where exists (select 1 from edge.b as b where b.k = a.k order by b.m limit 1)",
    "select k from edge.a as a where k in (select max(k) from edge.b as b where b.s = a.s)",
    "select k from edge.a as a where k not in (select count(*) from edge.b as b where b.s = a.s)",
]  # fmt: skip
#: Clauses within each other, names of tables hidden and not.
NESTED = [
    "select k+1 as j from edge.a where j > 1",
    "select *, k + 1 as j from edge.a",
    "select a.*, b.s as t from edge.a as a join edge.b as b using (k)",
    "select * from edge.a join edge.b using (k, s, m, d)",
    'select "K", a."s" as "Odd Name", edge.a.m from edge.a',
    "select A.K as x from edge.A as A where EXISTS (select 1 from edge.B as b where B.k = a.K)",
    "select k from edge.a where k = (select max(k) from edge.b where k < 5)",
    "select k, (select m from edge.none where k > 5) as t from edge.a",
    "select k, (select max(k) from (select k from edge.b where s = 'a') as x) as t from edge.a",
    "select x.k, y.n from (select k from edge.a order by k, s limit 3) as x left join (select k, count(*) as n from edge.b group by k) as y on x.k = y.k",
    "select k, sum(m) over (order by k) as c, sum(m) over (order by k rows between unbounded preceding and current row) as c2 from (select distinct k, m from edge.a where k is not null) as x",
    "select k, avg(m) over (partition by k) as c, count(*) over (partition by s, k) as n, first_value(s) over (partition by k order by s, m) as f, last_value(s) over (partition by k order by s, m) as l, lag(m, 2) over (order by k, s, m) as g from edge.a",
    "select distinct k, count(*) over (partition by k) as n from edge.a",
    "select distinct k from edge.a where k in (select k from edge.b)",
    "select count(*) as n from edge.a where false group by k",
    "select count(*) as n, 1 as one from edge.a where false",
    "select max(k) as k from edge.a where false having count(*) = 0",
    "select 'x' as w, k, count(*) as n from edge.a group by all",
    "select k, 'x' as w from edge.a group by k",
    "select k from edge.a union all (select k from edge.b order by k limit 1)",
    "(select k from edge.a) union all (select k from edge.b)",
    "with a as (select 1 as k), b as (select k from a) select a.k, b.k as j from a, b",
    "with edge as (select 5 as k) select edge.k from edge",
    "select a.k from edge.a a, edge.b b where a.k = b.k and a.s = b.s or a.m > 5",
    "select a.k, b.k as j, c.k as i from edge.a as a left join edge.b as b on a.k = b.k full join edge.none as c on c.k = b.k",
    "select a.k, b.k as j from edge.a as a left join edge.b as b on a.k = b.k and a.m > 0 where b.k is null",
    "select a.k, b.k as j from edge.a as a right join edge.b as b on false",
    "select a.k, b.k as j from edge.a as a full join edge.b as b on a.k = b.k and a.k > 2",
    "select k, s from edge.a anti join edge.b using (k, s)",
    "select median(k) as a1, quantile_cont(k, 0.9) as a2, avg(k::double) as a3, sum(m::double) as a4, count(m::double) as a5 from edge.a",
    "select sum(k) over (order by d) as a, max(s) over (order by s desc) as b, rank() over (order by m desc nulls last) as c from edge.a",
]  # fmt: skip


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    spark()
    con = database()
    for name, rows in TABLES.items():
        con.execute(
            f"create table {name} as select k::int as k, s, m::decimal(9,2) as m, d::date as d "
            f"from (values {rows}) t(k, s, m, d)"
        )
        hand_over(con, name)
    return con


@pytest.mark.parametrize(
    "queries",
    [WHERES, JOINS, GROUPS, WINDOWS, ORDERS, SETS, SUBQUERIES, ALIASES, LITERALS, CORRELATED, NESTED],
    ids=[
        "where",
        "join",
        "group",
        "window",
        "order",
        "set",
        "subquery",
        "alias",
        "literal",
        "correlated",
        "nested",
    ],
)
def test_a_clause_is_the_same(con: duckdb.DuckDBPyConnection, queries: list[str]) -> None:
    assert {sql: found for sql in queries if (found := both(con, sql))} == {}
