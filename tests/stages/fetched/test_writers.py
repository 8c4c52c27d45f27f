"""What a kind writes through: lines and copies that a killed try has left are gone on with, if they are true."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from etl.errors import FetchError
from etl.project import Project
from etl.sources import Source
from etl.sources.connectors.landed import Landed
from etl.sources.fetches import Fetching
from etl.stages.fetched import Asked, Landing
from etl.stages.fetched.landing import began, check_name
from etl.stages.fetched.writers import LinesWriter
from etl.stages.raw import find
from tests.support import tiny

DAY = date(2024, 3, 1)


@dataclass(frozen=True)
class Drop(Fetching):
    """Copies of files."""

    named = "fetch=Drop()"
    mode = "copies"
    format = None
    time_limit: str = field(default="1 hour", kw_only=True)


def landing(project: Project, files: str = "sales/{date}.csv", day: date = DAY) -> Landing:
    source = tiny.sales(name="drop")
    source.fetch, source.connector = Drop(), Landed("drop", "copies", files=files)
    asked = Asked(
        source="drop",
        fetch=source.fetch,
        day=day,
        contract=source.contract,
        started=datetime.now(UTC),
        contracts=project.contracts,
        root=project.root,
        fetched=project.fetched,
    )
    return Landing(project, source, asked)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.project(tmp_path, sql={}, raw={})


def copy(to: Landing, name: str, content: bytes, **told: Any) -> None:
    writer = to.copy(name)
    writer.write(content)
    writer.land(**told)


def taken(of: Source, project: Project, last: date = date(2024, 3, 31)) -> dict[str, list[bytes]]:
    found = find(of, project.fetched, last)
    return {str(day): [file.path.read_bytes() for file in each.files] for day, each in found.items()}


def test_copies_lie_under_their_own_names_and_the_newest_of_each_counts(project: Project) -> None:
    to = landing(project)
    copy(to, "sales/2024-03-01.csv", b"id\n1\n", more={"etag": "a"})
    copy(to, "sales/2024-02-01.csv", b"id\n2\n")
    copy(to, "sales/2024-03-01.csv", b"id\n3\n", more={"etag": "b"})
    assert taken(to.source, project) == {"2024-02-01": [b"id\n2\n"], "2024-03-01": [b"id\n3\n"]}
    assert to.copies()["sales/2024-03-01.csv"].more == {"etag": "b"}
    assert len(to.landed) == len(set(to.landed)) == 3
    assert len(to.copies()["sales/2024-02-01.csv"].content) == 64


def test_copies_without_a_date_are_one_snapshot(project: Project) -> None:
    to = landing(project, "*.csv")
    copy(to, "a.csv", b"1")
    copy(to, "b.csv", b"2")
    later = landing(project, "*.csv", date(2024, 3, 5))
    copy(later, "a.csv", b"3")
    assert taken(to.source, project) == {"2024-03-31": [b"2", b"3"]}
    assert taken(to.source, project, date(2024, 3, 4)) == {"2024-03-04": [b"1", b"2"]}


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "a/../b",
        "a//b",
        "a/",
        "\x1b[2J",
        "a\nb",
        "a\u202eb",
        "x" * 201,
        "a/" * 600 + "a",
    ],
)
def test_a_name_that_leads_elsewhere_or_that_no_file_has_is_refused(name: str, project: Project) -> None:
    with pytest.raises(FetchError, match="cannot be the name of a fetched file"):
        check_name(name)
    with pytest.raises(FetchError):
        landing(project).copy(name)
    assert not list(project.fetched.rglob("*"))


def test_a_copy_that_was_cut_goes_on_where_it_was_noted(project: Project) -> None:
    writer = landing(project).copy("sales/2024-03-01.csv")
    writer.write(b"id\n")
    writer.checkpoint({"etag": "a"})
    writer.write(b"torn")
    writer.abandon()

    again = landing(project).copy("sales/2024-03-01.csv")
    assert (again.size, again.state) == (3, {"etag": "a"})
    again.write(b"7\n")
    again.land()
    to = landing(project)
    assert taken(to.source, project) == {"2024-03-01": [b"id\n7\n"]}
    other = landing(project).copy("sales/2024-03-01.csv")
    assert (other.size, other.state) == (0, None)
    other.abandon()


@pytest.mark.parametrize("harm", ["no state", "no file", "torn state", "short file"])
def test_a_copy_whose_note_is_not_true_begins_again(harm: str, project: Project) -> None:
    writer = landing(project).copy("a.csv")
    writer.write(b"12345")
    writer.checkpoint("x")
    note = writer.path.with_name(f"{writer.path.name}.state")
    does: dict[str, Callable[[], object]] = {
        "no state": note.unlink,
        "no file": writer.path.unlink,
        "torn state": lambda: note.write_text('{"by'),
        "short file": lambda: writer.path.write_bytes(b"1"),
    }
    writer.abandon()
    does[harm]()
    again = landing(project).copy("a.csv")
    assert (again.size, again.state) == (0, None)
    again.write(b"z")
    again.close()
    assert again.path.read_bytes() == b"z"


def lines(path: Path) -> LinesWriter:
    return LinesWriter(path, lambda: None)


def read(path: Path) -> list[Any]:
    with pa.input_stream(str(path), compression="zstd") as file:
        return [json.loads(line) for line in file.read().splitlines()]


def test_lines_go_on_after_the_last_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl.zst"
    writer = lines(path)
    for page in range(3):
        writer.append(b"".join(b'{"page": %d, "row": %d}\n' % (page, row) for row in range(4)))
        writer.checkpoint({"next": page + 1})
    writer.append(b'{"page": 3, "row": 0}')
    writer._pack()
    writer.abandon()

    again = lines(path)
    assert (again.state, again.rows) == ({"next": 3}, 12)
    again.append(b'{"page": 3, "row": 0}')
    again.checkpoint({"next": 4})
    again.close("")
    assert [row["page"] for row in read(path)] == [0] * 4 + [1] * 4 + [2] * 4 + [3]
    assert again.rows == 13


def test_no_lines_are_an_empty_file_that_can_be_read(tmp_path: Path) -> None:
    writer = lines(tmp_path / "lines.jsonl.zst")
    writer.close("")
    assert read(writer.path) == []


def test_what_another_question_has_left_is_removed(project: Project) -> None:
    source = landing(project).source
    first = began(project, source, "a")
    (project.fetching_aside / "drop/half").touch()
    assert began(project, source, "a") == first
    assert (project.fetching_aside / "drop/half").exists()
    assert began(project, source, "b") >= first
    assert not (project.fetching_aside / "drop/half").exists()


def test_what_was_begun_too_long_ago_is_begun_again(project: Project) -> None:
    source = landing(project).source
    began(project, source, "a")
    note = project.fetching_aside / "drop/question.json"
    note.write_text(json.dumps({"question": "a", "started": "2024-03-01T00:00:00+00:00"}))
    assert began(project, source, "a").year > 2024
