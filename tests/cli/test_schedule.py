"""`etl schedule`: installed, shown and removed; what cannot work is refused before anything is changed."""

import json

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.operations.schedule import crontab, manage, times
from etl.operations.schedule.found import elsewhere
from tests.support import tiny

pytest.importorskip("cronsim")


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A crontab in memory, of a user whose project it is."""
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path / "shop"))
    tiny.project(tmp_path / "shop")
    kept = {"text": b"0 0 * * *\ttrue\n"}
    monkeypatch.setattr(crontab, "read", lambda user: kept["text"])
    monkeypatch.setattr(crontab, "write", lambda user, text: kept.update(text=text))
    monkeypatch.setattr(manage.shutil, "which", lambda *_, **__: "/usr/bin/crontab")
    return kept


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, ["schedule", *arguments])
    if isinstance(result.exception, ConfigError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_it_is_installed_shown_and_removed(table, tmp_path):
    text = said("install", "--at", "15 5 * * mon-fri", "--days", "business days")

    assert "15 5 * * 1-5, on business days" in text and "next runs   20" in text
    assert b"run --unattended --days 'business days'" in table["text"]
    found = json.loads(said("show", "--json"))
    assert found["at"] == "15 5 * * 1-5" and found["days"] == "business days" and len(found["next_runs"]) == 5
    assert (tmp_path / "shop/etl.env").stat().st_mode & 0o777 == 0o600
    assert "Removed from the crontab" in said("remove")
    assert table["text"] == b"0 0 * * *\ttrue\n"
    assert "No schedule" in said("remove") and "No schedule is installed" in said("show")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--at", "nonsense"], "is not a time of cron"),
        (["--days", "noday"], "is not a list of days"),
        (["--days", "mon except gone.csv"], "gone.csv cannot be read"),
        (["--user", "nobody-of-that-name"], "There is no user"),
    ],
)
def test_what_is_wrong_changes_nothing(table, arguments, why):
    with pytest.raises(ConfigError, match=why):
        said("install", *arguments)
    assert table["text"] == b"0 0 * * *\ttrue\n"


def test_a_file_of_secrets_that_others_may_open_is_refused(table, tmp_path):
    (tmp_path / "shop/etl.env").write_text("A=1\n")
    (tmp_path / "shop/etl.env").chmod(0o644)

    with pytest.raises(ConfigError, match="others may open it"):
        said("install")
    assert table["text"] == b"0 0 * * *\ttrue\n"


def test_two_ways_at_once_are_refused(table):
    assert "Leave one out" in said("install", "--cron", "--systemd", code=2)
    assert "--mailto is an address" in said("install", "--cron", "--mailto", "a b", code=2)


def test_nights_on_which_clocks_are_changed_are_said(table, monkeypatch):
    monkeypatch.setattr(manage, "machine_zone", lambda: times.ZoneInfo("Europe/Berlin"))

    text = said("install", "--at", "30 2 * * *")

    assert "02:30 does not exist on" in text and "02:30 comes twice on" in text and "--at '10 4 * * *'" in text


def test_another_batch_date_is_said(table, monkeypatch):
    monkeypatch.setattr(manage, "machine_zone", lambda: times.ZoneInfo("Asia/Tokyo"))

    assert "the batch date is that of [etl] timezone" in said("install", "--at", "10 4 * * *")


def test_units_are_written_where_they_are_asked_for(table, tmp_path):
    said("install", "--into", str(tmp_path / "units"), "--at", "10 4 * * *")

    assert sorted(path.suffix for path in (tmp_path / "units").iterdir()) == [".service", ".timer"]
    assert "10 4 * * *" in said("show", "--into", str(tmp_path / "units"))
    said("remove", "--into", str(tmp_path / "units"))
    assert list((tmp_path / "units").iterdir()) == []


def test_other_lines_that_name_the_project_are_found(tmp_path):
    project = tiny.project(tmp_path / "shop 1")
    (tmp_path / "other").write_text(
        f"# {project.root}\n5 6 * * * root cd '{project.root}' && luigi\n5 6 * * * root ls '{project.root}2'\n"
    )

    (found,) = [
        one for one in elsewhere(project, (str(tmp_path / "other"),)) if str(tmp_path / "other") == one.file
    ]

    assert (found.line, found.is_own) == (2, False)
