"""One SELECT taken apart: what its columns are made of, what decides on its rows, and how that is written."""

from collections.abc import Iterator

import duckdb
import pytest

from etl.models.lineage import Expression, Origin
from etl.models.lineage.columns import Untraceable
from tests.models.lineage.raw import TABLES, traced, values


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as con:
        yield con


def raw(names: str) -> set[Origin]:
    """Return `sales.price shops.town` as columns."""
    return {Origin(f"raw.{name.split('.')[0]}", name.split(".")[1]) for name in names.split()}


@pytest.mark.parametrize(
    ("sql", "made_of"),
    [
        ("select price * 2 as x from raw.sales", "sales.price"),
        ("from raw.sales select upper(item) || shop as x", "sales.item sales.shop"),
        ("select 1 as x from raw.sales", ""),
        ("select count(*) as x from raw.sales", ""),
        ("select sum(price) filter (where item = 'a') as x from raw.sales", "sales.price sales.item"),
        ("select sum(price) over (partition by shop) as x from raw.sales", "sales.price sales.shop"),
        ("select sum(price) over w as x from raw.sales window w as (order by day)", "sales.price sales.day"),
        ("select case when shop = 'a' then price end as x from raw.sales", "sales.shop sales.price"),
        ("select list_transform([price], lambda p: p + qty) as x from raw.sales", "sales.price sales.qty"),
        ("select [item + 1 for item in [price]] as x from raw.sales", "sales.price"),
        ("select item.upper() as x from raw.sales", "sales.item"),
        ("select d.s.a as x from raw.deep d", "deep.s"),
        ('select "mixed case" as x from raw.deep', "deep.Mixed"),
        ("select price as p, p + qty as q, q * 2 as x from raw.sales", "sales.price sales.qty"),
        ("select qty as price, price as x from raw.sales", "sales.price"),
        ("with a as (select price + 1 as b from raw.sales), c as (from a) select b as x from c", "sales.price"),
        ("with a(q) as (select price from raw.sales) select q as x from a", "sales.price"),
        ("with sales as (select 7 as price) select price as x from raw.sales", "sales.price"),
        ("with sales as (select 7 as price) select price as x from sales", ""),
        ("select a.y as x from (select price, qty from raw.sales) as a(z, y)", "sales.qty"),
        ("select shop as x from raw.sales union all select town from raw.shops", "sales.shop shops.town"),
        ("select qty x from raw.sales union all by name select size x from raw.shops", "sales.qty shops.size"),
        ("select shop as x from raw.sales except select town from raw.shops", "sales.shop"),
        ("select shop as x from raw.sales left join raw.shops using (shop)", "sales.shop"),
        ("select shop as x from raw.sales right join raw.shops using (shop)", "shops.shop"),
        ("select shop as x from raw.sales full join raw.shops using (shop)", "sales.shop shops.shop"),
        ("select town as x from raw.sales s asof join raw.shops t on s.day >= t.opened", "shops.town"),
        ("select (select town from raw.shops where size = id) x from raw.sales", "shops.town shops.size sales.id"),
        ("select exists (from raw.shops t where t.shop = s.shop) as x from raw.sales s", "shops.shop sales.shop"),
        ("select x from raw.sales s, lateral (select s.price + 1 as x)", "sales.price"),
        ("select x from raw.deep, unnest(l) as u(x)", "deep.l"),
        ("with recursive a(x) as (select id from raw.deep union select x + 1 from a where x < 3) from a",
         "deep.id"),
        ("from (pivot raw.sales on item in ('x') using sum(price) group by shop)", "sales.item sales.price"),
        ("from (unpivot raw.sales on price, qty into name n value x)", "sales.price sales.qty"),
        ("select s as x from raw.shops s", "shops.shop shops.town shops.opened shops.size"),
        ("select #2 as x from raw.sales", "sales.day"),
        ("select x from (values (1), (2)) as v(x)", ""),
    ],
)  # fmt: skip
def test_a_column_is_made_of_what_its_expression_reads(
    sql: str, made_of: str, con: duckdb.DuckDBPyConnection
) -> None:
    found = values(traced(con, sql), "x")

    assert {Origin(table, name.split()[0]) for table, name in found} == raw(made_of)


@pytest.mark.parametrize(
    ("sql", "by"),
    [
        ("select price as x from raw.sales where item = 'a'", "sales.item"),
        ("select sum(price) as x from raw.sales group by shop", "sales.shop"),
        ("select sum(price) as x, shop || item as y from raw.sales group by all", "sales.shop sales.item"),
        ("select shop as y, sum(price) as x from raw.sales group by 1", "sales.shop"),
        ("select sum(price) as x from raw.sales group by shop having max(qty) > 2", "sales.shop sales.qty"),
        ("select price x from raw.sales s join raw.shops t on s.shop = t.shop", "sales.shop shops.shop"),
        ("select price x from raw.sales semi join raw.shops using (shop)", "sales.shop shops.shop"),
        ("select price x from raw.sales where shop in (select town from raw.shops)", "sales.shop shops.town"),
        ("with a as (select item as i, price from raw.sales) select price x from a where i = 'b'", "sales.item"),
        ("select price x from raw.sales qualify row_number() over (order by day) = 1", "sales.day"),
        ("select price x from raw.sales order by qty limit 3", "sales.qty"),
        ("select distinct on (shop) price x from raw.sales order by day", "sales.shop sales.day"),
        ("select distinct shop x from raw.sales", "sales.shop"),
        ("select shop x from raw.sales union select town from raw.shops", "sales.shop shops.town"),
        ("select shop x from raw.sales union all select town from raw.shops", ""),
        ("select id, unnest(l) as x from raw.deep", "deep.l"),
        ("from (pivot raw.sales on item in ('x') using sum(price) group by shop)", "sales.shop"),
        ("select sum(price) filter (where item = 'a') as x from raw.sales", ""),
        ("select price x from raw.sales positional join raw.shops", ""),
    ],
)  # fmt: skip
def test_what_decides_on_the_rows_is_told_apart(sql: str, by: str, con: duckdb.DuckDBPyConnection) -> None:
    assert set(traced(con, sql).rows["marts.x"]) == raw(by)


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("from raw.shops", "shop town opened size"),
        ("select * exclude (opened, size) from raw.shops", "shop town"),
        ("select * exclude (opened) rename (size as area) from raw.shops", "shop town area"),
        ("select * like '%o%' from raw.shops", "shop town opened"),
        ("select columns('^[st]') from raw.shops", "shop town size"),
        ("select min(columns('^[st]')) from raw.shops", "shop town size"),
        ("select columns(lambda name: name[1] = 's') from raw.shops", "shop size"),
        ("select columns('(s)(.*)') as '\\2' from raw.shops", "hop ize"),
        ("select t.*, s.price from raw.sales s join raw.shops t using (shop)", "shop town opened size price"),
        ("select a.*, b.shop from (select shop, town from raw.shops) a, raw.shops b", "shop town shop_1"),
        ("select max(size), count(*) from raw.shops", "max(size) count_star()"),
    ],
)
def test_a_star_is_the_columns_that_duckdb_takes_it_for(
    sql: str, columns: str, con: duckdb.DuckDBPyConnection
) -> None:
    assert list(traced(con, sql).tables["marts.x"].columns) == columns.split()


def test_an_expression_is_told_as_it_is_written_with_its_line(con: duckdb.DuckDBPyConnection) -> None:
    sql = """-- What is sold.
select
    shop,
    -- in cents
    (price + qty)  -- of both
        * 100 as cents,
    count(*) filter (where item is distinct from 'a') over (partition by shop) as n
from raw.sales"""

    made = traced(con, sql).tables["marts.x"].columns

    assert [made[name].expressions for name in made] == [
        (Expression("shop", 3),),
        (Expression("(price + qty) * 100", 5),),
        (Expression("count(*) filter (where item is distinct from 'a') over (partition by shop)", 7),),
    ]


def test_selects_within_are_tables_of_their_own(con: duckdb.DuckDBPyConnection) -> None:
    sql = "with a as (select price + 1 as p from raw.sales) select b.p from (select p from a where p > 2) as b"

    found = traced(con, sql).tables

    assert found.keys() - TABLES.keys() == {"marts.x", "marts.x/b", "marts.x/a"}
    assert found["marts.x"].columns["p"].values == (Origin("marts.x/b", "p"),)
    assert found["marts.x/b"].rows == (Origin("marts.x/a", "p"),)
    assert found["marts.x/b"].reads == ("marts.x/a",)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select s.* from raw.deep", "is not understood"),
        ("select current_user as x from raw.sales", "current_user is not understood"),
        ("select town from raw.unknown", "the columns of raw.unknown are not known"),
        ("summarize raw.sales", "show_ref in a FROM clause is not understood"),
        (
            "from (pivot raw.sales on item in (upper('a')) using sum(price))",
            "a pivot on other values than constants",
        ),
    ],
)
def test_what_would_be_a_guess_is_refused(sql: str, why: str, con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(Untraceable, match=why):
        traced(con, sql)


@pytest.mark.parametrize(
    ("macro", "sql", "made_of"),
    [
        ("late(minutes) as minutes >= 15", "select late(price) as x from raw.sales", "sales.price"),
        ("newest() as (select max(day) from raw.sales)", "select newest() as x from raw.shops", "sales.day"),
        ("of(a) as (select max(size) from raw.shops where shop = a)", "select of(item) as x from raw.sales",
         "shops.size shops.shop sales.item"),
        ("dear(n) as table select qty as x from raw.sales where price > n", "from dear(3)", "sales.qty"),
        ("sum2(a) as a, (a, b) as a + b", "select sum2(price, qty) x from raw.sales", "sales.price sales.qty"),
    ],
)  # fmt: skip
def test_a_macro_reads_what_its_body_reads(macro: str, sql: str, made_of: str) -> None:
    with duckdb.connect(config={"threads": 1}) as con:
        found = traced(con, sql, f"create or replace macro {macro}")

    assert values(found, "x") == raw(made_of)
