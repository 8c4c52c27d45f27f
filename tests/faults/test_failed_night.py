"""A failed night may be killed while it keeps what failed and tells of it: nothing is half there or told twice.

In the suite one moment is tried, another one each time; with ETL_TEST_EVERY=1 all of them.
"""

import importlib.util
import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etl.project import Project, load_project
from tests.faults.faults import RUNNER
from tests.support import tiny, warm
from tests.support.projects import environment
from tests.support.receivers import Receiver, http
from tests.support.thorough import EVERY

if importlib.util.find_spec("apprise") is None:
    pytest.skip("Apprise is not installed", allow_module_level=True)


def night(project: Project, receiver: Receiver, **plan: Any) -> tuple[int, list[list[Any]]]:
    """Run a night in which the plan of runner.py happens, and that is told to a receiver; return its effects."""
    log, file = project.root / "effects.jsonl", project.root / "plan.json"
    log.unlink(missing_ok=True)
    known = {"at": -1, "when": "before", "do": "kill", "data": str(project.data), "log": str(log)}
    file.write_text(json.dumps({**known, **plan}))
    variables = environment(ETL_NOTIFY=f"json://127.0.0.1:{receiver.port}/")
    done = warm.run([str(RUNNER), str(file), "Nightly", "--date", "2024-03-03"], project.root, variables)
    return done.returncode, [json.loads(line) for line in log.read_text().splitlines()]


def copied(project: Project, root: Path) -> Project:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(project.root, root, symlinks=True)
    return load_project(root)


def test_a_failed_night_that_is_killed_leaves_nothing_half_written_and_tells_nothing_twice(tmp_path: Path) -> None:
    raw = {**tiny.SALES, "sales/2024-03-03.csv": "id,thing\n4,cup\n"}
    start = tiny.project(tmp_path / "start", raw=raw, settings="threads = 1\nretries = 0\n")
    with http() as receiver:
        code, effects = night(copied(start, tmp_path / "whole"), receiver)
    assert (code, len(receiver.got)) == (30, 1)
    kept = [number for number, _, *what in effects if "failures/" in str(what) or "failure-" in str(what)]
    told = [number for number, name, *what in effects if "notices" in str(what) or "incidents" in str(what)]
    assert kept and told
    moments = [(number, when) for number in (*kept, *told) for when in ("before", "after")]
    for at, when in moments if EVERY else random.sample(moments, 1):
        project = copied(start, tmp_path / "disturbed")
        with http() as receiver:
            assert night(project, receiver, at=at, when=when)[0] == -9
            assert night(project, receiver)[0] == 30
            assert night(project, receiver)[0] == 30

        titles = Counter(found["title"] for _, found in receiver.got)
        assert set(titles.values()) <= {1}, f"killed {when} effect {at}: {titles}"
        bundles = [folder for folder in project.failures.glob("*/*")]
        assert bundles and all((folder / "bundle.json").is_file() for folder in bundles)
        assert list(project.scratch.glob("failure-*")) == []
