"""The ledger gives back what was written, to any process, however many write at once."""

import multiprocessing
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import LedgerError
from etl.ledger import VERSION, Check, Key, Ledger, Receipt, Run, Switch, fingerprint, fingerprint_of_texts, stamp

EXTRACT = Key("extract", "sales", "2024-03-01")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "data" / "ledger.sqlite")


def check(name: str, passed: bool = True) -> Check:
    return Check(
        name=name,
        table_name="marts.items",
        severity="warn",
        passed=passed,
        failing=0 if passed else 2,
        examples=["a = 1", "é"],
        run_id="run-1",
        fingerprint="f",
    )


def test_a_receipt_is_found_by_its_key(ledger: Ledger) -> None:
    receipt = Receipt(EXTRACT, "f1", "run-1", "refused", seconds=1.5, details={"rows": 3, "lake": [1, 2, 3]})

    ledger.write(receipt, Receipt(Key("audit"), "f2", "run-1"))

    found = ledger.receipt(EXTRACT)
    assert found is not None
    assert replace(found, finished_at="") == receipt
    assert found.finished_at.endswith("+00:00")
    assert set(ledger.receipts()) == {EXTRACT, Key("audit")}
    assert ledger.receipt(Key("audit", "x")) is None


def test_a_receipt_replaces_the_one_of_the_same_key_and_can_be_forgotten(ledger: Ledger) -> None:
    ledger.write(Receipt(EXTRACT, "f1", "run-1"))
    ledger.write(Receipt(EXTRACT, "f2", "run-2"))
    assert {key: receipt.fingerprint for key, receipt in ledger.receipts().items()} == {EXTRACT: "f2"}

    ledger.forget([EXTRACT, Key("load", "sales")])

    assert ledger.receipts() == {}


def test_receipts_are_written_together_or_not_at_all(ledger: Ledger) -> None:
    with pytest.raises(TypeError):
        ledger.write(Receipt(EXTRACT, "f1", "run-1"), Receipt(Key("load"), "f", "r", details={"x": object()}))

    assert ledger.receipts() == {}


def test_the_cache_answers_only_for_the_key_that_was_stored(ledger: Ledger) -> None:
    ledger.cache("catalog", "key-1", "text 1")
    assert ledger.cached("catalog", "key-1") == "text 1"

    ledger.cache("catalog", "key-2", "text 2")

    assert ledger.cached("catalog", "key-1") is None
    assert ledger.cached("models", "key-2") is None


def test_hashes_are_known_by_all_that_identifies_a_file(ledger: Ledger) -> None:
    ledger.remember_hashes([("a.csv", 1, 2, 3, "old"), ("b.csv", 1, 2, 3, "b")])
    ledger.remember_hashes([("a.csv", 1, 9, 3, "new")])

    assert ledger.hashes() == {("a.csv", 1, 9, 3): "new", ("b.csv", 1, 2, 3): "b"}


def test_runs_come_newest_first_and_are_replaced_when_they_end(ledger: Ledger) -> None:
    first = Run("run-1", "2024-03-01", "2024-03-01T01:00:00", pid=7, versions={"etl": "1"}, git_commit="abc")
    second = Run("run-2", "2024-03-02", "2024-03-02T01:00:00", summary={"rows": 3})
    ended = replace(first, finished_at="2024-03-01T02:00:00", outcome="published")

    for run in (first, second, ended):
        ledger.write_run(run)

    assert ledger.runs() == [second, ended]


def test_problems_belong_to_a_run_and_keep_their_order(ledger: Ledger) -> None:
    ledger.note_problem("run-1", "LoadedTable", "first")
    ledger.note_problem("run-2", "LoadedTable", "other")
    ledger.note_problem("run-1", "BuiltModel", "second")

    assert ledger.problems("run-1") == [("LoadedTable", "first"), ("BuiltModel", "second")]


def test_only_the_latest_checks_are_kept(ledger: Ledger) -> None:
    ledger.replace_checks([check("a"), check("b")])
    ledger.replace_checks([check("c", passed=False), check("a")])

    assert ledger.checks() == {"a": check("a"), "c": check("c", passed=False)}


def test_generations_come_newest_first(ledger: Ledger) -> None:
    for name in ("20240301", "20240303", "20240302"):
        ledger.write_generation(name, f"run-{name}", "f")
    ledger.forget_generation("20240302")

    assert [(name, run, content) for name, run, _, content in ledger.generations()] == [
        ("20240303", "run-20240303", "f"),
        ("20240301", "run-20240301", "f"),
    ]


def _write_many(path: Path, start: int) -> None:
    ledger = Ledger(path)
    for n in range(start, start + 50):
        ledger.write(Receipt(Key("extract", "sales", str(n)), "f", "run-1"))


def test_processes_that_begin_a_ledger_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    path = tmp_path / "ledger.sqlite"
    writers = [context.Process(target=_write_many, args=(path, 50 * n)) for n in range(4)]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len(Ledger(path).receipts()) == 200


def test_an_open_ledger_survives_a_fork(ledger: Ledger) -> None:
    ledger.write(Receipt(Key("before"), "f", "run-1"))
    child = os.fork()
    if child == 0:
        try:
            ledger.write(Receipt(Key("child"), "f", "run-1"))
        finally:
            os._exit(0 if len(ledger.receipts()) >= 2 else 1)
    ledger.write(Receipt(Key("parent"), "f", "run-1"))

    assert os.waitpid(child, 0)[1] == 0
    assert set(ledger.receipts()) == {Key("before"), Key("child"), Key("parent")}


def test_a_fingerprint_depends_on_every_part_but_not_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": [2, 3]}) == fingerprint({"b": [2, 3], "a": 1})
    different = [("a", "b"), ("ab",), ("b", "a"), ("a", "b", None), (["a", "b"],)]
    assert len({fingerprint(*parts) for parts in different}) == len(different)


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert stamp(path) == []
    path.write_text("a")
    before = stamp(path)
    assert before == stamp(path)

    path.write_text("ab")

    assert stamp(path) != before


def test_a_ledger_of_a_newer_etl_is_left_alone(ledger: Ledger) -> None:
    ledger.write(Receipt(EXTRACT, "f1", "run-1"))
    with closing(sqlite3.connect(ledger.path)) as con:
        con.execute(f"pragma user_version = {VERSION + 1}")
    before = ledger.path.read_bytes()

    with pytest.raises(LedgerError, match=rf"version {VERSION + 1}, and this etl knows versions up to {VERSION}"):
        Ledger(ledger.path).receipts()

    assert ledger.path.read_bytes() == before


def test_a_ledger_from_before_there_were_versions_is_brought_up_to_date(ledger: Ledger) -> None:
    ledger.write(Receipt(EXTRACT, "f1", "run-1"))
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as con:
        con.execute("drop table switches")
        con.execute("pragma user_version = 0")

    again = Ledger(ledger.path)

    assert set(again.receipts()) == {EXTRACT}
    assert again.switches() == []
    with closing(sqlite3.connect(ledger.path)) as con:
        assert con.execute("pragma user_version").fetchone() == (VERSION,)


def test_switches_are_told_the_newest_first(ledger: Ledger) -> None:
    first, second = (
        Switch("2024-03-01", "g1", "", "publish"),
        Switch("2024-03-02", "g0", "g1", "rollback", by="ann", reason="x"),
    )
    ledger.note_switch(first)
    ledger.note_switch(second)
    assert ledger.switches() == [second, first]


@pytest.mark.parametrize("details", [b'"{\x80\xff}"', b"{half", b"'"])
def test_a_text_that_is_none_is_damage_and_the_next_ledger_is_new(
    ledger: Ledger, details: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.write(Receipt(EXTRACT, "f1", "run-1"))
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as con:
        con.execute("update receipts set details = cast(? as text)", [details])

    with pytest.raises(LedgerError, match=r"damaged: .*moved to ledger.sqlite.damaged. The next run makes a new"):
        ledger.receipt(EXTRACT)

    # the error says all: that a new one is made already is not so
    assert caplog.messages == []
    assert ledger.receipts() == {}
    assert (ledger.path.parent / "ledger.sqlite.damaged").exists()


@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=3))
def test_the_quick_fingerprint_of_texts_is_the_same(rows: list[tuple[str, ...]]) -> None:
    assert fingerprint_of_texts(rows) == fingerprint(rows)
