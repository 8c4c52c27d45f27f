"""Two commands at once, workers that die, an etl of another version: nothing is torn, nobody is in the way."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

import duckdb
import pytest

from tests.faults.faults import assert_whole
from tests.support import warm

SLOW = "-- One row.\nselect sum(hash(n)) as n from range(2000000000000) as t(n)\n"


def etl(project: Any, tools: Any, *arguments: str) -> warm.Process:
    return warm.start(["-m", "etl", *arguments], project.root, tools.environment())


def test_of_two_nights_at_once_one_runs_and_one_is_turned_away(project: Any, undisturbed: Any, tools: Any) -> None:
    both = [project.start("Nightly", "--date", tools.DATE) for _ in range(2)]
    said = [process.communicate()[0] for process in both]

    assert sorted(process.returncode for process in both) == [0, 10], said
    assert_whole(project, undisturbed.orders)


def test_a_rollback_and_a_night_at_once_are_one_after_the_other(shop: Any, make_project: Any, tools: Any) -> None:
    shop.deliver("orders/2018-05-27.psv", "1|2018-05-27|book|Doha, Qatar\n")
    shop.published()
    older, newer = shop.content(), shop.generation
    shop.deliver("orders/2018-05-26.psv", "1|2018-05-26|book|Doha, Qatar\n")
    night, rollback = shop.start("Nightly", "--date", tools.DATE), etl(shop, tools, "rollback")

    said = [process.communicate()[0] for process in (night, rollback)]

    codes = (night.returncode, rollback.returncode)
    # the one that came second was turned away, or came after the other: then the night is held
    assert codes in [(0, 10), (10, 0), (0, 0), (30, 0)], said
    shop.published("--force")
    assert shop.generation != newer
    assert shop.content() != older
    assert shop.leftovers() == []


@pytest.mark.parametrize("whom", ["a child", "the parent"])
def test_workers_that_are_killed_write_no_more_and_the_next_night_is_whole(
    project: Any, undisturbed: Any, tools: Any, whom: str
) -> None:
    slow = project.root / "sql" / "marts" / "slow.sql"
    slow.write_text(SLOW)
    process = project.start("Nightly", "--date", tools.DATE, "--workers", "4")
    tools.wait_for(lambda: project.receipts("load").keys() >= {"orders"})
    # the slow model is under way: for a worker that is killed while it reports, see etl/run/workers.py
    tools.wait_until_busy(lambda: tools.children_of(process.pid))
    children = tools.children_of(process.pid)
    if whom == "the parent":
        process.kill()
        process.wait()
        tools.wait_for(lambda: not any(map(tools.is_alive, children)))
    while process.poll() is None:
        for child in tools.children_of(process.pid):
            os.kill(child, signal.SIGKILL)
        time.sleep(0.1)
    said, _ = process.communicate()

    assert process.returncode == (30 if whom == "a child" else -9), said
    slow.unlink()
    # the lock is free as soon as the last child is gone, and not before
    tools.wait_for(lambda: project.nightly().exit_code == 0)
    assert_whole(project, undisturbed.orders)


def test_a_reader_keeps_its_generation_though_it_was_deleted_meanwhile(shop: Any) -> None:
    count = shop.sql("select count(*) from raw.orders")
    file = shop.warehouse.resolve()
    with duckdb.connect(str(file), read_only=True) as reader, file.open("rb") as held:
        first, size = shop.generation, file.stat().st_size
        for n in range(3):
            shop.deliver("orders/2018-05-27.psv", "1|2018-05-27|book|Doha, Qatar\n" * (n + 1))
            shop.published()
        assert not (shop.data / "warehouse" / "generations" / first).exists()
        assert [reader.execute("select count(*)::int from raw.orders").fetchone()] == count
        # DuckDB may have had all of it in memory
        assert len(held.read()) == size


def test_a_ledger_of_a_newer_etl_stops_the_night_and_stays_as_it_is(shop: Any) -> None:
    with closing(sqlite3.connect(shop.data / "ledger.sqlite")) as con:
        con.execute("pragma user_version = 999")

    night = shop.nightly()

    assert night.exit_code == 35, str(night)
    assert "A newer etl works on this project" in night.output and "Traceback" not in night.output
    assert shop.ledger("pragma user_version") == [(999,)]


def test_a_build_of_another_etl_is_built_anew(shop: Any, undisturbed: Any) -> None:
    delivery = (shop.raw / "orders" / "2018-05-27.psv").read_text()
    shop.deliver("orders/2018-05-27.psv", "1|2018-05-27|book|Doha, Qatar\n")
    shop.published()
    with duckdb.connect(str(shop.data / "warehouse" / "build.duckdb")) as con:
        con.execute("drop table etl._hashes; alter table etl.models add column more varchar")
    shop.deliver("orders/2018-05-27.psv", delivery)

    assert_whole(shop, undisturbed.orders)
