"""A delivery that is not there by its time of day is told, and so is its arrival."""

import os
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from etl.errors import ConfigError, ContractError
from etl.ledger import Ledger
from etl.operations.lateness import check_late
from tests.support import tiny
from tests.support.told import night, telling_to


def declared(options: str) -> str:
    return tiny.CONTRACTS.replace('.csv")', f'.csv", {options})')


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def late(project, moment: str) -> list[tuple[str, str, bool]]:
    found = check_late(project, Ledger(project.ledger), at(moment))
    return [(one.source, one.day, bool(one.why)) for one in found]


@pytest.mark.parametrize(
    ("options", "moment", "found"),
    [
        ("expected_by='06:00'", "2024-03-02 06:00", ("sales", "2024-03-02", False)),
        ("expected_by='06:00'", "2024-03-03 05:59", ("sales", "2024-03-02", False)),
        ("expected_by='06:00'", "2024-03-03 06:00", ("sales", "2024-03-03", True)),
        ("expected_by='06:00', lag_days=1", "2024-03-03 06:00", ("sales", "2024-03-02", False)),
        ("expected_by='06:00', expected_days='mon-fri'", "2024-03-03 23:00", ("sales", "2024-03-01", False)),
        ("expected_by='06:00', expected_days='mon-fri'", "2024-03-04 07:00", ("sales", "2024-03-04", True)),
        (
            "expected_by='06:00', expected_days='last day of month'",
            "2024-03-04 07:00",
            ("sales", "2024-02-29", True),
        ),
    ],
)
def test_a_delivery_is_late_when_its_time_has_passed(tmp_path, options, moment, found):
    assert late(tiny.project(tmp_path, declared(options)), moment) == [found]


def test_a_snapshot_is_late_until_its_file_is_of_the_day(tmp_path):
    contracts = declared("expected_by='06:00'").replace("sales/{date}.csv", "sales.csv")
    project = tiny.project(tmp_path, contracts, raw={"sales.csv": "id,item\n1,cup\n"})
    moment = at("2024-03-03 05:00").timestamp()

    os.utime(project.raw / "sales.csv", (moment, moment))

    assert late(project, "2024-03-03 07:00") == [("sales", "2024-03-03", False)]
    assert late(project, "2024-03-04 07:00") == [("sales", "2024-03-04", True)]


def test_what_was_taken_is_not_late_when_its_file_is_gone(tmp_path):
    project = tiny.project(tmp_path, declared("expected_by='06:00'"))
    assert night(project, "2024-03-02") == "published"
    (project.raw / "sales/2024-03-02.csv").unlink()

    assert late(project, "2024-03-02 07:00") == [("sales", "2024-03-02", False)]


def test_it_is_told_once_a_day_and_so_is_its_arrival(tmp_path, monkeypatch):
    with telling_to(monkeypatch) as told:
        project = tiny.project(tmp_path, declared("expected_by='06:00', owner='ann'"))

        late(project, "2024-03-03 07:00")
        (message,) = told.messages()
        late(project, "2024-03-03 08:00")
        assert told.messages() == []
        late(project, "2024-03-04 07:00")
        (again,) = told.messages()
        tiny.deliver(project, {"sales/2024-03-04.csv": "id,item\n4,cup\n"})
        late(project, "2024-03-04 09:00")
        (arrived,) = told.messages()
        late(project, "2024-03-04 10:00")
        assert told.messages() == []

    assert "A delivery is late: sales 2024-03-03" in message and "Why:    It was expected by 06:00" in message
    assert "Owner:  ann" in message
    assert "night 2" in again.splitlines()[0]
    assert "arrived: sales" in arrived.splitlines()[0]


def test_the_time_of_day_is_in_the_zone_of_the_project(tmp_path):
    project = tiny.project(tmp_path, declared("expected_by='06:00'"), settings="timezone = Asia/Tokyo\n")

    # seven in the morning in Tokyo
    assert late(project, "2024-03-02 22:00") == [("sales", "2024-03-03", True)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("expected_by='6:00'", "is not a time of day such as 06:00"),
        ("expected_by='25:00'", "is not a time of day such as 06:00"),
        ("expected_days='mon-fri'", "needs a time of day too"),
        ("expected_by='06:00', expected_days='noday'", "last business day of month"),
    ],
)
def test_what_is_not_a_time_or_a_day_is_refused(options, said):
    with pytest.raises(ContractError, match=said):
        eval(f"tiny.sales({options})", {"tiny": tiny})


def test_a_list_of_holidays_that_is_not_there_is_refused(tmp_path):
    project = tiny.project(tmp_path, declared("expected_by='06:00', expected_days='mon-fri except days.csv'"))

    with pytest.raises(ConfigError, match=r"names days\.csv, and .*seeds/days\.csv cannot be read"):
        late(project, "2024-03-03 07:00")
