"""A published file is found by what people call it."""

from datetime import date
from pathlib import Path

import pytest

from etl.errors import PublishError
from etl.project import Project
from etl.stages import published
from tests.support import tiny


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two generations, of the 2nd and of the 4th of March."""
    project = tiny.project(tmp_path)
    tiny.night(project, date(2024, 3, 2))
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(project, date(2024, 3, 4))
    return project


def name_of(file: Path) -> str:
    assert file.name == "warehouse.duckdb" and file.exists()
    return file.parent.name


def test_by_its_name_or_the_beginning_of_it_or_its_place(project: Project) -> None:
    first, second = published.generations(project)
    assert name_of(published.find(project, second)) == second
    assert name_of(published.find(project, "current")) == second
    assert name_of(published.find(project, "previous")) == first
    with pytest.raises(PublishError, match="More than one generation begins with run-"):
        published.find(project, "run-")
    with pytest.raises(PublishError, match=r"There is no generation curent.*Did you mean current\?"):
        published.find(project, "curent")


def test_by_a_batch_date(project: Project) -> None:
    first, second = published.generations(project)
    assert name_of(published.find_at(project, date(2024, 3, 3))) == first
    assert name_of(published.find_at(project, date(2024, 3, 4))) == second
    with pytest.raises(PublishError, match=r"of 2024-03-01 or before\. The oldest has 2024-03-02"):
        published.find_at(project, date(2024, 3, 1))


def test_a_candidate_only_if_one_was_left(project: Project) -> None:
    with pytest.raises(PublishError, match="There is no candidate"):
        published.find(project, "candidate")


def test_before_the_first_publish_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"Nothing is published yet. Run"):
        published.find(tiny.project(tmp_path), "current")


def test_without_an_earlier_one_there_is_no_previous(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project)
    with pytest.raises(PublishError, match=r"There is no generation before run"):
        published.find(project, "previous")
