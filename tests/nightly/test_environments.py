"""Environments cost next to nothing, keep out of each other's way, and what one has published moves as it is."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import warm
from tests.support.projects import environment

MART = "sql/marts/orders.sql"


@pytest.fixture
def prod(shop: Any) -> Any:
    """The orders, published."""
    return shop


def etl(project: Any, *arguments: str, **env: str) -> tuple[int, str]:
    """Run the etl command; return its exit code and what it says."""
    done = warm.run(["-m", "etl", *arguments], project.root, environment(**env))
    return done.returncode, done.stdout


def made(tools: Any, project: Any, name: str, **env: str) -> Any:
    """Return the environment NAME, made of prod."""
    code, said = etl(project, "env", "create", name, **env)
    assert code == 0, said
    return tools.Project(project.root, {"ETL_ENV": name}, project.data / "environments" / name)


def state(folder: Path) -> dict[str, str]:
    """Return content, permissions and times of every file but the ledger's and the lock."""
    return {
        str(path.relative_to(folder)): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat()[:1]} "
        f"{path.stat().st_mtime_ns}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "environments" not in path.parts and not path.name.startswith(("ledger.", ".lock"))
    }


def promote(project: Any, *arguments: str) -> Any:
    return project.run("Promoted", "--source-env", "staging", "--target-env", "prod", *arguments)


def test_a_night_in_a_new_environment_has_nothing_to_do(prod: Any, tools: Any) -> None:
    dev = made(tools, prod, "dev")

    night = dev.published()

    assert "nothing new" in night.output
    assert os.readlink(dev.folder / "warehouse.duckdb") == os.readlink(prod.data / "warehouse.duckdb")
    lake = next((prod.data / "lake").rglob("data.parquet"))
    assert (dev.folder / lake.relative_to(prod.data)).stat().st_ino == lake.stat().st_ino


def test_what_a_branch_changed_is_built_there_and_prod_stays_byte_for_byte(prod: Any, tools: Any) -> None:
    dev = made(tools, prod, "dev")
    before = state(prod.data)
    prod.edit(MART, "newest.order_date,", "newest.order_date - 1 as order_date,")

    night = dev.published()

    assert "built marts.orders in" in night.output
    assert "extracted" not in night.output and "loaded" not in night.output
    assert state(prod.data) == before


def test_deliveries_that_change_or_go_change_only_where_a_night_runs(prod: Any, tools: Any) -> None:
    dev = made(tools, prod, "dev")
    before = {name: text for name, text in state(prod.data).items() if not name.startswith("raw/")}
    prod.deliver("orders/2018-05-25.psv", "1|2018-05-25|book|Doha, Qatar\nbroken\n")
    (prod.raw / "orders" / "2018-05-24.psv").unlink()

    dev.published()

    after = {name: text for name, text in state(prod.data).items() if not name.startswith("raw/")}
    assert after == before
    prod.published()
    assert prod.content() == dev.content()


def test_an_environment_that_is_not_there_is_a_typo(prod: Any, tools: Any) -> None:
    made(tools, prod, "staging")
    night = prod.nightly(ETL_ENV="stagign")
    assert night.exit_code == 35
    assert "There is no environment stagign. Did you mean staging?" in night.output
    assert not (prod.data / "environments" / "stagign").exists()


def test_settings_of_an_environment_go_before_those_of_the_project(prod: Any, tools: Any) -> None:
    config = prod.root / "luigi.cfg"
    config.write_text(config.read_text() + "[etl.env.staging]\ndata = elsewhere\nkeep_generations = 1\n")

    night = prod.published(ETL_ENV="staging")

    assert f"as {prod.root}/elsewhere/warehouse.duckdb" in night.output
    assert tools.Project(prod.root, folder=prod.root / "elsewhere").content() == prod.content()


def test_a_creation_that_is_killed_leaves_no_half_environment(prod: Any, tools: Any) -> None:
    code = (
        "import os, etl.operations.environments as e\n"
        "def killed(*_):\n    os.kill(os.getpid(), 9)\n"
        "e._copy_ledger = killed\ne.create('dev')\n"
    )
    env = tools.environment()
    assert subprocess.run([sys.executable, "-c", code], cwd=prod.root, env=env, check=False).returncode == -9
    assert not (prod.data / "environments" / "dev").exists()

    dev = made(tools, prod, "dev")

    assert "nothing new" in dev.published().output
    assert [path.name for path in dev.folder.parent.iterdir()] == ["dev"]


def test_environments_are_listed_and_dropped(prod: Any, tools: Any) -> None:
    dev = made(tools, prod, "dev")
    assert f"dev\t{dev.folder}" in etl(prod, "env", "list")[1]
    assert etl(prod, "env", "create", "dev") == (
        35,
        f"Error: dev has data already, in {dev.folder}; to start over: etl env drop dev\n",
    )

    assert etl(prod, "env", "drop", "dev", "--yes") == (0, f"Deleted {dev.folder}.\n")

    assert not dev.folder.exists()
    assert etl(prod, "env", "drop", "prod", "--yes")[0] == 35
    assert prod.generation


def test_what_was_audited_is_promoted_byte_by_byte(prod: Any, tools: Any) -> None:
    staging = made(tools, prod, "staging")
    prod.deliver("orders/2018-05-25.psv", "1|2018-05-25|book|Doha, Qatar\n")
    staging.published()
    wanted = hashlib.sha256((staging.folder / "warehouse.duckdb").read_bytes()).hexdigest()
    before = prod.generation

    night = promote(prod, "--by", "ann", "--reason", "looked at")

    assert night.exit_code == 0, str(night)
    assert "from staging to prod: linked, the same bytes" in night.output
    assert hashlib.sha256(prod.warehouse.read_bytes()).hexdigest() == wanted
    assert prod.ledger(
        "select generation, before, kind, by, reason from switches order by rowid desc limit 1"
    ) == [(prod.generation, before, "promote", "ann", "looked at")]
    again = promote(prod)
    assert again.exit_code == 0
    assert f"prod has generation {prod.generation} of staging already: nothing to promote" in again.output
    # the next night finds that it would publish the same
    promoted = prod.generation
    prod.published()
    assert prod.generation == promoted
    assert etl(prod, "rollback")[0] == 0
    assert prod.generation == before


def test_a_promotion_is_refused_with_newer_inputs_or_without_approval(prod: Any, tools: Any) -> None:
    config = prod.root / "luigi.cfg"
    config.write_text(config.read_text() + "approvals = 1\n")
    staging = made(tools, prod, "staging")
    prod.deliver("orders/2018-05-25.psv", "1|2018-05-25|book|Doha, Qatar\n")
    staging.published()
    prod.deliver("orders/2018-05-26.psv", "1|2018-05-26|book|Doha, Qatar\n")
    prod.published()
    before = prod.generation

    night = promote(prod)

    assert night.exit_code == 30
    assert "prod has newer inputs: orders 2018-05-26 (orders/2018-05-26.psv)" in night.output
    assert "it needs 1 approval of different people, and has 0: ETL_ENV=staging etl approve" in night.output
    assert prod.generation == before

    staging.published()
    generation = (staging.folder / "warehouse.duckdb").resolve().parent.name
    code, said = etl(prod, "approve", generation, "--by", "bob", "--reason", "compared", ETL_ENV="staging")
    assert code == 0 and said.startswith(f"bob approved {generation} at ")
    assert promote(prod).exit_code == 0
    assert prod.generation == generation
    assert prod.ledger("select generation, by from approvals") == [(generation, "bob")]


def test_a_promotion_waits_for_no_run(prod: Any, tools: Any) -> None:
    staging = made(tools, prod, "staging")
    prod.deliver("orders/2018-05-25.psv", "1|2018-05-25|book|Doha, Qatar\n")
    staging.published()
    code = "import sys; from etl.ledger.lock import take_lock; from etl.project import load_project\n"
    code += "take_lock(load_project(), 'held'); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=prod.root, env=tools.environment(), **pipes) as holder:
        holder.stdout.readline()
        assert promote(prod).exit_code == 10
        holder.stdin.close()
    assert promote(prod).exit_code == 0


def test_a_hold_ends_with_a_promotion_and_one_in_the_source_refuses_it(prod: Any, tools: Any) -> None:
    staging = made(tools, prod, "staging")
    prod.deliver("orders/2018-05-25.psv", "1|2018-05-25|book|Doha, Qatar\n")
    staging.published()
    assert etl(prod, "rollback", ETL_ENV="staging")[0] == 0

    night = promote(prod)

    assert night.exit_code == 30
    assert "failed: staging is rolled back from" in night.output
    assert "Traceback" not in night.output


def test_what_was_promoted_from_other_code_stays_until_something_is_new(prod: Any, tools: Any) -> None:
    staging = made(tools, prod, "staging")
    prod.edit(MART, "newest.order_date,", "newest.order_date - 1 as order_date,")
    night = staging.published()
    assert "staging: published " in night.output
    assert promote(prod).exit_code == 0
    prod.edit(MART, "newest.order_date - 1 as order_date,", "newest.order_date,")

    night = prod.published()

    assert f"staging has promoted {prod.generation}. It stays until there is something new" in night.output
    assert "staging" in etl(prod, "generations")[1]


def test_two_environments_at_once_share_a_central_scheduler(
    prod: Any, tools: Any, scheduler: Any, undisturbed: Any
) -> None:
    both = [tools.Project(prod.root, {"ETL_ENV": name}, prod.root / name) for name in ("one", "two")]
    config = prod.root / "luigi.cfg"
    config.write_text(
        config.read_text() + "".join(f"[etl.env.{of.folder.name}]\ndata = {of.folder}\n" for of in both)
    )
    nights = [each.start("Nightly", "--date", tools.DATE, "--workers", "2", *scheduler.arguments) for each in both]

    said = [night.communicate()[0] for night in nights]

    assert [night.returncode for night in nights] == [0, 0], "\n".join(said)
    assert [each.content() for each in both] == [undisturbed.orders] * 2
    assert "one: published" in said[0] and "two: published" in said[1]
