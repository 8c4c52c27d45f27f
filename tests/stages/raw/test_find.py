"""Which files are deliveries, and which only look like it."""

import os
import re
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.errors import DeliveryError
from etl.stages import raw
from tests.support import tiny


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


def test_with_a_wildcard_all_files_of_a_date_are_one_delivery(tmp_path: Path) -> None:
    files = [
        "sales/2024-03-01/b.csv",
        "sales/2024-03-01/a.csv",
        "sales/2024-03-02/c.csv",
        "sales/2024-03-02/c.txt",
    ]

    assert names("sales/{date}/*.csv", tmp_path, files) == {
        "2024-03-01": "sales/2024-03-01/*.csv (2 files)",
        "2024-03-02": "sales/2024-03-02/c.csv",
    }


def test_a_wildcard_may_be_a_folder_and_one_character(tmp_path: Path) -> None:
    files = [
        "shop1/s.2024-03-01.csv",
        "shop2/s.2024-03-01.csv",
        "shop10/s.2024-03-01.csv",
        "shopA/x/s.2024-03-01.csv",
    ]

    assert names("shop?/s.{date}.csv", tmp_path, files) == {"2024-03-01": "shop*/s.2024-03-01.csv (2 files)"}


def test_the_files_of_a_delivery_are_sorted_by_name(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={f"{shop}/2024-03-01.csv": shop for shop in ("b", "B", "a-1", "a")})

    (delivery,) = tiny.found(project, tiny.sales(files="*/{date}.csv"))

    assert [file.name for file in delivery.files] == [f"{shop}/2024-03-01.csv" for shop in ("B", "a-1", "a", "b")]
    assert delivery.size == len("bBa-1a")


def test_a_snapshot_may_have_several_files(tmp_path: Path) -> None:
    found = names("sites/*.csv", tmp_path, ["sites/no.csv", "sites/se.csv"])

    assert found == {"2024-03-09": "sites/*.csv (2 files)"}


@pytest.mark.parametrize("name", [".a.csv", "a.csv.tmp", "a.csv.part", "a.partial", "a.csv.CRDOWNLOAD"])
def test_a_wildcard_matches_no_file_that_is_under_way(tmp_path: Path, name: str) -> None:
    assert names("sales/{date}/*", tmp_path, [f"sales/2024-03-01/{name}"]) == {}


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ("s_{date:%Y%m%d}.csv", "s_20240301.csv"),
        ("{date:%d.%m.%y}.csv", "01.03.24.csv"),
        ("{date:%Y/%m/%d}.csv", "2024/03/01.csv"),
        ("{date:%Y/%Y-%m-%d}_*.csv", "2024/2024-03-01_eu.csv"),
        ("{date:%Y%j%%}", "2024061%"),
        ("{date:%Y%m%d-%Y}", "20240301-2024"),
    ],
)
def test_the_date_may_be_spelled_otherwise(tmp_path: Path, files: str, name: str) -> None:
    assert names(files, tmp_path, [name]) == {"2024-03-01": name}


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ("{date:%Y/%Y-%m-%d}.csv", "2023/2024-03-01.csv"),
        ("{date:%Y%m%d-%Y}", "20240301-2023"),
        ("{date:%Y/%m/%Y%j}", "2024/02/2024061"),
        ("{date:%Y%m%d %y}", "20240301 23"),
        ("{date:%Y%j}", "2023366"),
        ("{date:%Y%j}", "2023000"),
        ("{date:%Y%m%d}", "00000101"),
        ("{date:%Y%m%d}.csv", "x20240301.csv"),
        ("{date:%Y%m%d}?csv", "20240301csv"),
    ],
)
def test_a_date_that_contradicts_itself_or_is_none_is_no_delivery(tmp_path: Path, files: str, name: str) -> None:
    assert names(files, tmp_path, [name]) == {}


def test_a_folder_is_no_delivery_and_a_missing_folder_has_none(tmp_path: Path) -> None:
    assert names("sales/{date}.csv", tmp_path / "a", ["sales/2024-03-01.csv/inner"]) == {}
    assert names("nothing/{date}.csv", tmp_path / "b", []) == {}


def test_a_delivery_has_the_files_stamp(tmp_path: Path) -> None:
    project = tiny.project(tmp_path)

    first, _ = tiny.found(project, tiny.sales())

    status = (project.raw / "sales/2024-03-01.csv").stat()
    assert first.files[0].stat_key == (
        "sales/2024-03-01.csv",
        status.st_size,
        max(status.st_mtime_ns, status.st_ctime_ns),
        status.st_ino,
    )


def seen(root: Path, raw_files: dict[str, str], age_seconds: float = 0, **options: Any) -> raw.Found:
    """Look at files of a source, so many seconds after they were written."""
    project = tiny.project(root, raw=raw_files)
    return raw.look(tiny.sales(**options), project.raw, tiny.DAY, time.time_ns() + int(age_seconds * 1e9))


def test_without_its_marker_a_delivery_does_not_count(tmp_path: Path) -> None:
    files = {"s/2024-03-01/a.csv": "x", "s/2024-03-02/a.csv": "x", "s/2024-03-02/_SUCCESS": ""}

    found = seen(tmp_path, files, files="s/{date}/*", marker="s/{date}/_SUCCESS")

    assert {day: d.file for day, d in found.complete.items()} == {date(2024, 3, 2): "s/2024-03-02/a.csv"}
    assert found.incomplete == {tiny.DAY: "no s/2024-03-01/_SUCCESS"}


def test_a_marker_may_spell_the_date_otherwise(tmp_path: Path) -> None:
    files = {"s/2024-03-01.csv": "x", "done/20240301-24061": ""}

    found = seen(tmp_path, files, files="s/{date}.csv", marker="done/{date:%Y%m%d-%y%j}")

    assert list(found.complete) == [tiny.DAY]


def test_a_delivery_with_markers_beside_its_files_counts_when_all_of_them_are_there(tmp_path: Path) -> None:
    files = {"a/2024-03-01.csv": "x", "a/2024-03-01.csv.done": "", "b/2024-03-01.csv": "y"}
    options: dict[str, Any] = {"files": "?/{date}.*", "marker": "{file}.done"}

    before = seen(tmp_path, files, **options)
    after = seen(tmp_path, {"b/2024-03-01.csv.done": ""}, **options)

    assert before.complete == {}
    assert before.incomplete == {tiny.DAY: "no b/2024-03-01.csv.done"}
    assert [file.name for file in after.complete[tiny.DAY].files] == ["a/2024-03-01.csv", "b/2024-03-01.csv"]


def test_a_file_counts_when_it_has_settled(tmp_path: Path) -> None:
    files = {"sales/2024-03-01.csv": "x"}

    early = seen(tmp_path, files, age_seconds=50, settle_seconds=60)
    late = seen(tmp_path, {}, age_seconds=70, settle_seconds=60)

    assert early.complete == {}
    assert re.fullmatch(
        r"sales/2024-03-01.csv was changed at .*Z, and settle_seconds is 60", early.incomplete[tiny.DAY]
    )
    assert list(late.complete) == [tiny.DAY]


def test_a_stamp_in_the_future_has_not_settled_but_counts_without_a_settle_time(tmp_path: Path) -> None:
    files = {"sales/2024-03-01.csv": "x"}

    assert seen(tmp_path, files, age_seconds=-100, settle_seconds=60).complete == {}
    assert list(seen(tmp_path, {}, age_seconds=-100).complete) == [tiny.DAY]


def irregular(root: Path, kind: str, name: str, **options: Any) -> raw.Found:
    """Look at a source of which one name is no regular file of raw/."""
    project = tiny.project(root, raw={"sales/2024-03-02.csv": "x"})
    outside = root / "outside"
    outside.mkdir()
    (outside / "2024-03-01.csv").write_text("secret")
    path = project.raw / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"file": outside / "2024-03-01.csv", "nowhere": root / "x", "dir": outside}[kind])
    return raw.look(tiny.sales(**options), project.raw, tiny.DAY, time.time_ns())


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("fifo", "'sales/2024-03-01.csv' is a pipe, not a file"),
        ("folder", "'sales/2024-03-01.csv' is a folder, not a file"),
        ("file", "'sales/2024-03-01.csv' is a link that leads out of data/raw, which is not followed"),
        ("nowhere", "'sales/2024-03-01.csv' is a link that leads out of data/raw, which is not followed"),
    ],
)
@pytest.mark.parametrize("files", ["sales/{date}.csv", "*/{date}.csv"])
def test_what_is_no_file_of_raw_is_named_and_not_read(tmp_path: Path, kind: str, message: str, files: str) -> None:
    found = irregular(tmp_path, kind, "sales/2024-03-01.csv", files=files)

    assert list(found.complete) == [date(2024, 3, 2)]
    assert found.incomplete == {tiny.DAY: message}


def test_a_folder_among_the_files_of_a_wildcard_is_no_delivery(tmp_path: Path) -> None:
    found = irregular(tmp_path, "folder", "sales/2024-03-02.csv.d", files="sales/{date}.csv*")

    assert [d.file for d in found.complete.values()] == ["sales/2024-03-02.csv"]
    assert found.incomplete == {}


def test_a_folder_that_leads_out_of_raw_is_named_with_its_date(tmp_path: Path) -> None:
    found = irregular(tmp_path, "dir", "in/2024-03-01", files="in/{date}/*.csv")

    assert found.incomplete == {
        tiny.DAY: "'in/2024-03-01' is a link that leads out of data/raw, which is not followed"
    }


def test_a_folder_that_leads_out_of_raw_is_named_even_without_a_date(tmp_path: Path) -> None:
    found = irregular(tmp_path, "dir", "in/shop", files="in/*/{date}.csv")

    assert found.others == ["'in/shop' is a link that leads out of data/raw, which is not followed"]


def test_a_source_whose_whole_folder_leads_out_of_raw_stops_the_night(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"'shop' is a link that leads out .* every delivery of sales"):
        irregular(tmp_path, "dir", "shop", files="shop/{date}.csv")


def test_a_link_within_raw_is_a_delivery(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"inbox/latest": "x", "sales/readme": ""})
    (project.raw / "sales/2024-03-01.csv").symlink_to("../inbox/latest")

    (delivery,) = tiny.found(project, tiny.sales())

    assert (delivery.file, delivery.size) == ("sales/2024-03-01.csv", 1)


@pytest.mark.parametrize("name", ["a\nb.csv", "a\x1b[2J.csv", "a\udcff.csv", "a\u2028.csv"])
def test_a_name_that_is_no_text_is_shown_and_not_taken(tmp_path: Path, name: str) -> None:
    found = seen(tmp_path, {f"sales/2024-03-01/{name}": "x"}, files="sales/{date}/*.csv")

    assert found.complete == {}
    assert found.incomplete[tiny.DAY].startswith(repr(f"sales/2024-03-01/{name}"))


@pytest.mark.parametrize("name", ["it's; drop table x--", 'a"b', "a b,c", "{a,b}", "é ..", "%41", "q[1]", "q**1"])
def test_a_strange_name_is_a_name_and_no_other_files(tmp_path: Path, name: str) -> None:
    # q1 and q1.1 are what DuckDB would read for q[1] and q**1
    files = {f"sales/{name}.2024-03-01": tiny.HEADER + "1,a,1\n"}
    files |= {f"sales/{lure}.2024-03-01": tiny.HEADER + "2,b,2\n" for lure in ("q1", "q1.1")}
    project = tiny.project(tmp_path, raw=files)
    one = raw.look(tiny.sales(files="sales/*.{date}"), project.raw, tiny.DAY, 0).complete[tiny.DAY]
    mine = tuple(file for file in one.files if file.name == f"sales/{name}.2024-03-01")

    tiny.take(project, tiny.sales(), [replace(one, files=mine)])

    assert tiny.rows_of(project, columns="id, _file") == [(1, f"sales/{name}.2024-03-01")]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    project = tiny.project(tmp_path)
    monkeypatch.setattr(os, "listdir", fail)

    with pytest.raises(DeliveryError, match="sales/ cannot be listed: Permission denied"):
        raw.look(tiny.sales(), project.raw, tiny.DAY, 0)


def test_every_delivery_is_asked_for_its_state_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tiny.project(tmp_path, raw={f"sales/2024-03-{day:02}.csv": "x" for day in range(1, 32)})
    asked: list[str] = []
    monkeypatch.setattr(os, "lstat", lambda path, real=os.lstat: (asked.append(path), real(path))[1])
    monkeypatch.setattr(Path, "stat", lambda self, **_: asked.append(str(self)))

    found = raw.look(tiny.sales(), project.raw, tiny.DAY, 0)

    assert len(found.complete) == 31
    assert len(asked) == 31 + 1


@pytest.mark.parametrize(
    ("files", "name", "said"),
    [
        ("in/{date}.csv", "in/2023-02-29.csv", "'in/2023-02-29.csv' has a date that does not exist"),
        ("in/{date}.csv", "in/2024-13-01.csv", "'in/2024-13-01.csv' has a date that does not exist"),
        ("in/{date}.csv", "in/2024-1-5.csv", "'in/2024-1-5.csv' does not write its date as in/{date}.csv says"),
        ("in/{date:%Y%m%d}.csv", "in/20240230.csv", "'in/20240230.csv' has a date that does not exist"),
        ("in/{date:%d.%m.%y}*.csv", "in/1.3.24-a.csv", "does not write its date as in/{date:%d.%m.%y}*.csv says"),
        ("in/{date:%Y/%m/%d}.csv", "in/2024/3/05.csv", "'in/2024/3' does not write its date"),
        ("in/{date}/*.csv", "in/2023-02-29/a.csv", "'in/2023-02-29/a.csv' has a date that does not exist"),
    ],
)
def test_a_delivery_whose_date_is_impossible_is_named(tmp_path: Path, files: str, name: str, said: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("id\n")

    found = raw.look(tiny.sales(files=files), tmp_path, tiny.DAY, 0)

    assert (found.complete, found.incomplete) == ({}, {})
    assert [said in text for text in found.others] == [True]


@pytest.mark.parametrize(
    "name", ["in/readme.csv", "in/2024-03-01.csv.done", "in/x2024-1-5.csv", "in/20240105.csv", "in/05-01-2024.csv"]
)
def test_a_name_of_another_kind_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text("id\n")

    assert raw.look(tiny.sales(files="in/{date}.csv"), tmp_path, tiny.DAY, 0).others == []
