"""Which files are deliveries, and which only look like it."""

from datetime import date
from pathlib import Path

import pytest

from etl.stages import raw
from tests import tiny


def names(source_files: str, root: Path, files: list[str]) -> dict[str, str]:
    """What is found among `files`, by date."""
    project = tiny.project(root, raw=dict.fromkeys(files, "x"))
    found = raw.find(tiny.sales(files=source_files), project.raw, date(2024, 3, 9))
    return {str(day): delivery.file for day, delivery in found.items()}


def test_a_dated_source_has_a_delivery_for_each_date(tmp_path: Path) -> None:
    files = ["sales/2024-03-02.csv", "sales/2024-03-01.csv", "sales/2024-03-01.csv.tmp", "sales/readme.csv"]

    assert names("sales/{date}.csv", tmp_path, files) == {
        "2024-03-01": "sales/2024-03-01.csv",
        "2024-03-02": "sales/2024-03-02.csv",
    }


def test_the_date_may_be_a_folder_or_part_of_a_name(tmp_path: Path) -> None:
    assert names("sales/{date}/s.csv", tmp_path / "a", ["sales/2024-03-01/s.csv", "sales/x/s.csv"]) == {
        "2024-03-01": "sales/2024-03-01/s.csv"
    }
    assert names("s.{date}.(v1).csv", tmp_path / "b", ["s.2024-03-01.(v1).csv", "sx2024-03-02.(v1).csv"]) == {
        "2024-03-01": "s.2024-03-01.(v1).csv"
    }


@pytest.mark.parametrize("name", ["2024-02-30.csv", "2024-3-1.csv", "20240301.csv", "२०२४-०३-०१.csv"])
def test_a_name_without_a_possible_date_is_no_delivery(tmp_path: Path, name: str) -> None:
    assert names("sales/{date}.csv", tmp_path, [f"sales/{name}"]) == {}


def test_a_snapshot_is_the_delivery_of_the_batch_date(tmp_path: Path) -> None:
    assert names("sites.csv", tmp_path, ["sites.csv"]) == {"2024-03-09": "sites.csv"}


def test_a_folder_is_no_delivery_and_a_missing_folder_has_none(tmp_path: Path) -> None:
    assert names("sales/{date}.csv", tmp_path / "a", ["sales/2024-03-01.csv/inner"]) == {}
    assert names("nothing/{date}.csv", tmp_path / "b", []) == {}


def test_a_delivery_has_the_files_stamp(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)

    first, _ = tiny.found(project, tiny.sales())

    status = (project.raw / "sales/2024-03-01.csv").stat()
    assert first.stat_key == (
        "sales/2024-03-01.csv",
        status.st_size,
        max(status.st_mtime_ns, status.st_ctime_ns),
        status.st_ino,
    )
