"""What fails for a reason that passes is tried again, whatever the step; what does not pass never is."""

import errno
import os
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.engine import retries
from etl.ledger import Ledger
from etl.ledger.history import DONE, FAILED, StepId
from etl.project import Project, load_project
from etl.stages.lake import extraction, unchanged
from etl.stages.warehouse.makers import MAKERS
from tests.run.test_recording import STAGES, make, named, night, rows
from tests.support import tiny
from tests.support.kinds import SAMPLES

pytestmark = pytest.mark.sampled

PASSING = [
    OSError(errno.ESTALE, "Stale file handle"),
    duckdb.IOException("IO Error: Could not read: Input/output error"),
    ConnectionResetError("the server is away"),
]
STAYING = [OSError(errno.EACCES, "Permission denied"), duckdb.BinderException("no such column")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    make(tmp_path)
    return load_project(str(tmp_path))


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(retries, "_FIRST_WAIT_SECONDS", 0.0)
    yield


def failing(do: Callable[..., Any], times: int, error: Exception) -> Callable[..., Any]:
    """Return a function that fails so many times, and then does what it is to do."""
    left = [error] * times

    @wraps(do)
    def failed(*arguments: Any, **options: Any) -> Any:
        if left:
            raise left.pop()
        return do(*arguments, **options)

    return failed


def attempts(project: Project, id: StepId) -> int:
    """Return how often a step was begun, by its receipts."""
    proofs = Ledger(project.ledger).receipts()
    return max((r.details.get("attempts", 1) for key, r in proofs.items() if key[:2] == id), default=1)


@pytest.mark.parametrize("error", PASSING, ids=repr)
@pytest.mark.parametrize("step", STAGES)
def test_a_step_is_done_when_what_hindered_it_has_passed(
    project: Project, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    owner, name = STAGES[step]
    monkeypatch.setattr(owner, name, failing(getattr(owner, name), 2, error))

    found = rows(project, night(project))

    assert {row.outcome for row in found.values()} == {DONE}
    assert {row.attempts for row in found.values() if row.step == step} == {3}
    assert {row.attempts for row in found.values() if row.step != step} == {1}
    assert {id for id in found if attempts(project, id) == 3} == {id for id in found if id.step == step}
    assert named(project) == set()


@pytest.mark.parametrize("error", STAYING, ids=repr)
@pytest.mark.parametrize("step", STAGES)
def test_what_does_not_pass_is_not_tried_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    owner, name = STAGES[step]
    monkeypatch.setattr(owner, name, failing(getattr(owner, name), 1, error))

    found = rows(project, night(project))

    assert {(row.outcome, row.attempts) for row in found.values() if row.step == step} == {(FAILED, 1)}


def test_a_step_fails_when_it_was_tried_so_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project = tiny.project(tmp_path, settings="threads = 1\nretries = 2\n")
    owner, name = STAGES["load"]
    monkeypatch.setattr(owner, name, failing(getattr(owner, name), 3, PASSING[0]))

    row = rows(project, night(project))[StepId("load", "sales")]

    assert (row.outcome, row.attempts) == (FAILED, 3)
    assert "warning: load sales: [Errno 116] Stale file handle. It is tried again in 0.0 s" in caplog.messages
    assert "Stale file handle" in row.message


@pytest.mark.parametrize("kind", MAKERS)
def test_a_model_is_built_when_what_hindered_it_has_passed(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    name = SAMPLES[kind][0].rpartition(".")[0].replace("/", ".")
    make = MAKERS[kind]
    left = [PASSING[1]]

    def maker(con: Any, build: Any, *more: Any) -> Any:
        if left and build.model.name == name:
            raise left.pop()
        return make(con, build, *more)

    monkeypatch.setitem(MAKERS, kind, maker)  # type: ignore[arg-type]

    found = rows(project, night(project))

    assert not left
    assert {row.outcome for row in found.values()} == {DONE}
    assert found[StepId("transform", name)].attempts == 2
    assert attempts(project, StepId("transform", name)) == 2


def test_code_of_a_python_model_is_called_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = project.root / "called"
    text = SAMPLES["python"][1].replace(
        "    return",
        f"    import os\n    if not os.path.exists({str(flag)!r}):\n        open({str(flag)!r}, 'w').close()\n"
        "        raise ConnectionRefusedError('no rates')\n    return",
    )
    (project.root / "sql" / SAMPLES["python"][0]).write_text(text)

    found = rows(project, night(project))

    assert flag.exists()
    assert found[StepId("transform", "marts.python")].attempts == 2


@pytest.mark.parametrize("what", ["open_file", "place", "extract_small", "extract_clean", "extract_carefully"])
def test_a_delivery_is_taken_when_what_hindered_it_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    project = tiny.project(tmp_path)
    monkeypatch.setattr(extraction, what, failing(getattr(extraction, what), 2, PASSING[0]))

    found = rows(project, night(project))

    assert {row.outcome for row in found.values()} == {DONE}
    assert tiny.published(project, "select count(*) from raw.sales") == [(3,)]


def test_only_the_delivery_that_failed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, opened, read = tiny.project(tmp_path), [], extraction.open_file
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,book\n"})

    def open_file(project: Any, source: Any, delivery: Any, *more: Any) -> Any:
        opened.append(delivery.date.day)
        if opened.count(3) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return read(project, source, delivery, *more)

    monkeypatch.setattr(extraction, "open_file", open_file)

    found = rows(project, night(project))

    assert opened == [1, 3, 3, 2]
    assert found[StepId("extract", "sales")].attempts == 2


@pytest.mark.parametrize("times", [1, 3])
def test_each_reading_of_a_file_that_changes_meanwhile_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    project, left = tiny.project(tmp_path), [None] * times
    monkeypatch.setattr(unchanged, "_FIRST_WAIT_SECONDS", 0)

    def touching(_: Any, opening: Any, *more: Any) -> Any:
        if left and opening.date.day == 1:
            left.pop()
            os.utime(opening.files[0].path)
        return look(_, opening, *more)

    look = extraction.look
    monkeypatch.setattr(extraction, "look", touching)

    row = rows(project, night(project))[StepId("extract", "sales")]

    assert (row.outcome, row.attempts) == ((DONE, 2) if times == 1 else (FAILED, 3))
    assert attempts(project, StepId("extract", "sales")) == (2 if times == 1 else 1)


def test_a_delivery_that_is_away_for_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tiny.project(tmp_path)
    monkeypatch.setattr(extraction, "open_file", failing(extraction.open_file, 99, PASSING[0]))

    row = rows(project, night(project))[StepId("extract", "sales")]

    assert (row.outcome, row.attempts) == (FAILED, 4)
    assert (
        row.message
        == "sales 2024-03-01: sales/2024-03-01.csv could not be extracted: [Errno 116] Stale file handle"
    )


@pytest.mark.parametrize("optional", ["", "-- optional: yes\n"])
def test_a_model_that_cannot_be_built_for_long_is_said_with_how_often_it_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optional: str
) -> None:
    project = tiny.project(
        tmp_path, sql={"marts/a.sql": "select 1 as one", "marts/b.sql": f"{optional}select 2 as two"}
    )
    make = MAKERS["table"]

    def maker(con: Any, build: Any, *more: Any) -> Any:
        if build.model.name == "marts.b":
            raise PASSING[1]
        return make(con, build, *more)

    monkeypatch.setitem(MAKERS, "table", maker)  # type: ignore[arg-type]

    found = rows(project, night(project))

    assert {name: (row.outcome, row.attempts) for (_, name), row in found.items() if name.startswith("marts")} == {
        "marts.a": (DONE, 1),
        "marts.b": (FAILED, 4),
    }
    assert (found[StepId("publish")].outcome == DONE) == bool(optional)
