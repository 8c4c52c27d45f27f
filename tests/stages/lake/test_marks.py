"""Marks in numbers: those of a sender, those that a column has of its own, and a warning where they are mixed."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from etl.contract import Column, Contract
from etl.errors import ContractError
from etl.ledger import Ledger
from etl.sources.formats import Csv
from tests.support import roads, tiny

GERMAN = {"decimal": ",", "thousands": "."}
LATITUDE = Column("lat", "DOUBLE", False, decimal=".", thousands="")
SALES = Column("sales", "DECIMAL(9,2)", False)
MARKED = [road for road in roads.ROADS if road != "Parquet"]


@pytest.mark.parametrize("road", MARKED)
def test_a_column_has_its_own_marks_in_every_format(tmp_path: Path, road: str) -> None:
    cells = {"lat": ["48.137", "8,123", "-0.5"], "sales": ["1.234,50", "99,90", "12,00"]}
    rows, rejects, _ = roads.taken(tmp_path, [LATITUDE, SALES], cells, road, **GERMAN)
    assert (rows, rejects) == ({0: 48.137, 2: -0.5}, {1: "lat.dtype"})
    rows, rejects, _ = roads.taken(tmp_path, [SALES, LATITUDE], {**cells, "lat": ["1", "2", "3"]}, road, **GERMAN)
    assert (rows, rejects) == ({0: Decimal("1234.50"), 1: Decimal("99.90"), 2: Decimal("12.00")}, {})


@pytest.mark.parametrize("own", [{"decimal": ".", "thousands": ","}, {"decimal": ",", "thousands": "."}, {}])
@pytest.mark.parametrize("sender", [{}, GERMAN])
def test_a_number_that_is_none_of_text_is_itself_whatever_the_marks(
    tmp_path: Path, own: dict[str, Any], sender: dict[str, str]
) -> None:
    column, cells = Column("x", "DOUBLE", False, **own), {"x": ["", "", ""]}
    values = [1.234, 1234.5, -0.125]
    lines = "\n".join(json.dumps({"n": n, "x": x}) for n, x in enumerate(values)).encode()
    workbook = roads.ROADS["Excel"][1]({"n": [0, 1, 2], "x": values})  # type: ignore[dict-item]
    table = roads.parquet({"n": [0, 1, 2], "x": pa.array(values)})

    for road, file in (("JsonLines", lines), ("Excel", workbook)):
        assert roads.taken(tmp_path, [column], cells, road, file=file, **sender)[0] == dict(enumerate(values))
    assert roads.taken(tmp_path, [column], cells, "Parquet", file=table)[0] == dict(enumerate(values))


@pytest.mark.parametrize("road", MARKED)
@pytest.mark.parametrize("type", ["BIGINT", "DOUBLE", "DECIMAL(9,3)"])
def test_a_number_whose_first_group_is_0_is_never_grouped(tmp_path: Path, road: str, type: str) -> None:
    cells = {"x": ["0.500", "-0.001", "1.500", "012.345", "0.123.456", "1.50"]}
    rows, rejects, _ = roads.taken(tmp_path, [Column("x", type, False)], cells, road, **GERMAN)
    assert rows == {2: 1500}
    assert rejects == dict.fromkeys((0, 1, 3, 4, 5), "x.dtype")


@pytest.mark.parametrize("road", MARKED)
@pytest.mark.parametrize("reject", [[], ["x"]])
def test_numbers_with_thousands_marks_and_without_in_one_file_are_a_warning(
    tmp_path: Path, road: str, reject: list[str]
) -> None:
    column = Column("x", "DOUBLE", False)

    def warnings(*texts: str) -> dict[str, int]:
        return roads.taken(tmp_path, [column], {"x": [*texts, *reject]}, road, **GERMAN)[2].details["warnings"]

    assert warnings("1.234", "5678", "-91011,5", "12", "999") == {"x.thousands": 2}
    assert warnings("1.234", "999", "5.678") == {}
    assert warnings("1234", "999", "5678") == {}


def test_files_of_one_delivery_may_differ_in_their_grouping(tmp_path: Path) -> None:
    contract = Contract("T", (Column("x", "BIGINT", False),))
    source = tiny.sales(contract=contract, files="sales/{date}-*.csv", format=Csv(delimiter=";", **GERMAN))
    raw = {"sales/2024-03-01-a.csv": "x\n1.234\n", "sales/2024-03-01-b.csv": "x\n5678\n"}
    (receipt,) = tiny.take(tiny.project(tmp_path, raw=raw), source)
    assert receipt.details["warnings"] == {}


def test_the_warning_is_in_the_checks_of_the_night(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace('.csv")', '.csv", format=Csv(delimiter=";", decimal=",", thousands="."))')
    contracts = contracts.replace("import Source", "import Csv, Source")
    raw = {"sales/2024-03-01.csv": "id;item\n1.001;book\n2002;pen\n"}
    project = tiny.project(tmp_path, contracts=contracts, raw=raw)
    tiny.night(project)
    (check,) = [c for c in Ledger(project.ledger).checks().values() if c.name == "raw.sales.id.thousands"]
    assert (check.severity, check.failing) == ("warn", 1)
    assert "id: a number over 999 has no thousands mark" in check.examples[0]


def test_marks_that_contradict_each_other_are_refused_with_the_column() -> None:
    contract = Contract("T", (Column("x", "DOUBLE", False, decimal="."),))
    with pytest.raises(ContractError, match=r"column 'x' .* both '\.'.*both marks"):
        tiny.sales(contract=contract, format=Csv(**GERMAN))
