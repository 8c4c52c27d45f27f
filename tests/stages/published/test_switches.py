"""Every switch is noted; one that a killed command could not tell any more is noted by the next."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from etl.ledger import Ledger
from etl.project import Project, load_project
from etl.stages import published
from etl.stages.published import read_record
from tests.support import tiny


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two generations, the first one current again."""
    project = tiny.project(tmp_path, settings="threads = 1\n[etl.env.staging]\n")
    tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,spoiled\n"})
    tiny.night(project)
    published.rollback(project, Ledger(project.ledger), "", "ann", "a spoiled delivery")
    return project


def forget_switches(project: Project, number: int) -> None:
    """Leave the ledger as if the last commands had been killed right after the switch."""
    with closing(sqlite3.connect(project.ledger, isolation_level=None)) as con:
        con.execute(
            "delete from switches where rowid in (select rowid from switches order by rowid desc limit ?)",
            [number],
        )


def switches(project: Project) -> list[tuple[str, str, str, str, str]]:
    found = Ledger(project.ledger).switches()
    return [(it.generation, it.before, it.kind, it.by, it.reason) for it in found]


def test_a_switch_is_noted_with_who_and_why(project: Project) -> None:
    first, second = published.generations(project)
    assert switches(project) == [
        (first, second, "rollback", "ann", "a spoiled delivery"),
        (second, first, "publish", "", ""),
        (first, "", "publish", "", ""),
    ]


def test_a_rollback_that_was_not_noted_is_noted_by_the_next_night(project: Project) -> None:
    told = switches(project)
    forget_switches(project, 1)

    published.note_missed(project, Ledger(project.ledger))
    published.note_missed(project, Ledger(project.ledger))

    assert switches(project) == told


def test_a_way_forward_that_was_not_noted_is_no_publish(project: Project) -> None:
    first, second = published.generations(project)
    published.rollback(project, Ledger(project.ledger), second, "ann", "it was right")
    forget_switches(project, 1)

    published.note_missed(project, Ledger(project.ledger))

    assert switches(project)[0] == (second, first, "rollback", "", "")


def test_a_publish_that_was_not_noted_is_noted_before_the_next_switch(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)
    tiny.night(project)
    (first,) = published.generations(project)
    forget_switches(project, 1)
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,ink\n"})

    tiny.night(project)

    assert switches(project) == [
        (published.current(project), first, "publish", "", ""),
        (first, "", "publish", "", ""),
    ]


def test_a_promotion_that_was_not_noted_is_told_by_its_record(project: Project) -> None:
    staging = load_project(project.root, "staging")
    name = published.current(project)
    record = read_record(project.current)
    assert name and record
    origin = {"environment": "prod", "by": "bob", "reason": "looked at"}
    published.promote(project, staging, Ledger(staging.ledger), replace(record, origin=origin))
    forget_switches(staging, 1)

    published.note_missed(staging, Ledger(staging.ledger))

    assert switches(staging) == [(name, "", "promote", "bob", "looked at")]
