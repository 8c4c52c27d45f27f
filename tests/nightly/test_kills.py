"""A night may be killed at any instant: the next one ends in the same content, and no analyst notices.

ETL_TEST_KILLS sets how many kills each of the four random tests makes (default 1).
"""

import ast
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.faults import disturbed
from tests.stages.trained import small
from tests.support import tiny
from tests.support.projects import Project
from tests.support.thorough import EVERY

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


#: Says too seldom that somebody buys, so that one who has learned it better replaces it.
WORSE = small.MODEL.replace('"weight": 1.0', '"weight": 0.3')
LAST = ("--date", str(small.day(63)))
#: Effects of learning: what the model is asked, its file, its tables and its experiments.
OF_LEARNING = re.compile(
    r"model |artefacts|commit|\bml\.|ml\.guess|experiments|curves|step (transform|publish)|generations"
)


def trained(root: Path) -> None:
    tiny.night(small.project(root, text=WORSE, settings="threads = 1\nartefact_megabytes = 0\n"), small.day(63))


@pytest.fixture
def learning(tmp_path: Path) -> Project:
    """A project with a model in a file, and code with which the next night learns a better one."""
    small.write(tiny.once(tmp_path / "learning", trained))
    return Project(tmp_path / "learning")


def learned(project: Project) -> dict[str, Any]:
    """What was learned and decided, and what that says of each row; the files of models, here and there."""
    names = ("guess", *(f"guess_{name}" for name in ("window", "trained", "decisions", "predictions")))
    found = {name: project.sql(f"from ml.{name} order by all") for name in names}
    for folder in (project.data / "warehouse", project.data / "warehouse/current"):
        found[folder.name] = sorted(path.name for path in (folder / "artefacts").iterdir())
    experiments = "select experiment_id, model_version, verdict from experiments order by rowid"
    curves = "select experiment_id, name, step, value from curves order by all"
    return found | {
        "experiments": project.ledger(experiments),
        "curves": project.ledger(curves.replace("all", "1, 2, 3")),
    }


def test_a_training_a_gate_and_predictions_that_are_killed_end_in_the_same_generation(
    learning: Project, tools: Any, tmp_path: Path
) -> None:
    whole = tools.copied(learning, tmp_path / "whole")
    done, effects = disturbed(whole, tools, LAST)
    assert done.returncode == 0, done.stdout
    wanted = learned(whole)
    assert len({version for _, version, _ in wanted["experiments"]}) == 2
    seen = [(number, str(what)) for number, *what in effects if OF_LEARNING.search(str(what))]
    for kind in (
        "model train",
        "model predict",
        ".model.new",
        "experiments",
        "ml.guess_decisions",
        "generations/",
    ):
        assert any(kind in what for _, what in seen), kind
    moments = [(number, when) for number, _ in seen for when in ("before", "after")]
    for at, when in moments if EVERY else random.sample(moments, 2):
        killed = tools.copied(learning, tmp_path / "killed")

        done, _ = disturbed(killed, tools, LAST, at=at, when=when, do="kill")

        what = f"killed {when} {effects[at - 1]}"
        assert done.returncode == -signal.SIGKILL, what
        killed.published(date=LAST[1])
        assert learned(killed) == wanted and killed.leftovers() == [], what


def test_a_tuning_that_is_killed_goes_on_and_loses_at_most_the_running_trial(
    learning: Project, tools: Any, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    text = small.MODEL.replace("SEED = 3", 'SEED = 3\nSPACE = {"weight": ("float", 0.2, 1.2)}')
    (learning.root / "ml/guess.py").write_text(text.lstrip())
    tried = "select params, metrics ->> 'score', verdict from experiments where origin = 'tune' order by rowid"
    asked = {"arguments": ("tune", "guess", "--trials", "5"), "command": ("etl",)}
    whole = tools.copied(learning, tmp_path / "whole")
    done, effects = disturbed(whole, tools, **asked)
    assert done.returncode == 0, done.stdout
    wanted = whole.ledger(tried)
    assert len(wanted) >= 5
    kept = [number for number, name, *what in effects if name == "_many" and "into experiments" in str(what)]
    moments = [(number, when) for number in range(1, len(effects) + 1) for when in ("before", "after")]
    for at, when in moments if EVERY else random.sample(moments, 1):
        killed = tools.copied(learning, tmp_path / "killed")

        done, _ = disturbed(killed, tools, **asked, at=at, when=when, do="kill")

        what = f"killed {when} {effects[at - 1]}"
        assert done.returncode == -signal.SIGKILL, what
        ended = sum(number < at or (number == at and when == "after") for number in kept)
        assert killed.ledger(tried) == wanted[:ended], what
        disturbed(killed, tools, **asked)
        assert killed.ledger(tried) == wanted, what
