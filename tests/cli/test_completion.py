"""What a shell completes: commands, options, and the names that the project's files tell."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.reports.known_names import source_names
from tests.support import tiny
from tests.support.projects import environment

CONTRACTS = """
import etl
from etl import Source
import pandera.pandas as pa

class Sales(pa.DataFrameModel):
    id: int

sales = Source(contract=Sales, files="sales/{date}.csv")
items: Source = etl.Source(contract=Sales, files="items/{date}.csv")
"""
SQL = {
    "marts/items.sql": "select 1 as x",
    "marts/test_items.sql": "",
    "marts/.#items.sql": "",
    "audits/none.sql": "",
    "macros/twice.sql": "",
    "seeds/rates.csv": "",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    project = tiny.project(tmp_path / "shop", CONTRACTS, SQL, raw={})
    (project.generations / "20240302T021503.408Z-0940").mkdir(parents=True)
    (project.data / "environments/dev").mkdir(parents=True)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def completed(*words):
    """Return what a shell would show after some words, of which the last is not whole."""
    env = {"_ETL_COMPLETE": "fish_complete", "COMP_WORDS": f"etl {' '.join(words)}", "COMP_CWORD": words[-1]}
    result = CliRunner().invoke(cli, [], env=env, prog_name="etl")
    assert result.exit_code == 0, result.output
    return [line.split(",")[1].split("\t")[0] for line in result.output.splitlines() if line.startswith("plain,")]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["q"], ["quarantine"]),
        (["run", "--sel"], ["--select"]),
        (["run", "--select", ""], ["marts.items", "seeds.rates"]),
        (["plan", "--select", "marts"], ["marts.items"]),
        (["lineage", "raw."], ["raw.items", "raw.sales"]),
        (["audits", "m"], ["marts.items"]),
        (["purge", "s"], ["sales"]),
        (["drop", ""], ["items", "sales"]),
        (["quarantine", "s"], ["show", "sales"]),
        (["quarantine", "discard", ""], ["items", "sales"]),
        (["rollback", ""], ["20240302T021503.408Z-0940"]),
        (["sql", "--generation", "2"], ["20240302T021503.408Z-0940"]),
        (["diff", "previous", "current", "seeds"], ["seeds.rates"]),
        (["env", "create", "new", "--from", ""], ["prod", "dev"]),
        (["env", "drop", "d"], ["dev"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_names_are_completed(shop, words, names):
    assert completed(*words) == names


@pytest.mark.parametrize("words", [["tune", "d"], ["ml", "card", ""], ["ml", "runs", ""], ["ml", "export", "de"]])
def test_models_that_learn_are_completed(shop, words):
    shop.ml.mkdir()
    for name in ("delay", "_help"):
        (shop.ml / f"{name}.py").write_text("half = ")
    assert completed(*words) == ["delay"]


def test_a_file_that_is_being_edited_stops_no_completion(shop):
    (shop.contracts / "half.py").write_text("orders = Source(")
    (shop.contracts / "latin.py").write_bytes(b"n\xe9 = Source()\nother = Source()")
    assert {"items", "sales"} <= set(source_names(shop))


def test_without_a_project_only_commands_are_completed(tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    assert completed("purge", "") == []
    assert completed("pu") == ["purge"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell):
    script = CliRunner().invoke(cli, ["completion", shell]).output
    assert f"_ETL_COMPLETE={shell}_complete" in script


def test_completion_imports_nothing_heavy(shop):
    env = environment(
        ETL_PROJECT=str(shop.root),
        _ETL_COMPLETE="fish_complete",
        COMP_WORDS="etl lineage raw.s",
        COMP_CWORD="raw.s",
    )
    code = "import sys\nsys.argv = ['etl']\nfrom etl.cli.main import main\ntry: main()\n"
    code += (
        "except SystemExit: print(sorted({'pandas', 'pandera', 'duckdb', 'rich', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "plain,raw.sales\n[]\n"
