"""`etl plan` as people and programs read it, and the same selection for a run."""

import json
import os
import sys

import pytest

from etl.cli.main import main
from etl.ledger import Ledger, Run, now
from etl.ledger.lock import take_lock
from tests.cli.test_cli import answer
from tests.support import tiny

SQL = {
    "marts/items.sql": "-- tags: nightly\nselect item, count(*) as sales from raw.sales group by item",
    "marts/total.sql": "select sum(sales) as sales from marts.items",
    "marts/last.sql": "select max(id) as id from raw.sales",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A published project to which a day came since."""
    project = tiny.once(tmp_path / "shop", published)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def published(root):
    project = tiny.project(root, sql=SQL)
    tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cap\n"})


def test_json_has_an_entry_for_each_raw_table_and_model(shop):
    raw, *models = json.loads(answer("plan", "--date", "2024-03-03", "--json"))

    assert raw.pop("seconds") > 0
    assert raw == {
        "name": "raw.sales",
        "action": "build",
        "why": "new delivery 2024-03-03",
        "partitions": ["2024-03-03"],
        "rows": 2,
        "diff": "",
    }
    assert {(model["name"], model["action"], model["partitions"]) for model in models} == {
        ("marts.items", "build", None),
        ("marts.last", "build", None),
        ("marts.total", "build", None),
    }


def test_an_earlier_date_does_not_take_what_came_after_it(shop):
    entries = json.loads(answer("plan", "--date", "2024-03-02", "--json"))
    assert {(entry["action"], entry["why"]) for entry in entries} == {
        ("skip", "nothing new"),
        ("skip", "unchanged"),
    }


def test_text_lists_what_is_to_be_done_and_counts_the_rest(shop):
    (shop.sql / "marts/last.sql").write_text("select max(id) as id from marts.items, raw.sales")
    text = answer("plan", "--date", "2024-03-02")

    assert text.startswith("up to 2024-03-02: 0 of 1 raw table to load, 1 of 3 models to build; about ")
    assert [line.split()[:3] for line in text.splitlines() if "changed" in line] == [["marts.last", "all", "1"]]
    assert "+select max(id) as id from marts.items, raw.sales" in text
    assert "3 tables left as they are; --all lists them" in text
    assert "marts.total" not in text
    assert "marts.total" in answer("plan", "--date", "2024-03-02", "--all")


def test_with_nothing_new_one_line_says_so(shop):
    assert answer("plan", "--date", "2024-03-02").startswith("nothing to do up to 2024-03-02\n")


def test_a_selection_is_shown_with_what_it_needs_and_nothing_is_published(shop):
    names = [entry["name"] for entry in json.loads(answer("plan", "--json", "--select", "marts.total"))]
    text = answer("plan", "--select", "tag:nightly+")

    assert names == ["raw.sales", "marts.items", "marts.total"]
    assert "marts.last" not in text
    assert "publish " not in text
    assert "a selection is not audited, so nothing is published" in text


def test_while_a_run_is_under_way_the_plan_says_so(shop):
    run = Run("run-9", "2024-03-03", now(), pid=os.getpid())
    Ledger(shop.ledger).write_run(run)
    lock = take_lock(shop, "run-9")
    try:
        assert answer("plan").startswith(
            "run run-9 of 2024-03-03 is under way: this is what it has not done yet\n"
        )
    finally:
        os.close(lock)
    assert answer("plan").startswith("up to ")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "marts/empty.sql",
            "",
            "sql/marts/empty.sql:1: the file has 0 statements. A model or audit is exactly one SELECT",
        ),
        ("marts/two.sql", "select 1 as a;\nselect 2 as a", "sql/marts/two.sql:1: the file has 2 statements"),
        ("marts/self.sql", "select * from marts.self", "read each other in a circle: marts.self -> marts.self"),
        ("marts/last.sql", "select\n  itme\nfrom raw.sales", "sql/marts/last.sql:2: .*Did you mean item?"),
        ("marts/last.sql", "-- materialised: view\nfrom raw.sales", "last.sql:1: .*mean materialized"),
    ],
)
def test_a_model_that_is_none_is_found_before_anything_runs(shop, monkeypatch, capsys, file, text, message):
    (shop.sql / file).write_text(text)
    monkeypatch.setattr(sys, "argv", ["etl", "plan"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 35
    where, _, rest = message.partition(".*")
    error = capsys.readouterr().err
    assert where in error
    assert rest in error
