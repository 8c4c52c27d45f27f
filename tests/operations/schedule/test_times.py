"""When a schedule runs: next times, clocks that are changed, and the same said to systemd."""

import shutil
import subprocess
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from etl.errors import ConfigError
from etl.operations.schedule.times import next_runs, odd_nights, on_calendar, parsed
from etl.project.days import read_days

pytest.importorskip("cronsim")
BERLIN = ZoneInfo("Europe/Berlin")


def runs(at: str, days: str, start: str, number: int = 3) -> list[str]:
    moment = datetime.fromisoformat(start).replace(tzinfo=BERLIN)
    return [f"{time:%m-%d %H:%M}" for time in next_runs(at, read_days(days), BERLIN, number, moment)]


def test_next_runs_are_on_days_that_are_meant():
    assert runs("10 4 * * *", "", "2027-03-01") == ["03-01 04:10", "03-02 04:10", "03-03 04:10"]
    assert runs("10 4 * * *", "last business day of month", "2027-03-01", 2) == ["03-31 04:10", "04-30 04:10"]


def test_a_time_that_does_not_exist_comes_when_the_hour_is_over():
    assert runs("30 2 * * *", "", "2027-03-28", 2) == ["03-28 03:00", "03-29 02:30"]


def test_nights_on_which_clocks_are_changed_are_named():
    said = list(odd_nights("30 2 * * *", BERLIN, date(2027, 1, 1)))

    assert "02:30 does not exist on 2027-03-28" in said[0] and "systemd leaves that night out" in said[0]
    assert said[1] == "02:30 comes twice on 2027-10-31: it is run once, the first time"
    assert list(odd_nights("10 4 * * *", BERLIN, date(2027, 1, 1))) == []
    assert list(odd_nights("30 2 * * *", ZoneInfo("UTC"), date(2027, 1, 1))) == []


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("10 4 * * *", ["*-*-* 04:10:00 Europe/Berlin"]),
        ("*/20 1,2 * * mon-fri", ["Mon,Tue,Wed,Thu,Fri *-*-* 01,02:00,20,40:00 Europe/Berlin"]),
        ("0 0 1 jan *", ["*-01-01 00:00:00 Europe/Berlin"]),
        ("0 3 1,15 * 7", ["*-*-01,15 03:00:00 Europe/Berlin", "Sun *-*-* 03:00:00 Europe/Berlin"]),
    ],
)
def test_times_of_cron_are_times_of_systemd(at, expected):
    assert on_calendar(at, BERLIN) == expected


@pytest.mark.parametrize("at", ["10 4 * * *", "*/20 1,2 * * mon-fri", "5 4 1-7 * *", "0 3 1,15 * 0"])
def test_systemd_elapses_when_cron_runs(at):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    start = datetime(2027, 2, 1, tzinfo=UTC)
    expected = {
        f"{time.astimezone(UTC):%Y-%m-%d %H:%M}" for time in next_runs(at, read_days(""), BERLIN, 8, start)
    }

    found = set()
    for text in on_calendar(at, BERLIN):
        command = [
            "systemd-analyze",
            "calendar",
            text,
            "--iterations=8",
            f"--base-time={start:%Y-%m-%d %H:%M} UTC",
        ]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"}).stdout
        found |= {
            f"{words[-3]} {words[-2][:5]}" for words in map(str.split, said.splitlines()) if words[-1:] == ["UTC"]
        }

    assert expected <= found


@pytest.mark.parametrize(
    "at", ["", "10 4", "10 4 * * * *", "@daily", "61 4 * * *", "0 4 L * *", "0 4 * * 5#2", "x 4 * * *"]
)
def test_what_is_not_a_time_is_refused(at):
    with pytest.raises(ConfigError, match="is not a time of cron"):
        parsed(at)


def test_a_time_that_never_comes_is_refused():
    with pytest.raises(ConfigError):
        parsed("0 4 30 2 *")
