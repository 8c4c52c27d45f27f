# ruff: noqa: E501
"""What is not on the list is refused with its line, also where sqlglot has a word for it."""

from __future__ import annotations

import duckdb
import pytest

from etl.errors import UnsupportedOnSpark
from etl.models.spark_sql import translated

pytest.importorskip("sqlglot")

REFUSED = [
    "hash(s)", "upper(s)", "s like 'a!%' escape '!'", "s ilike 'a'", "i between symmetric 1 and 2",
    "i = any (select 1)", "try_cast(s as int)", "cast(s as int)", "x::varchar", "cast(x as decimal(9, 2))", "s[1:2]",
    "list(i order by i)", "string_agg(s, ',')", "count(distinct i) over ()", "sum(i) filter (where f) over ()", "sum(i) over (order by i groups 1 preceding)",
    "regexp_matches(s, '(?i)a')", "regexp_replace(s, 'a', 'b')", "regexp_replace(s, 'a*', 'b', 'g')", "log(x)", "i = s::int",
    "d = '2013-1-1'", "strftime(d, '%a')", "isodow(d) + epoch(d)", "date_diff('month', d, d)",
    "first_value(i ignore nulls) over (order by i)", "lag(i) over (order by i rows between 1 preceding and current row)", "i in (select 1)", "sum(i order by i)", "case when i then 1 end", "s || i",
]  # fmt: skip
QUERIES = [
    "select i from t where i in (select j from t) or f", "select i from t where not (f and i in (select i from t))",
    "select -i as i from t order by i + 1 limit 3", "select i from t limit 3", "select distinct on (i) i from t", "select x, count(*) from t group by x",
    "select distinct x from t", "select i from t union select x from t", "select * exclude (i) from t",
    "with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select n from r",
    "select i from t tablesample 10%", "select i from range(3) r(i)", "select i, i from t", "select i from t natural join t u",
    "select i, sum(j) from t group by rollup (i)", "select i from t group by grouping sets ((i))", "select t from t",
    "pivot t on f using sum(i) group by s", "select i from t asof join t u on t.d >= u.d",
]  # fmt: skip


@pytest.mark.parametrize("sql", [f"select\n    {expression} as v\nfrom t" for expression in REFUSED] + QUERIES)
def test_it_is_refused(sql: str) -> None:
    with duckdb.connect() as con:
        con.execute(
            "create table t as select 1 as i, 2::bigint as j, 1.5::double as x, 'a' as s, date '2013-01-01' as d, true as f"
        )
        with pytest.raises(UnsupportedOnSpark, match=r"^sql/x\.sql:\d+: engine: spark has no proof for "):
            translated(con, sql, "sql/x.sql")
