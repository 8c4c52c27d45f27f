"""A sender who writes otherwise from a day on: the source says since when, and earlier days are left alone."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.contract import Column, Contract
from etl.errors import ContractError
from etl.ledger import Ledger
from etl.project import Project
from etl.sources.formats import Csv, JsonLines
from etl.sources.source import Source
from etl.stages import lake
from tests.support import tiny

CONTRACTS = """
import datetime

import pandera.pandas as pa
from etl import Csv, JsonLines, Source

class Sales(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    day: datetime.date
    amount: float

class NewSales(Sales):
    day: datetime.date = pa.Field(alias="day", metadata={"aliases": ["Datum"], "format": "%d.%m.%Y"})
    amount: float = pa.Field(alias="amount", metadata={"aliases": ["Betrag"]}, gt=1)

sales = Source(contract=Sales, files="sales/{date}.csv"OPTIONS)
"""
OLD, NEW = date(2024, 3, 30), date(2024, 3, 31)
BEFORE = "id,day,amount\n1,2024-03-29,1.5\n2,2024-03-29,0.5\n"
ROWS = [(1, date(2024, 3, 29), 1.5), (2, date(2024, 3, 29), 0.5), (3, date(2024, 3, 30), 2.5)]
#: What the sender writes since the last day of March, and what the source says of that.
SINCE = {
    "a dialect": (
        "id;day;amount\n3;30.03.2024;2,5\n",
        ', format={None: Csv(), "2024-03-31": Csv(delimiter=";", decimal=",", date_format="%d.%m.%Y")}',
    ),
    "an encoding": (
        "id,day,amount\n3,2024-03-30,2.5\n".encode("utf-16"),
        ', format={datetime.date(2024, 3, 31): Csv(encoding="utf-16"), None: Csv()}',
    ),
    "a format": (
        '{"id": 3, "day": "2024-03-30", "amount": 2.5}\n',
        ', format={"2024-03-31": JsonLines(), None: Csv()}',
    ),
    "a header": (
        "id,Datum,Betrag\n3,30.03.2024,2.5\n",
        ', contract={None: Sales, "2024-03-31": NewSales}',
    ),
    "both": (
        "id;Datum;Betrag\n3;30.03.2024;2.5\n",
        ', contract={None: Sales, "2024-03-31": NewSales}, format={None: Csv(), "2024-03-31": Csv(delimiter=";")}',
    ),
}


def declared(options: str = "") -> str:
    text = CONTRACTS.replace("OPTIONS", options)
    return text.replace("contract=Sales, ", "") if "contract=" in options else text


def declare(project: Project, text: str) -> None:
    (project.root / "contracts" / "all.py").write_text(text)


@pytest.mark.parametrize(("after", "options"), SINCE.values(), ids=SINCE)
def test_partitions_of_before_are_not_touched(tmp_path: Path, after: str | bytes, options: str) -> None:
    project = tiny.project(tmp_path, without_new(), {}, {f"sales/{OLD}.csv": BEFORE})
    tiny.night(project, OLD)
    before = Ledger(project.ledger).receipts()[tiny.extract_key(str(OLD))]
    tiny.deliver(project, {f"sales/{NEW}.csv": after})
    declare(project, declared(options) if "NewSales" in options else without_new(options))

    planned = tiny.night(project, NEW)

    assert [key for key in tiny.stale(planned) if key.startswith("extract")] == [f"extract sales {NEW}"]
    assert Ledger(project.ledger).receipts()[tiny.extract_key(str(OLD))] == before
    assert tiny.published(project, "select id, day, amount from raw.sales order by 1") == ROWS
    assert tiny.stale(tiny.plan(project, NEW)) == []


def without_new(options: str = "") -> str:
    """Return contracts without the class that nothing uses."""
    text = declared(options)
    start, end = text.index("class NewSales"), text.index("sales = Source")
    return text[:start] + text[end:]


def test_a_snapshot_is_read_as_its_batch_date_says(tmp_path: Path) -> None:
    options = SINCE["a dialect"][1]
    project = tiny.project(
        tmp_path, without_new(options).replace("sales/{date}.csv", "sales.csv"), {}, {"sales.csv": BEFORE}
    )
    tiny.night(project, OLD)
    assert tiny.stale(tiny.plan(project, NEW)) == []
    tiny.deliver(project, {"sales.csv": SINCE["a dialect"][0]})

    tiny.night(project, NEW)

    assert tiny.published(project, "select id, day, amount from raw.sales") == ROWS[2:]


def test_several_days_are_taken_at_once_each_in_its_own_way_and_one_fault_stops_no_other(tmp_path: Path) -> None:
    source = tiny.sales(format={None: Csv(), "2024-03-02": Csv(delimiter=";"), "2024-03-03": JsonLines()})
    files = {
        "sales/2024-03-01.csv": "id,item,price\n1,book,9.5\n",
        "sales/2024-03-02.csv": "id,item,price\n2,book,9.5\n",
        "sales/2024-03-03.csv": '{"id": 3, "item": "book", "price": "9.5"}\n',
    }
    project = tiny.project(tmp_path, raw=files)

    with pytest.raises(Exception, match=r"^sales 2024-03-02: sales/2024-03-02.csv is refused: [^\n]*$"):
        tiny.take(project, source)

    taken = [tiny.rows_of(project, date(2024, 3, day), "id") for day in (1, 3)]
    assert taken == [[(1,)], [(3,)]]


def test_a_source_over_time_survives_json_and_has_the_fingerprints_of_plain_ones() -> None:
    newer = Contract(
        "Newer", (Column("id", "BIGINT", False, aliases=("nr",)), *tiny.CONTRACT.columns[1:]), tiny.CONTRACT.rules
    )
    source = tiny.sales(
        contract={None: tiny.CONTRACT, "2024-03-05": newer}, format={"2024-03-03": Csv(delimiter=";"), None: Csv()}
    )
    plain = {
        1: tiny.sales(),
        3: tiny.sales(format=Csv(delimiter=";")),
        5: tiny.sales(contract=newer, format=Csv(delimiter=";")),
    }

    again = Source.from_dict(source.to_dict())

    assert vars(again) == vars(source)
    for day in range(1, 7):
        expected = plain[max(known for known in plain if known <= day)]
        for known in (source, again):
            assert lake.definition(known.at(date(2024, 3, day)), "UTC") == lake.definition(expected, "UTC")


OTHER = Contract("Other", (Column("id", "VARCHAR", False), *tiny.CONTRACT.columns[1:]))
LESS = Contract("Less", tiny.CONTRACT.columns[1:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": {"2024-03-01": Csv()}}, r"format=.* does not say what holds before 2024-03-01: add None"),
        ({"format": {}}, r"format=.* does not say what holds before any day: add None"),
        ({"format": {None: Csv(), "2024-3-1": Csv()}}, "a key is a date such as"),
        ({"format": {None: Csv(), 5: Csv()}}, "a key is a date such as"),
        ({"contract": {None: tiny.CONTRACT, "2024-03-01": OTHER}}, "its column 'id' has another type or mask"),
        ({"contract": {None: tiny.CONTRACT, "2024-03-01": LESS}}, "its column 'id' is not in both"),
    ],
)
def test_what_cannot_be_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        tiny.sales(**options)


@pytest.mark.parametrize("given", [[Csv()], Csv, "csv", {None: Csv(), "2024-03-31": [Csv()]}], ids=str)
def test_what_is_not_a_format_is_told_with_what_to_write(given: object) -> None:
    with pytest.raises(ContractError, match=r"^format=.* is not a format\. Write one such as Csv\(\)"):
        tiny.sales(format=given)
