"""A night may end before or after any of its side effects: the next one ends in the same content.

In the suite one of each kind is tried, another one each time; with ETL_TEST_EVERY=1 all of them.
"""

import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.faults.faults import assert_whole, disturbed
from tests.support.thorough import EVERY

CORRECTED = "".join(f"{n}|2018-05-25|book|Doha, Qatar\n" for n in range(1, 50)) + "no order\n"

#: What the published raw tables are.
FORMS = "select table_name, table_type from information_schema.tables where table_schema = 'raw' order by all"


@pytest.fixture
def corrected(shop: Any) -> Any:
    """A published project with a correction of a day."""
    shop.deliver("orders/2018-05-25.psv", CORRECTED)
    return shop


@pytest.fixture
def outgrown(corrected: Any) -> Any:
    """A published project with a correction by which a raw table becomes a view over the lake."""
    config = corrected.root / "luigi.cfg"
    config.write_text(config.read_text().replace("[etl]", "[etl]\nview_rows = 40"))
    return corrected


@pytest.mark.parametrize(
    ("how", "of"),
    [
        ("kill", "project"),
        ("kill", "corrected"),
        ("stop", "corrected"),
        ("interrupt", "project"),
        ("kill", "outgrown"),
    ],
    ids=[
        "kill the first night",
        "kill a correction",
        "stop a correction",
        "interrupt the first night",
        "kill the night of a first view",
    ],
)
def test_a_night_that_ends_at_a_side_effect_is_made_good(
    request: pytest.FixtureRequest, tools: Any, how: str, of: str
) -> None:
    start = request.getfixturevalue(of)
    whole = copied(start, tools, "whole")
    _, effects = disturbed(whole, tools)
    content, forms = whole.content(), whole.sql(FORMS)
    assert (("orders", "VIEW") in forms) == (of == "outgrown")
    assert len(effects) > 30
    moments = [(number, when) for number in range(1, len(effects) + 1) for when in ("before", "after")]
    for at, when in moments if EVERY else random.sample(moments, 1):
        project = copied(start, tools, "disturbed")

        done, seen = disturbed(project, tools, at=at, when=when, do=how)

        what = f"{how} {when} effect {at}: {seen[-1:]}"
        assert len(seen) >= at, what
        assert how != "kill" or done.returncode == -9, what
        try:
            assert_whole(project, content)
            assert project.sql(FORMS) == forms
        except AssertionError as error:
            raise AssertionError(what) from error


#: What writes to the history.
NOTES = re.compile(r"\b(steps|run_facts|check_history)\b")


@pytest.mark.parametrize("is_first", [True, False], ids=["the first night", "a correction"])
def test_a_night_that_is_killed_at_a_note_of_its_history_is_told_whole(
    project: Any, request: pytest.FixtureRequest, tools: Any, is_first: bool
) -> None:
    start = project if is_first else request.getfixturevalue("corrected")
    whole = copied(start, tools, "whole")
    _, effects = disturbed(whole, tools)
    notes = [number for number, name, _, *what in effects if name == "_many" and NOTES.search(what[0])]
    assert len(notes) > 10
    moments = [(number, when) for number in notes for when in ("before", "after")]
    for at, when in moments if EVERY else random.sample(moments, 1):
        project = copied(start, tools, "disturbed")

        done, seen = disturbed(project, tools, at=at, when=when, do="kill")

        what = f"killed {when} note {at}: {seen[-1:]}"
        assert done.returncode == -9, what
        try:
            assert_whole(project, whole.content())
            told = project.ledger("select outcome, count(*) from runs group by outcome")
        except AssertionError as error:
            raise AssertionError(what) from error
        assert {outcome for outcome, _ in told} <= {"killed", "published", "unchanged"}, what


def test_what_a_loss_of_power_leaves_is_made_good(corrected: Any, tools: Any, tmp_path: Path) -> None:
    whole = copied(corrected, tools, "whole")
    _, effects = disturbed(whole, tools)
    for at in random.sample(range(1, len(effects) + 1), len(effects) if EVERY else 2):
        project, lost = copied(corrected, tools, "disturbed"), tmp_path / "copy"
        shutil.rmtree(lost, ignore_errors=True)
        disturbed(project, tools, at=at, when="after", do="copy", to=str(lost))

        shutil.rmtree(project.data)
        lost.rename(project.data)

        try:
            assert_whole(project, whole.content())
        except AssertionError as error:
            raise AssertionError(f"copied after effect {at}: {effects[at - 1]}") from error


def copied(project: Any, tools: Any, name: str) -> Any:
    """Return a project beside another one, which is as that one is."""
    return tools.copied(project, project.root.with_name(name))
