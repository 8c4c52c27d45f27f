"""The plugin: what is collected, what a failure looks like, and what pytest's own options do with it."""

import ast
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import copytree

import duckdb  # noqa: F401
import pandera.pandas  # noqa: F401
import pytest

import etl
import etl.contract.compiler
import etl.operations.model_tests
from tests.support import tiny

pytest_plugins = ["pytester"]

ROOT = Path(etl.__file__).parent.parent
PLUGIN = ("-p", "pytest_etl", "-p", "no:randomly")
SQL = tiny.SQL | {
    "marts/test_items.sql": """-- test: sales are counted
-- given: raw.sales (id, item)
values (1, 'pen'), (2, 'pen');
-- expect: (item, sales)
values ('pen', 2);

-- test: nothing is sold
-- given: raw.sales (id, item)
values (1, 'pen');
-- expect: no rows

-- test: a column is misspelled
-- given: raw.sales (itm)
values ('pen');
-- expect: no rows
"""
}


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Return what runs pytest with the plugin in the folder of the test."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return partial(pytester.runpytest_inprocess, *PLUGIN)


def test_tests_of_models_pass_fail_and_err_with_their_place(run, pytester: pytest.Pytester) -> None:
    tiny.project(pytester.path, sql=SQL)
    result = run("sql")

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*sql/marts/test_items.sql:10: marts.items is not as expected: 0 rows expected, 1 got; 1 unexpected",
            "              item  sales",
            "  unexpected  pen   1",
            "*sql/marts/test_items.sql:13: raw.sales has no column itm. Did you mean item[?]",
        ]
    )
    assert not any("Traceback" in line for line in result.outlines)
    assert not (pytester.path / "data/ledger.sqlite").exists()

    # the definitions are read from pytest's cache now, and --lf knows the tests by name
    result = run("--lf", "-x")
    result.assert_outcomes(failed=1)
    result = run("-n", "1", "sql/marts/test_items.sql::sales are counted")
    result.assert_outcomes(passed=1)
    result = run("-k", "counted or misspelled", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1, deselected=1)


def test_a_file_that_is_no_test_is_an_error_of_collection(run, pytester: pytest.Pytester) -> None:
    tiny.project(pytester.path, sql=tiny.SQL | {"marts/test_items.sql": "-- test: a\nselect 1"})
    result = run("sql")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["sql/marts/test_items.sql:2: SQL must stand below *"])


def test_wrong_settings_are_said_without_a_traceback(run, pytester: pytest.Pytester) -> None:
    tiny.project(pytester.path, sql=SQL)
    pytester.makefile(".cfg", luigi="[etl]\nthread = 1")
    result = run("sql")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*luigi.cfg: [[]etl[]] has no key thread. Did you mean threads[?]"])


def test_nothing_is_collected_outside_of_a_project_or_of_its_models(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makefile(".sql", test_items="select 1")
    assert pytester.runpytest_inprocess(*PLUGIN).ret == pytest.ExitCode.NO_TESTS_COLLECTED

    project = pytester.mkdir("project")
    (project / "luigi.cfg").write_text("[etl]\n")
    elsewhere = project / "queries" / "marts" / "test_items.sql"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text("select 1")
    monkeypatch.setenv("ETL_PROJECT", str(project))
    assert pytester.runpytest_inprocess(*PLUGIN).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_plugin_costs_nothing_until_it_is_needed() -> None:
    tree = ast.parse((ROOT / "pytest_etl.py").read_text())
    names = {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }

    assert names - sys.stdlib_module_names == {"pytest"}


def test_the_plugin_may_be_named_twice(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("pytest_plugins = ['pytest_etl']")

    result = pytester.runpytest_inprocess(*PLUGIN, *PLUGIN)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_new_project_has_a_test_that_passes(run, pytester: pytest.Pytester) -> None:
    copytree(Path(etl.__file__).parent / "operations" / "template", pytester.path / "new")

    run("new").assert_outcomes(passed=1)
