"""`etl check`: what a run reads before it begins, without data, and without a trace."""

import json
import os
import shutil
import sys

import pytest

from etl.cli.main import main
from tests.support import tiny
from tests.support.everything import ledger

SETTINGS = "threads = 1\n[etl.env.dev]\nkeep_generations = 2\n"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A project as git has it: without data."""
    project = tiny.project(tmp_path / "shop", settings=SETTINGS)
    shutil.rmtree(project.data)
    monkeypatch.chdir(project.root)
    return project


def files(project):
    found = (path for path in project.root.rglob("*") if "__pycache__" not in path.parts)
    return {str(path.relative_to(project.root)): path.stat().st_mtime_ns for path in found}


@pytest.fixture
def check(monkeypatch, capsys):
    def checked(*options):
        monkeypatch.setattr(sys, "argv", ["etl", "check", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr()

    return checked


def test_a_sound_checkout_passes_and_nothing_is_written(checkout, check):
    before = files(checkout)
    code, said = check()
    assert (code, said.err) == (0, "")
    assert said.out == (
        "All is sound: 1 source, 0 contracts of tables, 1 model, 0 audits, 0 macros.\n"
        "Checked in the environments prod, dev.\n"
    )
    assert files(checkout) == before


def test_a_ledger_that_is_there_is_not_written(checkout, check):
    tiny.deliver(checkout, tiny.SALES)
    tiny.night(checkout)
    (checkout.sql / "marts/items.sql").write_text("select item from raw.sales")
    before = list(ledger(checkout.ledger))
    assert check()[0] == 0
    assert list(ledger(checkout.ledger)) == before


def test_a_read_only_checkout_can_be_checked(checkout, check):
    for path in (checkout.contracts, checkout.sql, checkout.root):
        path.chmod(0o555)
    try:
        assert check("--json")[0] == 0
    finally:
        for path in (checkout.root, checkout.contracts, checkout.sql):
            path.chmod(0o755)


WRONG = {
    "a setting": ("luigi.cfg", "[etl]\nthreds = 1\n", "Did you mean threads?"),
    "a setting of another environment": ("luigi.cfg", "[etl]\n[etl.env.dev]\numask = 999\n", "umask = 999"),
    "a setting that only DuckDB knows": ("luigi.cfg", "[etl]\nstorage_version = v9.9.9\n", "v9.9.9"),
    "a variable": ("luigi.cfg", "[etl]\n[etl.vars]\nbatch_date = 1\n", "batch_date"),
    "a contract": ("contracts/all.py", tiny.CONTRACTS.replace("int", "complex"), "complex"),
    "Python": ("contracts/all.py", "import nothing_of_this_name\n", "nothing_of_this_name"),
    "a model": ("sql/marts/items.sql", "select itme from raw.sales", "Did you mean item?"),
    "a header": ("sql/marts/items.sql", "-- materialized: incremental\nselect item from raw.sales", "partition"),
    "an audit": ("sql/audits/none.sql", "-- fail: why\nselect x from raw.nothing", "raw.nothing"),
    "a contract of no table": (
        "contracts/more.py",
        tiny.CONTRACTS.split("sales =")[0] + "    class Config:\n        name = 'marts.none'\n",
        "marts.none",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_run_would_refuse_is_refused(checkout, check, name):
    file, text, expected = WRONG[name]
    path = checkout.root / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    code, said = check()
    assert code == 35
    assert expected.lower() in said.err.lower()
    assert not os.path.lexists(checkout.data)


def test_all_environments_are_judged_at_once(checkout, check):
    (checkout.root / "luigi.cfg").write_text(
        "[etl]\n[etl.vars]\nlate = 1\n[etl.env.dev]\numask = 999\n[etl.env.test]\nkeep_generations = 0\n"
    )
    _, said = check()
    assert "umask = 999" in said.err and "keep_generations" in said.err


def test_json_counts_what_was_read(checkout, check):
    found = json.loads(check("--json")[1].out)
    assert found == {
        "environments": ["prod", "dev"], "sources": 1, "contracts": 0, "models": 1, "audits": 0, "macros": 0,
    }  # fmt: skip
