"""What becomes of a file that changes while it is read: only what the run was planned with is taken."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from etl.errors import DeliveryError
from etl.ledger import Ledger
from etl.project import Project
from etl.project.files import sha256
from etl.stages import lake
from etl.stages.lake import unchanged
from etl.stages.raw import Delivery
from tests.support import tiny

FILE = "sales/2024-03-01.csv"
TEXT = tiny.HEADER + "1,a,1\n"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing between two readings."""
    monkeypatch.setattr(unchanged, "_FIRST_WAIT_SECONDS", 0)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.project(tmp_path, raw={FILE: TEXT, "sales/2024-03-02.csv": tiny.HEADER + "2,b,2\n"})


def planned(project: Project) -> list[Delivery]:
    """The deliveries with their hashes, as a plan has them."""
    return [
        replace(d, files=tuple(replace(file, sha256=sha256(file.path)) for file in d.files))
        for d in tiny.found(project, tiny.sales())
    ]


def touch(project: Project, text: str = TEXT) -> None:
    """Write the file anew, under another inode."""
    tiny.deliver(project, {"sales/part": text})
    os.replace(project.raw / "sales/part", project.raw / FILE)


def touching(project: Project, times: int) -> Iterator[None]:
    for _ in range(times):
        touch(project)
        yield


def test_a_file_with_the_planned_content_is_taken_though_it_was_touched(project: Project) -> None:
    deliveries = planned(project)
    touch(project)

    receipts = tiny.take(project, tiny.sales(), deliveries)

    assert sorted(receipt.key.partition for receipt in receipts) == ["2024-03-01", "2024-03-02"]
    assert tiny.rows_of(project, columns="id") == [(1,)]


def test_other_content_than_planned_waits_for_the_next_night_and_stops_no_other_file(project: Project) -> None:
    deliveries = planned(project)
    touch(project, TEXT + "3,c,3\n")

    with pytest.raises(DeliveryError, match=f"{FILE} changed while it was read: it has other content"):
        lake.extract(
            project, tiny.sales(), deliveries, {d.date: "x" for d in deliveries}, Ledger(project.ledger), "run-1"
        )
    assert [key.partition for key in Ledger(project.ledger).receipts()] == ["2024-03-02"]
    assert not list(project.lake.glob("sales/*2024-03-01"))


def test_a_file_that_is_never_at_rest_is_given_up_after_three_readings(project: Project) -> None:
    readings = []

    def read(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        readings.append([delivery.date for delivery in deliveries])
        touch(project)
        return [delivery for delivery in deliveries if unchanged.is_changed(delivery)]

    (problem,) = unchanged.read_unchanged(read, planned(project))

    first = date(2024, 3, 1)
    assert readings == [[first, date(2024, 3, 2)], [first], [first]]
    assert f"{FILE} changed while it was read, 3 times, though its content is the same" in str(problem)


def test_a_file_that_comes_to_rest_is_read_with_its_new_stamps(project: Project) -> None:
    changes = touching(project, 1)
    done: list[Delivery] = []

    def read(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        next(changes, None)
        done.extend(delivery for delivery in deliveries if not unchanged.is_changed(delivery))
        return [delivery for delivery in deliveries if unchanged.is_changed(delivery)]

    assert unchanged.read_unchanged(read, planned(project)) == []
    assert sorted(delivery.date.day for delivery in done) == [1, 2]


def test_a_file_that_is_gone_is_named(project: Project) -> None:
    deliveries = planned(project)
    (project.raw / FILE).unlink()

    (problem,) = unchanged.read_unchanged(
        lambda given: [delivery for delivery in given if unchanged.is_changed(delivery)], deliveries
    )

    assert f"sales 2024-03-01: {FILE} was there when the run began" in str(problem)
