"""Databases for what is compiled: each is empty, apart from the others, and gone in the end."""

from pathlib import Path

import duckdb
import pytest

from etl.engine import bare_cursor, blank_database


def test_what_is_compiled_has_a_connection_of_its_own_without_files(tmp_path: Path) -> None:
    with bare_cursor() as one, bare_cursor() as other:
        one.execute("create temp table contract (i integer)")
        other.execute("create temp table contract (t varchar)")
        assert one.execute("describe contract").fetchall()[0][:2] == ("i", "INTEGER")
        with pytest.raises(duckdb.PermissionException):
            other.execute(f"copy contract to '{tmp_path}/x.csv'")
    with bare_cursor() as con, pytest.raises(duckdb.CatalogException):
        con.execute("from contract")


def test_a_blank_database_is_empty_whoever_used_one_before() -> None:
    with blank_database() as con:
        con.execute("create schema raw; create table raw.x (i int); create macro twice(a) as 2 * a")
        con.execute("set variable v = 1")
        with blank_database() as other:
            other.execute("create schema raw; create table raw.x (t varchar)")
        assert con.execute("describe raw.x").fetchall()[0][:2] == ("i", "INTEGER")
    with blank_database() as con:
        assert con.execute("select getvariable('v')").fetchall() == [(None,)]
        for sql in ("from raw.x", "select twice(1)"):
            with pytest.raises(duckdb.CatalogException):
                con.execute(sql)
        assert blanks(con) == con.execute("select current_database()").fetchall()


def test_a_blank_database_is_gone_after_an_error() -> None:
    with pytest.raises(duckdb.ParserException), blank_database() as con:
        con.execute("begin; create table x (i int)")
        con.execute("selec")
    with blank_database() as con:
        assert len(blanks(con)) == 1


def blanks(con: duckdb.DuckDBPyConnection) -> list[tuple[str]]:
    """Return the names of the blank databases that are open."""
    return con.execute("select database_name from duckdb_databases() where database_name like 'blank%'").fetchall()
