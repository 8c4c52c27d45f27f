"""A promotion, or the making of an environment, may end at any of its side effects: there is all of it or nothing.

In the suite one kill of each is tried, another one each time; with ETL_TEST_EVERY=1 one at every side effect.
"""

import os
import random
from typing import Any

import pytest

from tests.faults.faults import disturbed
from tests.faults.test_every_side_effect import copied
from tests.support import warm
from tests.support.thorough import EVERY

PROMOTED = ("Promoted", "--source-env", "staging", "--target-env", "prod", "--by", "ann")


@pytest.fixture
def staged(shop: Any) -> Any:
    """Orders that are published in prod, and corrected in staging."""
    with (shop.root / "luigi.cfg").open("a") as config:
        config.write("[etl.env.staging]\n")
    shop.deliver("orders/2018-05-25.psv", "1|2018-05-25|book|Doha, Qatar\n")
    shop.published(ETL_ENV="staging")
    return shop


def at(project: Any, tools: Any, name: str) -> Any:
    return tools.Project(project.root, {"ETL_ENV": name}, project.data / "environments" / name)


def kills(project: Any, tools: Any, *command: str) -> list[tuple[int, str]]:
    """Return the moments at which the command can be killed: all, or one of them."""
    _, effects = disturbed(copied(project, tools, "whole"), tools, (), command)
    moments = [(number, when) for number in range(1, len(effects) + 1) for when in ("before", "after")]
    assert len(moments) > 20
    return moments if EVERY else random.sample(moments, 1)


def test_a_promotion_that_is_killed_is_done_by_the_next_one(staged: Any, tools: Any) -> None:
    old, new = staged.content(), at(staged, tools, "staging").content()
    assert old != new
    for number, when in kills(staged, tools, *PROMOTED):
        prod = copied(staged, tools, "disturbed")
        staging = at(prod, tools, "staging")

        done, seen = disturbed(prod, tools, (), PROMOTED, at=number, when=when, do="kill")

        what = f"kill {when} effect {number}: {seen[-1:]}"
        assert done.returncode == -9, what
        assert prod.content() in (old, new), what
        assert prod.run(*PROMOTED).exit_code == 0, what
        assert prod.warehouse.samefile(staging.warehouse), what
        prod.published()
        assert prod.warehouse.samefile(staging.warehouse), what
        assert prod.content() == new and prod.leftovers() == [], what


def test_a_creation_that_is_killed_has_made_nothing_or_all(staged: Any, tools: Any) -> None:
    content = staged.content()
    for number, when in kills(staged, tools, "etl", "env", "create", "dev"):
        prod = copied(staged, tools, "disturbed")
        dev = at(prod, tools, "dev")

        done, seen = disturbed(prod, tools, (), ("etl", "env", "create", "dev"), at=number, when=when, do="kill")

        what = f"kill {when} effect {number}: {seen[-1:]}"
        assert done.returncode == -9, what
        if not dev.data.exists():
            done, _ = disturbed(prod, tools, (), ("etl", "env", "create", "dev"))
            assert done.returncode == 0, done.stdout
        assert dev.content() == content, what
        assert sorted(os.listdir(dev.data.parent)) == ["dev", "staging"], what
        assert dev.published().exit_code == 0
        assert prod.content() == content, what


def test_a_promotion_a_night_and_a_rollback_at_once_are_one_after_the_other(staged: Any, tools: Any) -> None:
    old, new = staged.content(), at(staged, tools, "staging").content()
    commands = [
        ["-m", "luigi", "--module", "etl", *PROMOTED],
        ["-m", "luigi", "--module", "etl", "Nightly", "--date", tools.DATE],
        ["-m", "etl", "rollback"],
    ]
    processes = [warm.start(command, staged.root, tools.environment()) for command in commands]

    said = [process.communicate()[0] for process in processes]

    # turned away, or held by the rollback, which had nothing to go back to if it came first
    assert {process.returncode for process in processes} <= {0, 10, 30}, said
    assert staged.content() in (old, new), said
    assert staged.run(*PROMOTED).exit_code == 0
    assert staged.content() == new and staged.leftovers() == []
