"""`etl describe`: what a source, a model or an audit is, its last runs, and why it would run now."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.history import History, StepRow
from etl.ledger.last_runs import last_checks, last_steps
from etl.ledger.rows import Check
from tests.cli.test_cli import answer
from tests.support import tiny

CONTRACTS = tiny.CONTRACTS.replace('.csv")', '.csv", owner="shop", required=True, expected_by="06:00")')
SQL = {
    "marts/items.sql": "-- How often each item was sold.\n-- owner: ann\n" + tiny.SQL["marts/items.sql"],
    "marts/total.sql": "select sum(sales) as sales from marts.items",
    "audits/none.sql": "-- fail: an item is sold, or not listed\nfrom marts.items where sales < 1",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A published project."""
    project = tiny.once(tmp_path / "shop", published)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def published(root):
    tiny.night(tiny.project(root, CONTRACTS, SQL))


def described(name, *options):
    return json.loads(answer("describe", name, "--date", "2024-03-09", "--json", *options))


def test_a_source_is_described(shop):
    found = described("sales")

    assert found == described("raw.sales")
    assert (found["kind"], found["owner"], found["contract"]) == ("source", "shop", "Sales")
    assert "contracts/all.py" in found["declared"]
    assert found["built"] == "one delivery a day, required, expected by 06:00"
    assert (found["reads"], found["writes"], found["read_by"]) == (
        ["sales/{date}.csv"],
        ["raw.sales"],
        ["marts.items"],
    )
    assert found["columns"] == {"id": "BIGINT", "item": "VARCHAR"}
    assert found["holds"] == "2 partitions from 2024-03-01 to 2024-03-02"
    assert found["now"]["action"] == "skip"


def test_a_model_is_described(shop):
    found = described("marts.items")

    assert found == described("sql/marts/items.sql")
    assert (found["kind"], found["what"], found["owner"]) == ("model", "How often each item was sold.", "ann")
    assert (found["reads"], found["writes"]) == (["raw.sales"], ["marts.items"])
    assert (found["read_by"], found["audits"]) == (["marts.total"], ["audits.none"])
    assert (found["holds"], found["now"]["why"]) == ("2 rows", "unchanged")


def test_an_audit_is_described(shop):
    found = described("audits.none")

    assert found == described("sql/audits/none.sql")
    assert (found["kind"], found["what"]) == ("audit", "an item is sold, or not listed")
    assert (found["built"], found["reads"]) == ("error", ["marts.items"])


def test_why_it_would_run_now_is_what_the_plan_says(shop):
    tiny.deliver(shop, {"sales/2024-03-03.csv": "id,item\n4,cap\n"})
    (shop.sql / "marts/total.sql").write_text("select max(sales) as sales from marts.items")

    planned = {each["name"]: each for each in json.loads(answer("plan", "--date", "2024-03-09", "--json"))}

    for name in ("raw.sales", "marts.items", "marts.total"):
        now = described(name)["now"]
        assert now == {key: planned[name][key] for key in ("action", "why", "partitions", "diff")}
        assert now["action"] == "build"
    assert described("sales")["now"]["partitions"] == ["2024-03-03"]
    assert described("audits.none")["now"]["action"] == "build"
    # what came is not held before it is taken
    assert described("sales")["holds"].startswith("2 partitions")


def test_what_the_plan_says_of_a_source_is_a_note(shop):
    tiny.deliver(shop, {"sales/2024-03-05.csv": tiny.SALES["sales/2024-03-01.csv"]})

    assert [note for note in described("sales")["notes"] if note.startswith("sent again?")]


def test_the_last_runs_of_one_name_come_first(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    history = History(ledger)
    for run in range(1, 9):
        steps = [("extract", "sales"), ("load", "sales"), ("transform", "marts.items")]
        history.plan(StepRow(f"run-{run}", step, name) for step, name in steps if run != 8 or name != "sales")
        check = {"name": "audits.none", "table_name": "", "severity": "warn", "examples": [], "fingerprint": ""}
        history.note_checks([Check(**check, passed=run % 2 == 0, failing=run, run_id=f"run-{run}")])

    assert [(step.run_id, step.step) for step in last_steps(ledger, "sales", 2)] == [
        ("run-7", "extract"),
        ("run-7", "load"),
        ("run-6", "extract"),
        ("run-6", "load"),
    ]
    assert [step.run_id for step in last_steps(ledger, "marts.items", 3)] == ["run-8", "run-7", "run-6"]
    assert last_steps(ledger, "nothing", 3) == []
    assert [(check.run_id, check.passed) for check in last_checks(ledger, "audits.none", 2)] == [
        ("run-8", True),
        ("run-7", False),
    ]
    ledger.close()


def test_its_runs_are_told_with_what_they_did(shop, monkeypatch):
    step = SimpleNamespace(
        run_id="r1", step="transform", outcome="failed", rows_out=1204, seconds=61.0, message="no room", why="new"
    )
    monkeypatch.setattr("etl.reports.describe.last_steps", lambda *_: [step])
    assert described("marts.items")["runs"] == [
        {"run_id": "r1", "step": "transform", "outcome": "failed", "rows": 1204, "seconds": 61.0, "why": "no room"}
    ]

    said = answer("describe", "marts.items", "--date", "2024-03-09")

    assert said.startswith("marts.items: model\nwhat      How often each item was sold.\nowner     ann\n")
    assert "now       nothing to do: unchanged\n" in said
    assert "r1\ttransform\tfailed\t1,204\t0:01:01.0\tno room" in said


def test_an_unknown_name_is_refused(shop):
    with pytest.raises(ConfigError, match=r"Did you mean marts\.items"):
        answer("describe", "marts.item")


def test_what_is_unchanged_is_described_without_duckdb(shop):
    # the definitions are in the ledger's cache: nothing has to be read again
    seen = "print({'duckdb', 'pandas', 'luigi'} & {*sys.modules})"
    code = f"import sys\nsys.argv[0] = 'etl'\nfrom etl.cli.main import main\ntry: main()\nfinally: {seen}"
    command = [sys.executable, "-c", code, "describe", "marts.items", "--date", "2024-03-02"]
    done = subprocess.run(command, cwd=shop.root, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("set()\n"), done.stdout + done.stderr
