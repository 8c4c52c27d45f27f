"""`etl notify` and `etl check-late`: who is told, what became of a try, what is late, and their exit codes."""

import json

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.reports.notices import sending
from tests.support import tiny
from tests.support.told import ADDRESS, night, telling_to

OWNED = tiny.CONTRACTS.replace('.csv")', ".csv\", owner='Sales team', expected_by='00:00')")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    monkeypatch.delenv("ETL_NOTIFY", raising=False)
    return tiny.project(tmp_path, OWNED)


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, result.output
    return result.output


def test_without_an_address_it_says_how_to_set_one(project):
    assert "Nobody is told: set ETL_NOTIFY" in said("notify")
    assert "Nobody is told: set ETL_NOTIFY" in said("notify", "--test")


def test_it_names_channels_owners_without_one_and_what_is_open(project, monkeypatch):
    with telling_to(monkeypatch) as told:
        told.refusals = {"ETL_NOTIFY 1 (json)": "it answered with the error 500"}
        tiny.deliver(project, {"sales/2024-03-03.csv": "id,thing\n4,cup\n"})
        night(project, "2024-03-03")

        text = said("notify")

    assert "ETL_NOTIFY 1 (json): is told" in text
    assert (
        "Sales team: has no address of its own, so ETL_NOTIFY is told. To give it one: ETL_NOTIFY_SALES_TEAM"
        in text
    )
    assert "A delivery was not taken: sales 2024-03-03" in text
    assert "(it answered with the error 500)" in text
    assert "canary" not in text and "canary" not in json.dumps(text)


def test_a_try_says_what_became_of_each_channel(project, monkeypatch):
    monkeypatch.setenv("ETL_NOTIFY", f"{ADDRESS} json://other/")
    with telling_to(monkeypatch, ETL_NOTIFY=f"{ADDRESS} json://other/") as told:
        assert said("notify", "--test") == "ETL_NOTIFY 1 (json): sent\nETL_NOTIFY 2 (json): sent\n"
        told.refusals = {"ETL_NOTIFY 2 (json)": "it refused, or did not answer"}
        text = said("notify", "--test", code=30)

    assert text == "ETL_NOTIFY 1 (json): sent\nETL_NOTIFY 2 (json): failed: it refused, or did not answer\n"


def test_addresses_are_taken_from_the_file_of_the_project(project, monkeypatch):
    (project.root / "etl.env").write_text("ETL_NOTIFY=json://127.0.0.1/canary\n")
    (project.root / "etl.env").chmod(0o600)
    monkeypatch.setenv("ETL_NOTIFY", "")
    monkeypatch.delenv("ETL_NOTIFY")

    assert "ETL_NOTIFY 1 (json): is told" in said("notify")


def test_a_check_refuses_an_address_that_is_not_one(project, monkeypatch):
    monkeypatch.setenv("ETL_PING_URL", "canary")

    result = CliRunner().invoke(cli, ["check"])

    assert result.exit_code != 0 and "ETL_PING_URL is not an address" in str(result.exception)


def test_a_check_refuses_what_apprise_does_not_know(project, monkeypatch):
    monkeypatch.setenv("ETL_NOTIFY", "nonsense://canary")
    why = "its address is not one that Apprise knows"
    monkeypatch.setattr(sending, "deliver", lambda items, seconds=0: [(0, why)])

    result = CliRunner().invoke(cli, ["check"])

    assert f"ETL_NOTIFY 1 (nonsense): {why}" in str(result.exception)
    assert "canary" not in str(result.exception)


def test_what_is_late_is_said_with_20(project):
    assert "sales: late: its delivery of 20" in said("check-late", code=20)
    assert json.loads(said("check-late", "--json", code=20))[0]["source"] == "sales"


def test_without_a_time_of_day_nothing_is_late(tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    tiny.project(tmp_path)

    assert "No source says when its deliveries come" in said("check-late")
