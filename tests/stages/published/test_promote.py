"""A promotion moves the very bytes, with all that belongs to them, or changes nothing that is published."""

import errno
import os
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from etl.errors import PublishError
from etl.ledger import Ledger
from etl.project import Project, files, load_project
from etl.stages import published
from etl.stages.published import read_record
from tests.support import tiny

SQL = {"marts/items.sql": "-- Items.\n-- export: parquet\n" + tiny.SQL["marts/items.sql"]}
ORIGIN = {"environment": "staging", "by": "ann", "reason": "new items"}


@pytest.fixture
def projects(tmp_path: Path) -> tuple[Project, Project]:
    """Staging, which has published more than prod."""
    prod = tiny.once(tmp_path, in_two_environments)
    return load_project(prod.root, "staging"), prod


def in_two_environments(root: Path) -> None:
    prod = tiny.project(root, sql=SQL, settings="threads = 1\n[etl.env.staging]\n")
    tiny.night(prod)
    tiny.deliver(prod, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(load_project(prod.root, "staging"))


def promote(staging: Project, prod: Project) -> str:
    record = read_record(staging.current)
    assert record
    return published.promote(staging, prod, Ledger(prod.ledger), replace(record, origin=ORIGIN))


def broken_links(*_: object) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_the_target_has_the_very_files_and_a_record_of_its_own(projects: tuple[Project, Project]) -> None:
    staging, prod = projects

    assert promote(staging, prod) == "linked"

    assert prod.warehouse.samefile(staging.warehouse)
    export = "lake/marts/items/data.parquet"
    assert (prod.data / export).samefile(staging.data / export)
    mine, theirs = read_record(prod.current), read_record(staging.current)
    assert mine and theirs and mine.origin == ORIGIN and theirs.origin == {}
    assert mine.published_at > theirs.published_at
    assert replace(mine, origin={}, published_at="") == replace(theirs, published_at="")


def test_it_is_the_newest_of_the_targets_generations_and_in_its_ledger(projects: tuple[Project, Project]) -> None:
    staging, prod = projects
    before, name = published.current(prod), published.current(staging)

    promote(staging, prod)

    ledger = Ledger(prod.ledger)
    assert published.generations(prod) == [before, name]
    assert astuple(ledger.switches()[0])[1:] == (name, before, "promote", "ann", "new items")
    assert name in [generation for generation, *_ in ledger.generations()]


def test_a_copy_is_compared_with_its_original(
    projects: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    staging, prod = projects
    monkeypatch.setattr(os, "link", broken_links)

    assert promote(staging, prod) in ("cloned", "copied")

    assert prod.warehouse.read_bytes() == staging.warehouse.read_bytes()
    assert prod.warehouse.stat().st_mode & 0o777 == 0o444


def test_a_copy_that_came_out_otherwise_is_not_published(
    projects: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    staging, prod = projects
    before = published.current(prod)

    def torn(source: Path, target: Path) -> str:
        target.write_bytes(source.read_bytes()[:-1] + b"!")
        return "copied"

    monkeypatch.setattr(os, "link", broken_links)
    monkeypatch.setattr(files, "copy_file", torn)

    with pytest.raises(PublishError, match="Is the disk failing"):
        promote(staging, prod)

    assert published.current(prod) == before
    assert published.generations(prod) == [before]


def test_a_generation_of_that_name_that_nobody_compared_is_replaced(projects: tuple[Project, Project]) -> None:
    staging, prod = projects
    name = published.current(staging)
    assert name
    (prod.generations / name).mkdir()
    (prod.generations / name / published.FILE).write_text("damaged")

    promote(staging, prod)

    assert prod.warehouse.samefile(staging.warehouse)
    assert not [path for path in prod.generations.iterdir() if path.name.startswith(".")]


def test_one_that_is_half_brought_is_no_generation(
    projects: tuple[Project, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    staging, prod = projects
    before = published.generations(prod)

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(published.promote.__globals__, "make_read_only", ended)
        with pytest.raises(KeyboardInterrupt):
            promote(staging, prod)
    assert published.generations(prod) == before

    promote(staging, prod)

    assert prod.warehouse.samefile(staging.warehouse)
