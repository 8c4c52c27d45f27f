"""One in-memory database for all sources of a process: nobody sees what another one left in it."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etl.engine import close_shared_memory, in_shared_memory
from etl.project import Project
from tests.support import tiny

LEFT = (
    "select name from (select table_name as name from duckdb_tables() union all "
    "select view_name from duckdb_views() where not internal)"
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Project]:
    close_shared_memory()
    yield tiny.project(tmp_path, raw={})
    close_shared_memory()


def ask(project: Project, query: str) -> list[tuple[Any, ...]]:
    with in_shared_memory(project) as con:
        return con.execute(query).fetchall()


@pytest.mark.parametrize(
    "made", ["table t (i int)", "temp table t (i int)", "view t as select 1 as i", "temp view t as select 1 as i"]
)
def test_nothing_that_one_made_is_there_for_the_next(shop: Project, made: str) -> None:
    with in_shared_memory(shop) as con:
        con.execute(f"create {made}")
        con.execute("set variable mine = 'x'")
        con.execute("set TimeZone = 'Asia/Tokyo'")
        with con.cursor() as other:
            other.execute("create table of_a_thread as select 1 as i")
    assert ask(shop, LEFT) == []
    assert ask(shop, "select getvariable('mine'), current_setting('TimeZone')") == [(None, "UTC")]


def test_it_is_opened_once_and_again_after_an_error(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = counting(monkeypatch)
    for _ in range(3):
        ask(shop, "select 1")
    assert len(opened) == 1
    with pytest.raises(ValueError, match="an error"), in_shared_memory(shop) as con:
        con.execute("create table t (i int)")
        raise ValueError("an error")
    assert ask(shop, LEFT) == []
    assert len(opened) == 2


def test_other_settings_have_another_one(shop: Project) -> None:
    assert ask(shop, "select current_setting('threads')") == [(1,)]
    more = replace(shop, settings=replace(shop.settings, threads=2, memory_limit="1GB"))
    assert ask(more, "select current_setting('threads'), current_setting('memory_limit')") == [(2, "953.6 MiB")]
    assert ask(shop, "select current_setting('threads')") == [(1,)]


def test_who_asks_while_somebody_is_at_work_in_it_has_one_of_their_own(shop: Project) -> None:
    with in_shared_memory(shop) as con:
        con.execute("create table t as select 1 as i")
        assert ask(shop, LEFT) == []
        assert con.execute("from t").fetchall() == [(1,)]


def test_a_forked_child_opens_its_own_and_leaves_that_of_its_parent(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = counting(monkeypatch)
    ask(shop, "select 1")
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        ask(shop, "select 1")
        close_shared_memory()
    assert len(opened) == 2
    assert opened[0].execute("select 1").fetchall() == [(1,)]


def counting(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the databases that are opened from now on."""
    from etl.engine import shared

    opened: list[Any] = []
    original = shared.open_in_memory
    monkeypatch.setattr(shared, "open_in_memory", lambda project: opened.append(original(project)) or opened[-1])
    return opened
