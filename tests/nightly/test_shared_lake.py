"""A night whose workers get their files from a bucket: away, killed, and what it leaves there."""

import json
from collections.abc import Iterator

import pytest

from etl.ledger import Ledger
from etl.project import load_project
from etl.run.jobs.shared.objects import Shared
from etl.stages.mirrored.places import open_place
from tests.support import stores
from tests.support.projects import Project, kill, wait_for


@pytest.fixture
def bucket(project: Project, monkeypatch) -> Iterator[stores.S3]:
    """A bucket in which the project's workers find their files."""
    with stores.bucket() as held:
        for name, text in held.for_writers.items():
            monkeypatch.setenv(name, text)
            project.env[name] = text
        url = f"s3://{held.name}/shop"
        project.edit("luigi.cfg", "[etl]\n", f"[etl]\nexecutor = processes://2\nshared_lake = {url}\n")
        yield held


def left(project: Project) -> dict[str, int]:
    """Return the objects that jobs have left, with their sizes."""
    found = load_project(project.root)
    return dict(Shared.of(found, Ledger(found.ledger)).there())


def lake(project: Project) -> list[int]:
    return sorted(file.stat().st_size for file in (project.data / "lake").rglob("data.parquet"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_night_leaves_objects_of_the_lake_and_readers_their_mirror(
    project: Project, bucket: stores.S3, workers: str
) -> None:
    url = f"s3://{bucket.name}/shop"
    # in the same place: neither deletes what is the other's
    project.edit("luigi.cfg", "[etl]\n", f"[etl]\nmirror = {url}\n")
    night = project.published("--workers", workers)
    assert "on processes://2" in night.output
    assert "tries again" not in night.output
    assert sorted(left(project).values()) == lake(project)
    pointer = json.loads(open_place(url).read("current.json")[0])
    assert pointer["generation"] == project.generation

    bucket.asked.clear()
    assert "nothing new" in project.published("--workers", workers).output
    assert not [asked for asked in bucket.asked if "jobs" in asked]


def test_a_bucket_that_is_away_fails_the_night_and_the_next_one_goes_on(
    project: Project, bucket: stores.S3
) -> None:
    bucket.go_away()
    night = project.nightly()
    assert night.exit_code == 30
    assert f"s3://{bucket.name}/shop does not answer as it should" in night.output
    assert "Traceback" not in night.output
    assert not project.generation
    bucket.come_back()
    project.published()
    assert sorted(left(project).values()) == lake(project)
    assert stores.SECRET not in "".join(file.read_text() for file in project.data.glob("logs/*"))


def test_what_a_killed_night_leaves_is_deleted_by_the_next(project: Project, bucket: stores.S3) -> None:
    process = project.start("Nightly", "--date", "2018-05-27")
    wait_for(lambda: any(asked.startswith("PUT") for asked in bucket.asked))
    kill(process)
    project.published()
    assert sorted(left(project).values()) == lake(project)
    assert project.leftovers() == []
