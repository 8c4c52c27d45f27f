"""Proposals for tables of databases: they load what the table holds."""

import sqlite3
from contextlib import closing

import pytest

from etl.errors import ConfigError
from etl.operations.sniffing.tables import propose_table
from tests.support import databases as db
from tests.support import tiny
from tests.support.servers import mariadb, postgresql

__all__ = ["mariadb", "postgresql"]

MERGE = "-- materialized: merge\n-- key: id\n-- order: delivery_date\nselect * from raw.shop_orders"
ON_POSTGRESQL = [
    "create table shop_orders (id bigint primary key, customer text not null, price numeric(12,2), tags text[], "
    'sent time, photo bytea, "Odd Name" interval, paid boolean not null, updated_at timestamptz not null)',
    "comment on column shop_orders.price is 'Price in \"USD\",\ngross'",
    "insert into shop_orders values (1, 'Ann', 9.50, '{a,b}', '12:00', '\\xff', '1 day', true, now())",
    "insert into shop_orders (id, customer, paid, updated_at) values (2, '', false, now())",
]
ON_MARIADB = [
    "create table shop_orders (id bigint unsigned primary key, customer varchar(9) not null, price decimal(12,2) "
    "comment 'Price in USD', sent time(6), photo blob, paid boolean not null, updated_at timestamp(6) not null)",
    "insert into shop_orders values (18446744073709551615, 'Ann', 9.50, '12:00', x'ff', true, now())",
    "insert into shop_orders (id, customer, paid, updated_at) values (2, '', false, now())",
]


def published(tmp_path, proposed, sql=""):
    """Return what is published with a proposal as contract."""
    project = db.project(tmp_path, proposed, {"marts/all.sql": sql} if sql else None)
    db.fetched(project)
    tiny.night(project, db.DAY)
    assert db.rejected(project, "shop_orders") == []
    return tiny.published(project, "select * from " + ("marts.all" if sql else "raw.shop_orders"))


def test_a_proposal_says_what_the_catalogue_says_and_loads_the_table(tmp_path, postgresql, monkeypatch):
    monkeypatch.setenv("SHOP_DSN", postgresql.dsn)
    db.run(postgresql, *ON_POSTGRESQL)
    proposed = propose_table("SHOP_DSN", "public.shop_orders")
    for line in (
        'contract=ShopOrders, fetch=Table("SHOP_DSN", "public.shop_orders", cursor="updated_at"))',
        "# The key is id.",
        "    customer: str\n",
        "    # text[], as text\n",
        "description='Price in \"USD\", gross'",
        '    Odd_Name: str = pa.Field(alias="Odd Name", nullable=True)',
    ):
        assert line in proposed
    assert len(published(tmp_path, proposed, MERGE)) == 2


def test_so_does_one_for_mariadb(tmp_path, mariadb, monkeypatch):
    monkeypatch.setenv("SHOP_DSN", mariadb.dsn)
    db.run_mysql(mariadb, *ON_MARIADB)
    proposed = propose_table("SHOP_DSN", "shop_orders")
    assert 'description="Price in USD"' in proposed
    assert len(published(tmp_path, proposed, MERGE)) == 2


def test_without_a_column_that_tells_of_changes_all_is_fetched_and_the_key_is_unique(tmp_path, monkeypatch):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as con:
        con.execute(
            "create table shop_orders (a integer, b text, c real, created_at datetime, primary key (a, b))"
        )
        con.execute("insert into shop_orders values (1, 'x', 0.5, '2024-03-01 00:00:00')")
        con.commit()
    monkeypatch.setenv("SHOP_DSN", f"sqlite:///{tmp_path}/shop.db")
    proposed = propose_table("SHOP_DSN", "shop_orders")
    assert 'unique = ["a", "b"]' in proposed and "cursor" not in proposed
    assert len(published(tmp_path / "project", proposed)) == 1


@pytest.mark.parametrize(
    ("variable", "table", "said"),
    [("SHOP_DSN", "nothing", "There is no nothing in sqlite"), ("NO_DSN", "x", "NO_DSN is not set")],
)
def test_what_cannot_be_proposed_is_said(tmp_path, monkeypatch, variable, table, said):
    sqlite3.connect(tmp_path / "shop.db").close()
    monkeypatch.setenv("SHOP_DSN", f"sqlite:///{tmp_path}/shop.db")
    with pytest.raises(ConfigError, match=said):
        propose_table(variable, table)
