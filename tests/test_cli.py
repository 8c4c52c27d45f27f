"""The `etl` command: what it answers about a project, and what it says when it cannot."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from etl.cli import cli, main
from etl.errors import AlreadyRunning, ConfigError, EtlError, PublishError
from etl.lock import take_lock
from tests import tiny

DIRTY = "id,item\n3,book\nfour,pen\n5,cap,extra\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A project with two days of sales, the second with two records to reject; published."""
    project = tiny.once(tmp_path / "shop", published)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def published(root):
    tiny.night(tiny.project(root, raw={**tiny.SALES, "sales/2024-03-04.csv": DIRTY}))


def answer(*arguments):
    """Return what a command prints; its error is raised."""
    result = CliRunner().invoke(cli, arguments)
    if result.exception:
        raise result.exception
    return result.output


def test_status_tells_how_fresh_and_how_clean_each_source_is(shop):
    (sales,) = json.loads(answer("status", "--json"))["sources"]
    assert sales == {
        "source": "sales",
        "newest": "2024-03-04",
        "partitions": 3,
        "rows": 4,
        "rejected": 2,
        "discarded": 0,
        "refused": [],
        "holes": ["2024-03-03"],
        "rhythm": "",
        "late_since": None,
        "lost": [],
        "notes": [],
    }


def test_status_shows_the_last_run_and_the_generation_as_text(shop):
    text = answer("status")
    assert f"project     {shop.root}" in text
    assert "sales   2024-03-04  3           4     2                  2024-03-03" in text


def test_status_of_a_project_that_never_ran_is_no_error(tmp_path, monkeypatch):
    project = tiny.project(tmp_path)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    assert "nothing is published yet" in answer("status")


def test_sql_answers_from_the_current_generation(shop):
    rows = json.loads(answer("sql", "select item, sales from marts.items order by item", "--json"))
    assert rows == [{"item": "book", "sales": 3}, {"item": "pen", "sales": 1}]


def test_sql_shows_times_with_a_zone(shop):
    assert "+00:00" in answer("sql", "select finished_at from etl.runs")


@pytest.mark.parametrize("query", ["from read_csv('/etc/passwd')", "create table x (a int)", "selec 1"])
def test_sql_neither_writes_nor_reads_files_and_says_why(shop, query):
    with pytest.raises(EtlError, match=r"disabled by configuration|read-only|syntax error"):
        answer("sql", query)


def test_sql_before_the_first_publish_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_PROJECT", str(tiny.project(tmp_path).root))
    with pytest.raises(PublishError, match="nothing is published yet; run"):
        answer("sql", "select 1")


def test_rollback_makes_the_generation_before_the_current_one(shop):
    (first,) = [line.split()[0] for line in answer("generations").splitlines()[1:]]
    tiny.deliver(shop, {"sales/2024-03-05.csv": "id,item\n9,book\n"})
    tiny.night(shop)
    assert len(answer("generations").splitlines()) == 3
    said = answer("rollback", "--by", "ann", "--reason", "doubled").splitlines()
    assert said[0] == f"{first} is the current generation"
    assert said[1].endswith("sales 2024-03-05 (sales/2024-03-05.csv)")
    assert json.loads(answer("status", "--json"))["generation"] == first
    assert "by ann at" in answer("status") and ": doubled; held until it changes: sales" in answer("status")
    assert [row["note"] for row in json.loads(answer("generations", "--json"))] == ["held", "current"]


def test_rollback_waits_for_no_run(shop):
    lock = take_lock(shop, "a-run")
    try:
        with pytest.raises(AlreadyRunning, match="run a-run, process"):
            answer("rollback")
    finally:
        os.close(lock)


def test_init_makes_a_project_that_runs_as_it_is(tmp_path):
    answer("init", str(tmp_path / "new"))
    env = {**os.environ, "ETL_PROJECT": str(tmp_path / "new")}
    command = [sys.executable, "-m", "etl", "run", "--date", "2024-03-02"]
    night = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert night.returncode == 0, night.stderr
    assert "sales: 2 partitions taken, 5 rows, 1 rejected" in night.stderr


def test_init_leaves_a_folder_that_is_in_use_alone(shop):
    with pytest.raises(ConfigError, match="is not empty"):
        answer("init", str(shop.root))


def test_an_error_is_a_message_and_an_exit_code_without_a_traceback(shop, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["etl", "rollback", "nope"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 30
    assert capsys.readouterr().err.startswith("Error: there is no generation nope; there are: ")
