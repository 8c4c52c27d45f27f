"""`etl audits`: what was checked, what failed, and the rows that did."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import AuditError, ConfigError
from etl.project import Project
from tests.support import tiny

SQL = {
    "marts/items.sql": """-- Sales per item.
-- unique: item
-- warn accepted_values: item = book, cap
-- row_count: within 50% of yesterday
select item, count(*) as sales from raw.sales group by item
"""
}


@pytest.fixture
def shop(tmp_path: Any, monkeypatch: Any) -> Project:
    """A published project, one of whose items is not an accepted value."""
    project = tiny.project(tmp_path, sql=SQL)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    tiny.night(project)
    return project


def answer(*arguments: str) -> str:
    """Return what a command prints; its error is raised."""
    result = CliRunner().invoke(cli, ["audits", *arguments])
    if result.exception:
        raise result.exception
    return result.output


def test_every_check_is_listed_with_its_result(shop: Project) -> None:
    note = "nothing to compare with yet: this is the first night that its rows are counted"
    assert [line.split(maxsplit=4) for line in map(str.rstrip, answer().splitlines())] == [
        ["name", "severity", "result", "failing", "note"],
        ["marts.items.accepted_values.item", "warn", "warned", "1"],
        ["marts.items.row_count.yesterday", "error", "passed", "0", note],
        ["marts.items.unique.item", "error", "passed", "0"],
        ["raw.sales.nothing_lost", "error", "passed", "0"],
    ]


def test_only_failed_ones_and_those_of_a_table_can_be_asked_for(shop: Project) -> None:
    failed = json.loads(answer("--failed", "--json"))
    assert [(c["name"], c["severity"], c["passed"], c["failing"]) for c in failed] == [
        ("marts.items.accepted_values.item", "warn", False, 1)
    ]
    assert [check["name"] for check in json.loads(answer("raw.sales", "--json"))] == ["raw.sales.nothing_lost"]
    assert answer("raw.sales", "--failed") == "name\tseverity\tresult\tfailing\n"


def test_a_check_shows_its_select_and_the_rows_that_it_found(shop: Project) -> None:
    shown = answer("marts.items.accepted_values.item")
    run = tiny.published(shop, "select run_id from etl.checks limit 1")[0][0]

    assert shown.splitlines()[0] == f"marts.items.accepted_values.item: warned, 1 offending row, in run {run}"
    assert "where not (\"item\" in ('book', 'cap'))" in shown
    assert [line.split() for line in shown.splitlines()[-2:]] == [["item", "rows"], ["pen", "1"]]
    found = json.loads(answer("marts.items.accepted_values.item", "--json"))
    assert found["rows"] == [{"item": "pen", "rows": 1}]
    assert tiny.published(shop, found["query"]) == [("pen", 1)]


def test_a_select_that_needs_the_batch_date_is_shown_with_it(shop: Project) -> None:
    shown = answer("marts.items.row_count.yesterday")

    assert ": passed, in run" in shown
    assert "set variable batch_date = date '2024-03-31';\nwith counted as" in shown
    assert shown.splitlines()[-1].startswith("nothing to compare with yet")


def test_rows_of_a_candidate_that_was_not_published_are_shown(shop: Project) -> None:
    tiny.deliver(shop, {"sales/2024-03-03.csv": "id,item\n" + "".join(f"{n},i{n}\n" for n in range(9, 300))})

    with pytest.raises(AuditError, match=r"marts.items.row_count.yesterday found 1 offending row"):
        tiny.night(shop, last=tiny.date(2024, 4, 1))

    assert "failed, 1 offending row" in answer("marts.items.row_count.yesterday")
    assert json.loads(answer("marts.items.row_count.yesterday", "--json"))["rows"] == [
        {"rows": 293, "expected_rows": 2.0}
    ]
    assert answer("marts.items.accepted_values.item").endswith(
        "... and 192 more, which are not kept. The SELECT finds them.\n"
    )


def test_a_name_that_is_none_is_an_error_with_the_closest(shop: Project) -> None:
    with pytest.raises(ConfigError, match=r"no check and no table marts.item. Did you mean marts.items\?"):
        answer("marts.item")
