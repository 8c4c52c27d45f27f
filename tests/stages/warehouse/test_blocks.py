"""The blocks of build.duckdb: small ones for small tables, DuckDB's own once there is much in it."""

import sys
from datetime import date

import duckdb
import pytest

from etl.engine import SMALL_BLOCK
from etl.project import Project
from etl.stages.warehouse import build, compact
from tests.support import tiny

LARGE_BLOCK = 262_144


def block(project: Project) -> int:
    with duckdb.connect(str(project.warehouse), read_only=True) as con:
        return int(con.execute("select block_size from pragma_database_size()").fetchall()[0][0])


def test_many_small_tables_take_little_room(tmp_path):
    sql = {f"marts/m{number}.sql": "select * from raw.sales" for number in range(20)}
    project = tiny.project(tmp_path, sql=sql)

    tiny.night(project)

    assert block(project) == SMALL_BLOCK
    assert project.warehouse.stat().st_size < 4_000_000


def test_a_file_that_outgrows_its_blocks_is_written_anew(tmp_path, monkeypatch):
    project = tiny.project(tmp_path)
    tiny.night(project)
    before = tiny.published(project, "from marts.items order by all")
    monkeypatch.setattr(sys.modules[compact.__module__], "_LARGE_BYTES", 10_000)

    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(project)

    assert block(project) == LARGE_BLOCK
    assert tiny.published(project, "from marts.items where item <> 'cup' order by all") == before
    assert tiny.stale(tiny.plan(project, date(2024, 3, 31))) == []


@pytest.mark.parametrize(("bytes", "expected"), [(0, LARGE_BLOCK), (10_000_000, SMALL_BLOCK)])
def test_the_lake_tells_which_blocks_a_new_file_gets(tmp_path, monkeypatch, bytes, expected):
    monkeypatch.setattr(build, "_SMALL_BYTES", bytes)
    project = tiny.project(tmp_path)

    tiny.night(project)

    assert block(project) == expected
