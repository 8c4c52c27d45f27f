"""A disk that is too small is noticed before the night begins, and only if the night would write."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from etl.errors import NoRoom
from etl.plan import check_room
from etl.project import Project
from tests.support import tiny


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = tiny.project(tmp_path)
    tiny.night(project)
    return project


def give(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))


def test_one_more_generation_must_fit(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    # a candidate as large as what is published, and a generation of it; a part of the former is there
    candidate = max(path.stat().st_size for path in (project.build, project.warehouse))
    size = 2 * candidate - project.build.stat().st_size

    give(monkeypatch, size + 100)
    check_room(tiny.plan(project))

    give(monkeypatch, size)
    # what is little is not told as none
    said = r"(?s)data has [\d.]+ MB free, and about 0\.0*[1-9]\d* MB are needed.*Nothing was begun"
    with pytest.raises(NoRoom, match=said):
        check_room(tiny.plan(project))


def test_a_candidate_that_is_lost_must_fit_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    size = project.build.stat().st_size
    project.build.unlink()
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})

    give(monkeypatch, size * 2 - 100)
    with pytest.raises(NoRoom):
        check_room(tiny.plan(project))


def test_large_deliveries_count(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"{number},item {number}\n" for number in range(100_000))
    tiny.deliver(project, {"sales/2024-03-03.csv": f"id,item\n{rows}"})

    give(monkeypatch, project.build.stat().st_size + 1_000_000)
    with pytest.raises(NoRoom, match=r"1\.7 MB of new deliveries"):
        check_room(tiny.plan(project))


def test_a_night_with_nothing_new_needs_no_room(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, 0)
    check_room(tiny.plan(project))
