"""Local times on their way into the lake: by every format, with what a column says of them, and with offsets."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest

from etl.contract import Column
from etl.contract.metadata import column_facts
from etl.errors import ContractError
from etl.sources.formats import Csv
from tests.support import roads, tiny

pytestmark = pytest.mark.sampled

ZONED = "TIMESTAMP WITH TIME ZONE"
BERLIN = "Europe/Berlin"
LOCAL = ["2024-03-31 01:30:00", "2024-03-31 02:30:00", "2024-03-31 03:30:00", "2024-10-27 02:30:00"]
OFFSETS = [
    "2024-03-31 02:30:00+01:00",
    "2024-10-27T02:30:00+02:00",
    "2024-10-27 01:30:00Z",
    "2024-10-27 02:30+0100",
]


def instants(rows: dict[int, Any]) -> dict[int, str]:
    return {number: value.astimezone(UTC).strftime("%m-%d %H:%M") for number, value in sorted(rows.items())}


def taken(root: Path, texts: list[str], road: str = "Csv", nullable: bool = True, **given: Any) -> tuple[Any, Any]:
    """Extract a column of instants in Berlin; return the instants, in UTC, and the broken rules."""
    own = {key: given.pop(key) for key in ("ambiguous", "nonexistent", "format") if key in given}
    column = Column("at", ZONED, nullable, **own)
    rows, rejects, _ = roads.taken(root, [column], {"at": texts}, road, timezone=BERLIN, **given)
    return instants(rows), rejects


@pytest.mark.parametrize("road", roads.ROADS)
def test_a_local_time_is_its_one_instant_or_breaks_a_rule_that_says_why(tmp_path: Path, road: str) -> None:
    instants, rejects = taken(tmp_path, [*LOCAL, "2024-13-01 00:00:00"], road)
    assert instants == {0: "03-31 00:30", 2: "03-31 01:30"}
    assert rejects == {1: "at.nonexistent", 3: "at.ambiguous", 4: "at.dtype"}


@pytest.mark.parametrize("road", roads.ROADS)
def test_a_time_with_an_offset_is_one_instant_whatever_clocks_show(tmp_path: Path, road: str) -> None:
    instants, rejects = taken(tmp_path, OFFSETS, road, nullable=False)
    assert (instants, rejects) == ({0: "03-31 01:30", 1: "10-27 00:30", 2: "10-27 01:30", 3: "10-27 01:30"}, {})


@pytest.mark.parametrize("format", ["%d.%m.%Y %H:%M", "%Y%m%dT%H%M"])
@pytest.mark.parametrize("is_own", [True, False])
def test_a_declared_format_is_no_way_around_the_clocks(tmp_path: Path, format: str, is_own: bool) -> None:
    texts = [datetime.fromisoformat(text).strftime(format) for text in LOCAL]
    given = {"format": format} if is_own else {"timestamp_format": format}
    instants, rejects = taken(tmp_path, texts, **given)
    assert instants == {0: "03-31 00:30", 2: "03-31 01:30"}
    assert rejects == {1: "at.nonexistent", 3: "at.ambiguous"}


@pytest.mark.parametrize("end", ["Z", " UTC", " GMT"])
def test_a_format_that_says_utc_means_it(tmp_path: Path, end: str) -> None:
    instants, rejects = taken(tmp_path, [f"31.03.2024 02:30{end}"], format=f"%d.%m.%Y %H:%M{end}")
    assert (instants, rejects) == ({0: "03-31 02:30"}, {})


def test_timestamps_of_parquet_and_excel_without_a_zone_are_local_times(tmp_path: Path) -> None:
    times = [datetime.fromisoformat(text) for text in LOCAL]
    book, workbook = openpyxl.Workbook(), io.BytesIO()
    for row in (["n", "at"], *enumerate(times)):
        book.active.append(row)
    book.save(workbook)
    files = [("Excel", workbook.getvalue())]
    for unit in ("ms", "us", "ns"):
        files.append(("Parquet", roads.parquet({"n": [0, 1, 2, 3], "at": pa.array(times, pa.timestamp(unit))})))
    for road, file in files:
        instants, rejects = taken(tmp_path, LOCAL, road, file=file)
        assert instants == {0: "03-31 00:30", 2: "03-31 01:30"}, road
        assert rejects == {1: "at.nonexistent", 3: "at.ambiguous"}, road


def test_a_column_can_say_which_instant_is_meant(tmp_path: Path) -> None:
    def said(**own: str) -> dict[int, str]:
        return taken(tmp_path, LOCAL[1::2], nullable=False, **own)[0]

    assert said(ambiguous="first") == {1: "10-27 00:30"}
    assert said(ambiguous="last") == {1: "10-27 01:30"}
    assert said(nonexistent="forward") == {0: "03-31 01:30"}
    assert said(ambiguous="first", nonexistent="forward") == {0: "03-31 01:30", 1: "10-27 00:30"}


@pytest.mark.parametrize("road", roads.ROADS)
def test_the_order_of_the_records_can_tell_which_instant_is_meant(tmp_path: Path, road: str) -> None:
    night = ["2024-10-27 01:59", "2024-10-27 02:00", "2024-10-27 02:40", "2024-10-27 02:00", "2024-10-27 02:10"]
    hourly = ["2023-10-29 02:00", "2023-10-29 02:00", "2023-10-29 03:00"]
    unclear = ["2022-10-30 02:10", "2022-10-30 02:20", "2022-10-30 03:00"]
    back_twice = ["2021-10-31 02:30", "2021-10-31 02:10", "2021-10-31 02:20", "2021-10-31 02:00"]
    texts = [*night, "2024-10-27 03:00", *hourly, *unclear, *back_twice]
    instants, rejects = taken(tmp_path, texts, road, ambiguous="order")

    assert list(instants.values())[:6] == [
        *("10-26 23:59", "10-27 00:00", "10-27 00:40", "10-27 01:00", "10-27 01:10", "10-27 02:00")
    ]
    assert list(instants.values())[6:] == ["10-29 00:00", "10-29 01:00", "10-29 02:00", "10-30 02:00"]
    assert rejects == dict.fromkeys((9, 10, 12, 13, 14, 15), "at.ambiguous")


def test_each_file_and_each_column_has_an_order_of_its_own(tmp_path: Path) -> None:
    columns = [Column(name, ZONED, True, ambiguous="order") for name in ("a", "b")]
    early, late = "2024-10-27 02:00", "2024-10-27 02:30"
    cells = {"a": [early, late, early], "b": [late, early, late]}
    for column in columns:
        first = sorted(columns, key=lambda other, own=column: other != own)
        rows, _, _ = roads.taken(tmp_path, first, cells, timezone=BERLIN)
        due = {
            "a": ["10-27 00:00", "10-27 00:30", "10-27 01:00"],
            "b": ["10-27 00:30", "10-27 01:00", "10-27 01:30"],
        }
        assert list(instants(rows).values()) == due[column.name]


def test_the_message_of_a_broken_rule_says_what_the_clocks_do(tmp_path: Path) -> None:
    column = Column("at", ZONED, False)
    raw = {"sales/2024-03-01.csv": f"at\n{LOCAL[1]}\n{LOCAL[3]}\n"}
    project = tiny.project(tmp_path, raw=raw, settings=f"timezone = {BERLIN}\n")
    contract = roads.Contract("T", (column,))
    tiny.take(project, tiny.sales(contract=contract, max_reject_ratio=1.0))
    assert [message for (message,) in tiny.rejects_of(project, columns="message")] == [
        "at.nonexistent: at does not exist: the clocks are set forward over this time on this day",
        "at.ambiguous: at comes twice: the clocks are set back to before this time on this day",
    ]


@pytest.mark.parametrize(
    ("metadata", "type", "message"),
    [
        ({"ambiguous": "first"}, "TIMESTAMP", "is for timestamps with a time zone"),
        ({"ambiguous": "infer"}, ZONED, "'infer' is not one of 'first', 'last', 'order'"),
        ({"nonexistent": "last"}, ZONED, "'last' is not one of 'forward'"),
        ({"format": "%Y-%m-%d %H:%M %Z"}, ZONED, "%Z"),
        ({"format": "%Y-%m-%d %H:%M %z"}, "TIMESTAMP", "would lose"),
        ({"format": "%Y-%m-%d %H:%MZ"}, "TIMESTAMP", "would lose"),
    ],
)
def test_what_cannot_be_said_of_a_column_is_an_error(metadata: dict[str, str], type: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        column_facts(metadata, "at", type)


def test_a_senders_format_with_an_offset_is_for_instants_alone() -> None:
    contract = roads.Contract("T", (Column("at", "TIMESTAMP", False),))
    with pytest.raises(ContractError, match=r"column 'at'.*timestamp_format=.*would lose"):
        tiny.sales(contract=contract, format=Csv(timestamp_format="%Y-%m-%dT%H:%M%z"))
