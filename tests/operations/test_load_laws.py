"""However a raw table is held, every command leaves, publishes and says the same, in whatever order they come."""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from etl.errors import PublishError
from etl.ledger import Ledger
from etl.operations import environments
from etl.operations.clearing import clear
from etl.operations.diff import compare, request_of
from etl.operations.promotion import Promotion
from etl.operations.purge import purge, purge_generations
from etl.operations.reproduce import reproduce
from etl.project import Project
from etl.run.jobs.hosts import close_host
from etl.sources.formats import FORMATS
from etl.stages import published
from tests.operations.test_reproduce import commit, git, night
from tests.sources.formats.makers import MAKERS
from tests.stages.warehouse.test_load_laws import NEWEST, PHASES, READERS, Feed, Side, assert_same, sides
from tests.support import tiny
from tests.support.thorough import EVERY

URL = "processes://1"
LAST = date(2024, 12, 31)
#: What is done, after which a day comes; and what it says.
Command = Callable[[Side, Feed, date], Any]


def delivered(feed: Feed, project: Project, day: date) -> None:
    """Deliver the rows of a day, one of which breaks a rule."""
    tiny.deliver(project, {feed.file(str(day)): _written(feed, day)})


@cache
def _written(feed: Feed, day: date) -> bytes:
    """Return the file of a day: a second one might hold when it was written."""
    return feed.written([[1 + day.day % 7, "book", 2], [9, "pen", 3], [2, None, day.day]])


def by_workers(side: Side, feed: Feed, day: date) -> Any:
    """Have a night whose deliveries and partitions are made elsewhere; a single one of them would stay."""
    project = replace(side.project, settings=replace(side.project.settings, executor=URL))
    for each in (day, day + timedelta(15)):
        delivered(feed, project, each)
    night(project, LAST)


def in_an_environment(side: Side, feed: Feed, day: date) -> Any:
    """Have a night in an environment, of which nothing is seen here until it is promoted."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ETL_PROJECT", str(side.project.root))
        return _promoted(side, feed, day)


def _promoted(side: Side, feed: Feed, day: date) -> Any:
    before, staging = side.published(), environments.create("staging").project
    delivered(feed, staging, day)
    night(staging, LAST)
    with closing(Side(side.load, staging)) as there:
        found = there.published()
    assert side.published() == before != found
    promotion = Promotion(staging, side.project)
    assert not promotion.is_done()
    promotion.promote("ann")
    assert side.published() == found
    environments.drop("staging")
    return found


def rolled_back(side: Side, feed: Feed, day: date) -> Any:
    """Go back to what was published before, and forward again."""
    newest, ledger = str(published.current(side.project)), Ledger(side.project.ledger)
    published.rollback(side.project, ledger)
    found = side.published()
    published.rollback(side.project, ledger, newest)
    return found


def purged(side: Side, feed: Feed, day: date) -> Any:
    """Have the first day that there is forgotten, which is not in raw/ any more."""
    file = min((side.project.raw / feed.name).iterdir())
    file.unlink()
    first = date.fromisoformat(file.stem)
    found = purge(side.project, feed.name, first)
    night_with(side, feed, day)
    assert found.partitions == 1 and purge_generations(side.project, feed.name, first)
    assert not list(side.project.data.rglob(f"*={first}"))
    return found.remains, found.models


def reproduced(side: Side, feed: Feed, day: date) -> Any:
    """Have the newest generation built once more."""
    with reproduce(side.project, str(published.current(side.project))) as found:
        assert found.different == []
        return found.notes


def compared(side: Side, feed: Feed, day: date) -> Any:
    """Have the rows told that the last night has changed."""
    found = compare(side.project, request_of(side.project, "previous", "current"))
    return sorted((item.table, item.status, item.added, item.removed) for item in found)


def cleared(side: Side, feed: Feed, day: date) -> Any:
    """Have all of a source done again."""
    found = clear(side.project, feed.name)
    night_with(side, feed, day)
    return found


def built_again(side: Side, feed: Feed, day: date) -> Any:
    """Lose the build."""
    side.project.build.unlink()
    night_with(side, feed, day)


def night_with(side: Side, feed: Feed, day: date) -> None:
    delivered(feed, side.project, day)
    night(side.project, LAST)


COMMANDS: list[Command] = [
    by_workers,
    in_an_environment,
    rolled_back,
    purged,
    reproduced,
    compared,
    cleared,
    built_again,
]


def say(command: Command, side: Side, feed: Feed, day: date) -> Any:
    """Return what a command says, which may be that nothing is published before."""
    try:
        return command(side, feed, day)
    except PublishError as error:
        return re.sub(r"run-\d+", "", str(error))


@given(data=st.data())
@settings(max_examples=10 if EVERY else 1, deadline=None, suppress_health_check=[*HealthCheck], phases=PHASES)
def test_what_a_command_leaves_does_not_depend_on_how_raw_tables_are_held(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    order = data.draw(st.permutations(COMMANDS))
    # the first thing that is tried is the smallest one
    assume(order != COMMANDS)
    maker, reader = MAKERS[data.draw(st.sampled_from(sorted(FORMATS)))], data.draw(st.sampled_from(READERS))
    feed = Feed("sales", maker, NEWEST if getattr(maker.fmt(["id"]), "tells_changes", False) else reader)
    # a table at first; a view after the first days
    text = f"threads = 1\nview_rows = {data.draw(st.integers(2, 6))}\n[etl.env.staging]\n"
    try:
        with sides(tmp_path_factory.mktemp("commands"), [feed], text) as found:
            for side in found:
                git(side.project, "init", "-q")
                commit(side.project)
                for day in (1, 2):
                    night_with(side, feed, date(2024, 1, day))
            assert_same(found)
            # in the suite some of them, others each time
            for number, command in enumerate(order if EVERY else order[:3], 1):
                # longer than two nights no generation is kept
                for side in found:
                    side.close()
                said = [say(command, side, feed, date(2024, number, 3)) for side in found]
                assert said[1:] == said[:1] * 2, command
                assert_same(found)
    finally:
        close_host(URL)
