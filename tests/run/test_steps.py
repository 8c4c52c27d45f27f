"""What the steps say of what they did, and of what stopped them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from etl.cli import main
from etl.contract import Column, Contract
from etl.contract.masking import withheld
from etl.errors import DeliveryError, EtlError, StepError, is_full_disk, plain, sentence
from etl.ledger import Key, Receipt
from etl.reports import query
from etl.run.explaining import explained
from etl.run.steps import built
from etl.stages.audited.personal import Personal
from tests.support import tiny


def test_a_slow_model_has_its_seconds_said() -> None:
    assert built(receipt(0.2)) == "marts.items"
    assert built(receipt(0.2, ["2024-03-01"])) == "marts.items (1 partition)"
    assert built(receipt(12.34)) == "marts.items (12.3 s)"
    assert built(receipt(3.0, ["2024-03-01", "2024-03-02"])) == "marts.items (2 partitions, 3.0 s)"
    assert built(receipt(12.34, in_full="it reads no dated table")) == (
        "marts.items (in full: it reads no dated table, 12.3 s)"
    )


def receipt(seconds: float, partitions: list[str] | None = None, in_full: str = "") -> Receipt:
    """Return that of a built model."""
    details = {"seconds": seconds, "partitions": partitions, "in_full": in_full}
    return Receipt(Key("transform", "marts.items"), "", "run-1", details=details)


def copied() -> None:
    duckdb.execute("copy (select random() from range(9)) to '/dev/full' (format parquet)")


def opened() -> None:
    with open("/dev/full", "wb", buffering=0) as file:
        file.write(b"x")


def spilled() -> None:
    with duckdb.connect(config={"memory_limit": "20MB", "max_temp_directory_size": "1MB", "threads": 1}) as con:
        con.execute("create table t as select random() as r, i from range(2000000) as r(i) order by r")


def noted() -> None:
    with sqlite3.connect(":memory:") as con:
        con.execute("pragma max_page_count = 2")
        con.executescript("create table a (x); create table b (x); create table c (x);")


FULL_DISKS = [copied, opened, spilled, noted]


@pytest.fixture(params=FULL_DISKS)
def full(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exception:
    """An error of a full disk, as the libraries raise it."""
    monkeypatch.chdir(tmp_path)
    fill: Callable[[], None] = request.param
    with pytest.raises(Exception) as caught:
        fill()
    return caught.value


def test_a_full_disk_is_said_in_a_sentence_with_what_to_do(full: Exception, tmp_path: Path) -> None:
    run = SimpleNamespace(project=tiny.project(tmp_path))
    told = explained(full, run)  # type: ignore[arg-type]

    assert is_full_disk(full)
    assert isinstance(told, EtlError)
    said, advice = str(told).split("\n")
    assert "No space left on device" in said or "disk is full" in said
    assert not [part for part in ("{", "\\", "SET ", "PRAGMA", "Async") if part in said]
    assert advice.startswith(f"Make room: {run.project.data} has ")


def test_a_full_disk_that_a_step_explained_is_followed_by_what_to_do(full: Exception, tmp_path: Path) -> None:
    run = SimpleNamespace(project=tiny.project(tmp_path))
    known = DeliveryError(f"sales 2024-03-01 could not be extracted: {sentence(str(full))}")
    told = explained(known, run)  # type: ignore[arg-type]
    assert type(told) is DeliveryError
    assert str(told).startswith(str(known)) and ("Make room" in str(told)) == ("No space" in str(known))
    assert explained(DeliveryError("another"), run).args == ("another",)  # type: ignore[arg-type, union-attr]


COLLECT = ["list(md5(i::varchar))", "string_agg(md5(i::varchar))", "median(i)", "quantile_cont(i, 0.2)"]


@pytest.fixture(params=COLLECT)
def starved(request: pytest.FixtureRequest, tmp_path: Path) -> Exception:
    """An error of DuckDB for a function whose group does not fit in memory, with room on the disk."""
    limits = {"memory_limit": "20MB", "threads": 1, "temp_directory": str(tmp_path)}
    with duckdb.connect(config=limits) as con, pytest.raises(duckdb.OutOfMemoryException) as caught:
        con.execute(f"create table t as select {request.param} as x from range(5000000) as r(i)")
    return caught.value


def test_too_little_memory_is_said_in_a_sentence_with_what_to_do(starved: Exception, tmp_path: Path) -> None:
    run = SimpleNamespace(project=tiny.project(tmp_path))
    said, advice = str(explained(starved, run)).split("\n")  # type: ignore[arg-type]
    assert said.startswith("Out of Memory Error: ") and said.endswith("used).")
    assert advice.startswith("DuckDB moves sorts") and "memory_limit in luigi.cfg" in advice
    assert advice.endswith("etl run")

    # as a model, a source and an audit put it
    candidate = SimpleNamespace(contract_of=lambda table: PERSONAL)
    audited = Personal(candidate).said(starved, ["raw.people"])  # type: ignore[arg-type]
    for cause in (plain(str(starved)), sentence(str(starved)), withheld(PERSONAL, starved), audited):
        told = explained(StepError(f"marts.items could not be built: {cause}"), run)  # type: ignore[arg-type]
        assert str(told).startswith("marts.items could not be built: Out of Memory Error: ")
        assert str(told).endswith(advice) and "SET " not in str(told)


def test_a_command_that_has_too_little_memory_says_what_to_do(
    starved: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def front() -> None:
        raise starved

    monkeypatch.setattr("etl.cli.main.front", front)
    monkeypatch.setattr("etl.cli.main.log_to_stderr", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = capsys.readouterr().err
    assert ended.value.code == StepError.exit_code
    assert said.startswith("Error: Out of Memory Error: ") and "SET " not in said
    assert said.endswith("luigi.cfg. Then repeat the command.\n")


def test_a_question_that_has_too_little_memory_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "load_project", lambda: tiny.project(tmp_path, settings="memory_limit = 20MB\n"))
    file = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(file)).close()
    with pytest.raises(EtlError, match=r"^Out of Memory Error: [^\n]*\. DuckDB moves .* Then ask again\.$"):
        query.ask("select median(i) from range(5000000) as r(i)", file)


def test_what_follows_the_advice_of_duckdb_stays() -> None:
    advice = "\n\nPossible solutions:\n* one\n* two\n\nSee also https://duckdb.org/x"
    assert plain(f"Out of Memory Error: no{advice}\nLook at LINE 3") == "Out of Memory Error: no\nLook at LINE 3"


PERSONAL = Contract("People", columns=(Column("name", "VARCHAR", False, pii="hash"),))


def test_a_full_disk_quotes_no_value_and_is_not_withheld(full: Exception) -> None:
    assert sentence(withheld(PERSONAL, full)) == sentence(str(full))
