"""A night may be killed at any instant: the next one ends in the same content, and no analyst notices.

ETL_TEST_KILLS sets how many kills each of the four random tests makes (default 1).
"""

import ast
import os
import random
import signal
import subprocess
import sys
import time

import pytest

KILLS = int(os.environ.get("ETL_TEST_KILLS", "1"))
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
READER = """
import pathlib, sys, duckdb

def look():
    with duckdb.connect(sys.argv[1], read_only=True) as con:
        # of code without a file DuckDB thinks that somebody watches, and draws progress on stdout
        con.execute("set enable_progress_bar = false")
        return con.execute(
            "select (select count(*) from raw.orders), (select count(*) from marts.orders), "
            "(select sum(rows)::int from etl.partitions where source = 'orders'), "
            "(select bool_or(outcome = 'published') from etl.runs), "
            "(select bool_and(passed) from etl.checks where severity = 'error')"
        ).fetchone()

seen, is_last = {look()}, False
print("looking", flush=True)
while not is_last:
    is_last = pathlib.Path(sys.argv[2]).exists()
    seen.add(look())
print(seen)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_first_nights_end_in_what_an_undisturbed_one_holds(
    flights_project, undisturbed, tools, workers
) -> None:
    for _ in range(KILLS):
        moment = killed_at_random(flights_project, undisturbed.seconds(flights=True), tools, "--workers", workers)

        flights_project.published("--workers", workers)

        assert flights_project.content() == undisturbed.flights, f"killed after {moment:.3f} s"
        assert flights_project.leftovers() == []
        flights_project.forget("lake", "quarantine", "warehouse*")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_readers_see_whole_generations_while_nights_with_corrections_are_killed(
    shop, undisturbed, tools, tmp_path, workers
) -> None:
    whole, counts = tools.copied(shop, tmp_path / "whole"), []
    sample = (shop.raw / "orders" / "2018-05-25.psv").read_text()
    versions = [sample, "".join(f"{n}|2018-05-25|book|Doha, Qatar\n" for n in range(1, 200))]
    contents = []
    for version in versions:
        whole.deliver("orders/2018-05-25.psv", version)
        whole.published()
        contents.append(whole.content())
        (count,) = whole.sql("select count(*) from raw.orders")
        (mart,) = whole.sql("select count(*) from marts.orders")
        counts.append((*count, *mart, *count, True, True))
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(shop.warehouse), str(tmp_path / "stop")],
        env=tools.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reader.stdout.readline() == "looking\n"
    for n in range(1, KILLS + 1):
        shop.deliver("orders/2018-05-25.psv", versions[n % 2])
        moment = killed_at_random(shop, undisturbed.seconds(flights=False) * 0.7, tools, "--workers", workers)

        shop.published("--workers", workers)

        assert shop.content() == contents[n % 2], f"killed after {moment:.3f} s"
        assert shop.leftovers() == []
    (tmp_path / "stop").touch()
    said, problems = reader.communicate()
    assert reader.returncode == 0, problems
    # between the first and the last a reader that had no turn may have missed one
    assert {counts[0], counts[KILLS % 2]} <= ast.literal_eval(said) <= set(counts)


def killed_at_random(project, seconds: float, tools, *arguments: str) -> float:
    """Start a night, kill it and all its children at a random moment, and return that."""
    moment = random.uniform(0.15, seconds)
    process = project.start("Nightly", "--date", tools.DATE, *arguments)
    time.sleep(moment)
    tools.kill(process)
    return moment


@pytest.mark.parametrize("how", SIGNALS)
def test_children_end_with_their_parent_and_the_lock_is_free(slow_project, undisturbed, tools, how) -> None:
    process = slow_project.start("Nightly", "--date", tools.DATE, "--workers", "2")
    tools.wait_for(lambda: slow_project.data.joinpath("warehouse", "build.duckdb").exists())
    children = tools.wait_for(lambda: tools.children_of(process.pid))

    os.kill(process.pid, how)
    process.communicate()

    assert process.returncode != 0
    tools.wait_for(lambda: not any(map(tools.is_alive, children)))
    slow_project.edit("sql/marts/slow.sql", "2000000000000", "2")
    slow_project.published()
    assert slow_project.sql("select count(*) from marts.orders") == [(len(undisturbed.orders["marts.orders"]),)]
    assert slow_project.leftovers() == []


@pytest.mark.parametrize("how", SIGNALS)
def test_a_night_that_is_asked_to_stop_is_not_green(slow_project, tools, how) -> None:
    process = slow_project.start("Nightly", "--date", tools.DATE)
    tools.wait_for(lambda: slow_project.data.joinpath("warehouse", "build.duckdb").exists())
    tools.wait_for(lambda: slow_project.receipts("load").keys() >= {"orders"})

    process.send_signal(how)
    said, _ = process.communicate()

    assert "Traceback" not in said
    assert process.returncode == (-how if how == signal.SIGKILL else 128 + how)
    if how != signal.SIGKILL:
        assert f"The run was interrupted by {how.name}." in said
    assert not slow_project.warehouse.exists()
    slow_project.edit("sql/marts/slow.sql", "2000000000000", "2")
    slow_project.published()
    assert slow_project.sql("select outcome from etl.runs order by started_at")[-1:] == [("published",)]
    assert slow_project.sql("select outcome from etl.runs order by started_at")[0] != ("",)


@pytest.fixture
def slow_project(project):
    """A project of which one model never ends."""
    (project.root / "sql" / "marts" / "slow.sql").write_text(
        "-- One row.\nselect sum(hash(n)) as n from range(2000000000000) as t(n)\n"
    )
    return project
