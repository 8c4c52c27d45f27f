"""What a failed step leaves: bounded, private, without secrets and personal data, and never in the run's way."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl.errors import EtlError
from etl.ledger import Ledger, Run, now
from etl.operations.purge import purge
from etl.operations.retry import what_failed
from etl.plan import Scope, make_plan
from etl.project import Project
from etl.project.own import foreign
from etl.run import recording, steps
from etl.run.active import ActiveRun, new_run_id
from tests.support import tiny
from tests.support.everything import written

BROKEN = {**tiny.SQL, "marts/broken.sql": "select error('no ' || item) as n from raw.sales"}
BAD = {"sales/2024-03-01.csv": "id,item\n1,book\n2,pen\n", "sales/2024-03-02.csv": "item\ncanary-cup\n"}


def failing(project: Project, work: Callable[[ActiveRun], object] = tiny.work) -> tuple[ActiveRun, EtlError]:
    """Do the steps of a night until one fails, as the tasks do; return the run, and what is said of it."""
    plan = make_plan(project, Ledger(project.ledger), Scope(tiny.DAY.replace(day=31)), new_run_id())
    row = Run(plan.run_id, str(plan.scope.last), now())
    run = ActiveRun(project=project, ledger=Ledger(project.ledger), plan=plan, row=row, lock=-1, pid=os.getpid())
    run.ledger.write_run(row)
    recording.note_plan(run)
    try:
        work(run)
    except Exception as error:
        said = steps.failed(error, run, "a step", [])
        recording.close(run)
        return run, said
    raise AssertionError("nothing failed")


def facts(project: Project) -> dict[str, Any]:
    (file,) = project.failures.glob("*/*/bundle.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_only_what_the_step_was_given_is_kept(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw=BAD)
    failing(project)
    found = facts(project)
    assert (found["step"], found["name"], found["dates"]) == ("extract", "sales", ["2024-03-02"])
    assert [(item["name"], item["kept"]) for item in found["inputs"]] == [
        ("data/raw/sales/2024-03-02.csv", "whole")
    ]
    assert "PATH" in found["environment"]


def test_it_is_private_and_etls_own(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=BROKEN)
    failing(project)
    assert stat.S_IMODE(project.failures.stat().st_mode) == 0o700
    assert foreign(project) == []


def test_what_has_no_room_is_named_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl.run.failures.inputs._SECONDS", -1.0)
    raw = {"sales/2024-03-01.csv": "item\n" + "a cup of tea\n" * 100_000}
    project = tiny.project(tmp_path, raw=raw, settings="failure_megabytes = 1\n")
    failing(project)
    (item,) = facts(project)["inputs"]
    assert (item["kept"], item["bytes"], len(item["sha256"])) == ("too large", 1_300_005, 64)
    (readme,) = project.failures.glob("*/*/README.txt")
    assert f"{project.raw / 'sales/2024-03-01.csv'} (too large)" in readme.read_text()


def test_nothing_is_kept_if_nothing_is_wanted(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=BROKEN, settings="failure_megabytes = 0\n")
    failing(project)
    assert not project.failures.exists()


def test_of_a_file_with_personal_data_the_records_are_kept_masked(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace("item: str = pa.Field(", 'item: str = pa.Field(metadata={"pii": "drop"}, ')
    project = tiny.project(tmp_path, contracts, raw=BAD)
    failing(project)
    (item,) = facts(project)["inputs"]
    assert (item["kept"], item["layout"]["columns"]) == ("masked", ["item"])
    assert [name for name, text in written(project) if "canary-cup" in text] == []
    (readme,) = project.failures.glob("*/*/README.txt")
    assert f"{project.raw / 'sales/2024-03-02.csv'} (masked)" in readme.read_text()


def test_a_file_with_personal_data_that_cannot_be_taken_apart_is_named_by_its_hash(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace("nullable=True", 'nullable=True, metadata={"pii": "drop"}')
    contracts = contracts.replace(".csv", ".csv.gz")
    project = tiny.project(tmp_path, contracts, raw={"sales/2024-03-01.csv.gz": b"canary-cup"})
    failing(project)
    (item,) = facts(project)["inputs"]
    assert (item["kept"], len(item["sha256"])) == ("personal data", 64)
    assert [name for name, text in written(project) if "canary-cup" in text] == []


def test_a_secret_in_sql_or_settings_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "canary-secret-4f")
    sql = {"marts/broken.sql": "select error('canary-secret-4f' || getvariable('word')) as n from raw.sales"}
    project = tiny.project(tmp_path, sql=sql, settings="[etl.vars]\nword = canary-secret-4f\n")
    failing(project)
    kept = [path for path in project.failures.rglob("*") if path.is_file()]
    assert kept
    assert [path.name for path in kept if b"canary-secret-4f" in path.read_bytes()] == []


@pytest.mark.parametrize("broken", ["_write", "texts.write_texts", "os.rename"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), PermissionError(13, "no"), KeyError("x")]
)
def test_what_cannot_be_written_changes_nothing_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"etl.run.failures.bundle.{broken}", refuse)
    project = tiny.project(tmp_path, sql=BROKEN)
    _, said = failing(project)
    assert "could not be built: Invalid Input Error: no " in str(said)
    assert list(project.failures.glob("*/*")) == list(project.scratch.glob("failure-*")) == []


def test_a_run_whose_models_all_fail_leaves_ten(tmp_path: Path) -> None:
    sql = {f"marts/m{n}.sql": "select error('no ' || item) as n from raw.sales" for n in range(12)}
    project = tiny.project(tmp_path, sql=sql)
    run, _ = failing(project, lambda run: steps.transform(run, list(run.plan.models.models)))
    assert len(list((project.failures / run.plan.run_id).iterdir())) == 10


def test_it_goes_with_its_run(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=BROKEN, settings="keep_runs = 1\n")
    run, _ = failing(project)
    run.ledger.write_run(Run(run.plan.run_id, "2024-03-31", now(), outcome="failed"))
    later, _ = failing(project)
    later.ledger.write_run(Run(later.plan.run_id, "2024-03-31", now(), outcome="failed"))
    recording.prune(later)
    assert [path.name for path in project.failures.iterdir()] == [later.plan.run_id]


def test_of_many_nights_that_failed_the_last_ones_keep_what_they_left(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=BROKEN, settings="keep_failures = 2\n")
    runs = []
    for _ in range(4):
        run, _ = failing(project)
        run.ledger.write_run(Run(run.plan.run_id, "2024-03-31", now(), outcome="failed"))
        runs.append(run.plan.run_id)
        recording.prune(run)
    assert sorted(path.name for path in project.failures.iterdir()) == runs[-2:]


def test_what_is_older_than_it_is_kept_goes(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=BROKEN)
    run, _ = failing(project)
    old = "20200101T000000.000Z-0000"
    (project.failures / run.plan.run_id).rename(project.failures / old)
    for name in (run.plan.run_id, old):
        run.ledger.write_run(Run(name, "2024-03-31", now(), outcome="failed"))
    recording.prune(run)
    assert not (project.failures / old).exists()


def test_a_purge_deletes_it(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw=BAD)
    failing(project)
    purge(project, "sales")
    assert not project.failures.exists()
    assert [name for name, text in written(project) if "canary-cup" in text] == []


def test_what_failed_and_what_waited_for_it_is_done_again(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw=BAD)
    run, _ = failing(project)
    again = what_failed(run.ledger, run.row)
    assert again is not None
    assert [str(step.id) for step in again.steps][:2] == ["extract sales", "load sales"]
    assert again.arguments == ["Retried", "--date", "2024-03-31", "--sources-only", "sales"]


def test_after_a_failed_model_no_delivery_is_taken(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=BROKEN)
    run, _ = failing(project)
    again = what_failed(run.ledger, run.row)
    assert again is not None
    assert again.arguments == ["Retried", "--date", "2024-03-31", "--sources-only", ""]
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n9,hat\n"})
    (project.sql / "marts/broken.sql").write_text("select 1 as one from raw.sales")
    tiny.night(project, sources="")
    assert tiny.published(project, "select count(*) from raw.sales") == [(3,)]
