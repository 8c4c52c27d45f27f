"""A night sends what it published to the mirror, and ends as it would if the mirror does not answer."""

import json
import os

import pytest

from etl.stages.mirrored.places import open_place
from tests.stages.mirrored.conftest import PLACES, url_of


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_night_sends_what_it_published(project, tmp_path, kind, workers, request, monkeypatch) -> None:
    url = url_of(kind, tmp_path, request, monkeypatch)
    # what asks runs in an environment of its own
    project.env |= {
        name: os.environ[name] for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))
    }
    project.edit("luigi.cfg", "[etl]\n", f"[etl]\nmirror = {url}\n")

    night = project.published("--workers", workers)

    assert f"mirror: {project.generation}; " in night.output
    pointer = json.loads(open_place(url).read("current.json")[0])
    assert pointer["generation"] == project.generation
    assert "mirror" not in project.published("--workers", workers).output


def test_a_mirror_that_does_not_answer_fails_no_night_and_is_tried_again(project, tmp_path) -> None:
    project.edit("luigi.cfg", "[etl]\n", f"[etl]\nmirror = file://{tmp_path}/mirror\n")

    night = project.published()

    assert "warning: the mirror was not brought up to date, and the next run tries again: " in night.output
    assert "is not a folder. Is a disk not mounted?" in night.output
    (tmp_path / "mirror").mkdir()
    assert f"mirror: {project.generation}; " in project.published().output
