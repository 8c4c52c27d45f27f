"""`etl wait`: a delivery is there when the night would take it; else the window ends, whatever its length."""

import json
import shutil
from datetime import date
from itertools import count

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.operations.awaiting import wait_for
from tests.support import tiny

DAY = date(2024, 3, 9)
FILE = "sales/2024-03-09.csv"
MARKED = tiny.CONTRACTS.replace('.csv")', '.csv", marker="{file}.done")')
SNAPSHOT = tiny.CONTRACTS.replace("sales/{date}.csv", "sales.csv")


class Clock:
    """A clock that only sleeping moves, and what happens on the way: by how often somebody slept."""

    def __init__(self, **events):
        self.now, self.slept, self.events = 0.0, [], {int(name[1:]): event for name, event in events.items()}

    def sleep(self, seconds):
        self.now += seconds
        self.slept.append(seconds)
        self.events.get(len(self.slept), lambda: None)()


def waited(project, clock, *, within=60, poll=10, day=DAY, tell=lambda why: None, name="sales"):
    return wait_for(
        project, name, day, within=within, poll=poll, tell=tell, sleep=clock.sleep, clock=lambda: clock.now
    )


def test_it_ends_with_the_first_look_that_finds_the_delivery(tmp_path):
    project = tiny.project(tmp_path)
    clock = Clock(_3=lambda: tiny.deliver(project, {FILE: "id,item\n9,cap\n"}))

    found = waited(project, clock)

    assert (found.why, found.seconds, clock.slept) == ("", 30, [10, 10, 10])


def test_without_its_marker_it_is_not_there(tmp_path):
    project = tiny.project(tmp_path, MARKED)
    said = []
    clock = Clock(
        _1=lambda: tiny.deliver(project, {FILE: "id,item\n9,cap\n"}),
        _4=lambda: tiny.deliver(project, {f"{FILE}.done": ""}),
    )

    assert waited(project, clock, tell=said.append).seconds == 40
    # each reason once, however often it was looked for
    assert len(said) == 2
    assert FILE in said[0] and ".done" in said[1]


def test_the_last_look_is_at_the_end_of_the_window(tmp_path):
    project = tiny.project(tmp_path)
    clock = Clock(_3=lambda: tiny.deliver(project, {FILE: "id,item\n9,cap\n"}))

    assert waited(project, clock, within=25).why == ""
    assert clock.slept == [10, 10, 5]


@pytest.mark.parametrize("contracts", [tiny.CONTRACTS, MARKED, SNAPSHOT])
def test_after_the_window_it_says_what_is_missing(tmp_path, contracts):
    project = tiny.project(tmp_path, contracts, raw={})
    clock = Clock()

    found = waited(project, clock, within=25)

    assert "there is no " in found.why
    assert (found.seconds, clock.slept) == (25, [10, 10, 5])


def test_a_snapshot_has_to_be_of_the_day_or_later(tmp_path):
    project = tiny.project(tmp_path, SNAPSHOT, raw={"sales.csv": "id,item\n1,cap\n"})

    assert waited(project, Clock(), day=date(2024, 3, 9)).why == ""
    assert "its file is of 20" in waited(project, Clock(), day=date(2124, 3, 9)).why


def test_what_a_night_took_is_there_though_its_file_is_gone(tmp_path):
    project = tiny.project(tmp_path)
    tiny.night(project)
    shutil.rmtree(project.raw / "sales")

    assert waited(project, Clock(), day=date(2024, 3, 1)).why == ""
    assert waited(project, Clock(), day=date(2024, 3, 5)).why


def test_a_folder_that_cannot_be_listed_is_waited_for(tmp_path, monkeypatch):
    project, looks = tiny.project(tmp_path), count()

    def refused(*_):
        if next(looks) < 2:
            raise OSError("Stale file handle")
        return ""

    monkeypatch.setattr("etl.operations.awaiting.why_not_there", refused)

    assert waited(project, Clock()).seconds == 20


def test_an_unknown_source_is_not_waited_for(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean sales"):
        waited(tiny.project(tmp_path), Clock(), name="sale")


def test_the_command_says_it_with_its_exit_code(tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    tiny.project(tmp_path)

    there = CliRunner().invoke(cli, ["wait", "sales", "2024-03-01"])
    missing = CliRunner().invoke(cli, ["wait", "sales", "2024-03-09", "--within", "0s", "--json"])

    assert (there.exit_code, there.output) == (0, "sales 2024-03-01: the delivery is there\n")
    assert missing.exit_code == 20
    assert json.loads(missing.output)["is_there"] is False


@pytest.mark.parametrize("text", ["5", "-1s", "0s", "1e9s", "5 minutes", "400d", "", "٣s"])
def test_a_length_of_time_has_a_number_and_a_unit(text):
    assert CliRunner().invoke(cli, ["wait", "sales", "2024-03-09", "--poll", text]).exit_code == 2
