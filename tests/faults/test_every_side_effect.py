"""A night may end before or after any of its side effects: the next one ends in the same content.

In the suite one of each kind is tried, another one each time; with ETL_TEST_EVERY=1 a kill at every one.
"""

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.faults.faults import assert_whole, disturbed

EVERY = bool(os.environ.get("ETL_TEST_EVERY"))
CORRECTED = "".join(f"{n}|2018-05-25|book|Doha, Qatar\n" for n in range(1, 50)) + "no order\n"


@pytest.fixture
def corrected(make_project: Any) -> Any:
    """A published project, and the content that it has after a correction."""

    def make(name: str) -> Any:
        project = make_project(name)
        project.published()
        project.deliver("orders/2018-05-25.psv", CORRECTED)
        return project

    return make


@pytest.mark.parametrize(
    ("how", "is_first"),
    [("kill", True), ("kill", False), ("stop", False), ("interrupt", True)],
    ids=["kill the first night", "kill a correction", "stop a correction", "interrupt the first night"],
)
def test_a_night_that_ends_at_a_side_effect_is_made_good(
    make_project: Any, corrected: Any, undisturbed: Any, tools: Any, how: str, is_first: bool
) -> None:
    start = make_project("start") if is_first else corrected("start")
    whole = copied(start, tools, "whole")
    _, effects = disturbed(whole, tools)
    content = whole.content()
    assert len(effects) > 30
    moments = [(number, when) for number in range(1, len(effects) + 1) for when in ("before", "after")]
    for at, when in moments if EVERY and how == "kill" else random.sample(moments, 1):
        project = copied(start, tools, "disturbed")

        done, seen = disturbed(project, tools, at=at, when=when, do=how)

        what = f"{how} {when} effect {at}: {seen[-1:]}"
        assert len(seen) >= at, what
        assert how != "kill" or done.returncode == -9, what
        try:
            assert_whole(project, content)
        except AssertionError as error:
            raise AssertionError(what) from error


def test_what_a_loss_of_power_leaves_is_made_good(corrected: Any, tools: Any, tmp_path: Path) -> None:
    start = corrected("start")
    whole = copied(start, tools, "whole")
    _, effects = disturbed(whole, tools)
    for at in random.sample(range(1, len(effects) + 1), len(effects) if EVERY else 2):
        project, lost = copied(start, tools, "disturbed"), tmp_path / "copy"
        shutil.rmtree(lost, ignore_errors=True)
        disturbed(project, tools, at=at, when="after", do="copy", to=str(lost))

        shutil.rmtree(project.data)
        lost.rename(project.data)

        try:
            assert_whole(project, whole.content())
        except AssertionError as error:
            raise AssertionError(f"copied after effect {at}: {effects[at - 1]}") from error


def copied(project: Any, tools: Any, name: str) -> Any:
    """Return a project as another one is; what is never written to are the same files, so that stamps are true."""
    root = project.root.with_name(name)
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(project.root, root, symlinks=True, copy_function=link_or_copy)
    return tools.Project(root)


def link_or_copy(source: str, target: str) -> None:
    """Have a file of the lake, of raw/ or of a generation in a second place, and copy others."""
    is_immutable = {"lake", "quarantine", "raw", "generations"} & set(Path(source).parts)
    (os.link if is_immutable else shutil.copy2)(source, target)
