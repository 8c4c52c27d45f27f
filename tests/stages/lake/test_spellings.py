"""Spellings on all roads into the lake: every format that carries text, masks, flags, corrections, quarantine."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etl.contract import Column, Contract
from etl.contract.cleansing import Clean
from etl.contract.moments import months_of
from etl.contract.numerals import Number
from etl.errors import DeliveryError
from etl.ledger import Receipt
from etl.sources import Source
from etl.sources.formats import Csv
from tests.support import both_ways, roads, tiny

pytestmark = pytest.mark.sampled

MONEY = Number(negative=("after", "brackets"), units=("$", "€"), signs=(("DR", "-"),))
AMOUNT = Column("x", "DECIMAL(12,2)", True, number=MONEY)
FLAGGED = (
    Column("x", "DOUBLE", True, number=Number(flags=("p", "(e)"), flag_column="flag")),
    Column("flag", "VARCHAR", True, required=False),
)


@pytest.mark.parametrize("road", roads.ROADS)
def test_a_number_in_its_spelling_comes_by_every_road(tmp_path: Path, road: str) -> None:
    cells = {"x": ["($900.23)", "1.50-", "12 €", "3.00 DR", "-4", "5 kg", "1.50--"]}
    rows, rejects, _ = roads.taken(tmp_path, [AMOUNT], cells, road)
    assert rows == {n: Decimal(text) for n, text in enumerate(["-900.23", "-1.50", "12.00", "-3.00", "-4.00"])}
    assert rejects == {5: "x.dtype", 6: "x.dtype"}


@pytest.mark.parametrize("road", roads.ROADS)
def test_a_date_in_one_of_its_spellings_comes_by_every_road(tmp_path: Path, road: str) -> None:
    column = Column("x", "DATE", True, formats=("%d. %B %Y", "%d/%m/%Y", "%m/%d/%Y"), months=months_of("de"))
    cells = {"x": ["8. März 2024", "08/03/2024", "25/12/2024", "8. March 2024"]}
    rows, rejects, _ = roads.taken(tmp_path, [column], cells, road)
    assert rows == {0: date(2024, 3, 8), 2: date(2024, 12, 25)}
    assert rejects == {1: "x.dtype", 3: "x.dtype"}


@pytest.mark.parametrize("road", roads.ROADS)
def test_flags_are_kept_in_a_column_that_the_file_does_not_have(tmp_path: Path, road: str) -> None:
    cells = {"x": ["1.5 p", "2(e)", "3", "4 q"]}
    rows, rejects, _ = roads.taken(tmp_path, FLAGGED, cells, road)
    assert (rows, rejects) == ({0: 1.5, 1: 2.0, 2: 3.0}, {3: "x.dtype"})
    rows, _, _ = roads.taken(tmp_path, FLAGGED[::-1], cells, road)
    assert rows == {0: "p", 1: "(e)", 2: None}


def test_a_file_that_has_the_column_of_the_flags_too_is_refused(tmp_path: Path) -> None:
    file = b"n,x,flag\n1,1.5 p,q\n"
    with pytest.raises(DeliveryError, match="'flag' takes the flags of another column, and the file has it too"):
        _taken(tmp_path, FLAGGED, file)


def test_codes_that_spreadsheets_are_to_leave_alone_keep_their_zeros(tmp_path: Path) -> None:
    column = Column("x", "VARCHAR", True, clean=Clean(excel_text=True, empty_to_null=True))
    cells = {"x": ['="0123"', "0123", '="a""b"', '=""', '="0123', "=1+1"]}
    for road in roads.ROADS:
        if road != "Excel":  # where a text with = is a formula
            rows, _, _ = roads.taken(tmp_path, [column], cells, road)
            assert rows == {0: "0123", 1: "0123", 2: 'a"b', 3: None, 4: '="0123', 5: "=1+1"}


def test_spellings_are_read_in_blocks_as_they_are_in_a_whole_file(tmp_path: Path) -> None:
    columns = (
        Column("n", "BIGINT", False),
        *FLAGGED,
        Column("y", "DECIMAL(12,2)", True, number=MONEY),
        Column("d", "DATE", True, formats=("%d. %B %Y", "iso"), months=months_of("de")),
        Column("t", "TIMESTAMP WITH TIME ZONE", True, formats=("iso", "%d.%m.%Y %H:%M", "epoch_s")),
        Column("e", "TIMESTAMP WITH TIME ZONE", True, format="epoch_ms"),
    )
    cells = (
        ("1", "1.5", "2 p", "3 (e)", "x"),
        ("1.50", "1.50-", "(2 €)", "2--"),
        ("2024-03-08", "8. März 2024", "8. March 2024"),
        (
            "2024-03-31 02:30:00",
            "2024-03-31 02:30:00+02:00",
            "31.03.2024 03:30",
            "1711843200",
            "27.10.2024 02:30",
            "-",
        ),
        ("1711843200123", "2024-03-08"),
    )
    lines = [",".join([f"{n}", *(some[n % len(some)] for some in cells)]) for n in range(60)]
    file = "\n".join(["n,x,y,d,t,e", *lines, ""]).encode()
    source = Source(Contract("Any", columns), "any/{date}.csv", format=Csv(), name="any", max_reject_ratio=1.0)
    case = both_ways.Case(source, {"any/2024-03-01.csv": file}, "Europe/Berlin")
    assert both_ways.compare(case, tmp_path)


def test_a_correction_is_in_the_senders_spelling(tmp_path: Path) -> None:
    contract = Contract("T", (Column("n", "BIGINT", False), AMOUNT))
    source = tiny.sales(contract=contract, format=Csv(), max_reject_ratio=1.0)
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": "n,x\n1,5 kg\n2,6 kg\n"})
    tiny.decide(project, source, (2, "1,5 kg", "1,(5.50 €)"), (3, "2,6 kg", "2,6 g"))
    (receipt,) = tiny.take(project, source)
    assert tiny.rows_of(project, columns="n, x") == [(1, Decimal("-5.50"))]
    assert receipt.details["rejected"] == 1


def test_a_mask_is_of_the_value_and_quarantine_hides_the_text(tmp_path: Path) -> None:
    from dataclasses import replace

    contract = Contract("T", (Column("n", "BIGINT", False), replace(AMOUNT, type="BIGINT", pii="drop")))
    source = tiny.sales(contract=contract, format=Csv(), max_reject_ratio=1.0)
    project = tiny.project(tmp_path, raw={"sales/2024-03-01.csv": "n,x\n1,(5)\n2,77 kg\n"})
    tiny.take(project, source)
    assert tiny.rows_of(project, columns="n, x") == [(1, None)]
    ((rule, text),) = tiny.rejects_of(project, columns="rule, text")
    assert rule == "x.dtype" and "77" not in text


def _taken(root: Path, columns: Any, file: bytes) -> Receipt:
    contract = Contract("T", (Column("n", "BIGINT", False), *columns))
    source = tiny.sales(contract=contract, format=Csv(), max_reject_ratio=1.0)
    (receipt,) = tiny.take(tiny.project(root, raw={"sales/2024-03-01.csv": file}), source)
    return receipt
