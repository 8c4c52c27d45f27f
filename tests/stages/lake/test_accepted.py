"""What was accepted stays: neither a changed declaration nor a worse delivery makes published rows disappear."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.errors import DeliveryError, StepError
from etl.ledger import Ledger, Receipt
from etl.project import Project
from etl.reports.summary import summary
from tests.support import tiny

pytestmark = pytest.mark.sampled

CONTRACTS = """
import pandera.pandas as pa
from etl import Csv, JsonLines, Source

class Sales(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    item: str = pa.Field(nullable=True)

sales = Source(contract=Sales, files="sales/{date}.csv"OPTIONS)
"""
SQL = {"marts/days.sql": "select delivery_date, count(*) as sales from raw.sales group by all"}
FIRST, SECOND = date(2024, 3, 1), date(2024, 3, 2)
SOUND = {f"sales/{FIRST}.csv": "id,item\n1,book\n2,pen\nx,cup\n", f"sales/{SECOND}.csv": "id,item\n3,book\n"}
ROWS = [(1, FIRST), (2, FIRST), (3, SECOND)]

#: Changes of the contracts by which the first day would be refused: a text, and what it becomes.
CHANGES = {
    "another dialect": ("OPTIONS", ', format=Csv(delimiter=";")OPTIONS'),
    "another format": ("OPTIONS", ", format=JsonLines()OPTIONS"),
    "another encoding": ("OPTIONS", ', format=Csv(encoding="utf-16")OPTIONS'),
    "a new column": ("    item:", "    price: float\n    item:"),
    "a column less": ("    item: str = pa.Field(nullable=True)\n", ""),
    "a tighter rule": ("pa.Field(unique=True)", "pa.Field(unique=True, gt=1000)"),
    "no reject is allowed": ("OPTIONS", ", max_rejects=0OPTIONS"),
    "no empty cell is allowed": ("pa.Field(nullable=True)", "pa.Field(nullable=True, isin=['vase'])"),
}


def make(root: Path, options: str = "", raw: Any = SOUND) -> Project:
    return tiny.project(root, declared(options), SQL, raw)


def declared(options: str = "", change: tuple[str, str] = ("", "")) -> str:
    text = CONTRACTS.replace(*change) if change[0] else CONTRACTS
    return text.replace("OPTIONS", options)


def declare(project: Project, text: str) -> None:
    (project.root / "contracts" / "all.py").write_text(text)


def rows(project: Project) -> list[tuple[Any, ...]]:
    return tiny.published(project, "select id, delivery_date from raw.sales order by 1")


def receipt(project: Project, day: date = FIRST) -> Receipt:
    return Ledger(project.ledger).receipts()[tiny.extract_key(str(day))]


def said(project: Project, planned: Any) -> str:
    ledger = Ledger(project.ledger)
    return "\n".join(summary(planned, ledger, ledger.runs()[0], ledger.receipts()))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_refuses_a_published_day_keeps_it_in_an_optional_source(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    project = make(tmp_path, ", optional=True")
    tiny.night(project)
    accepted = receipt(project)
    declare(project, declared(", optional=True", change))

    planned = tiny.night(project)

    kept = receipt(project)
    assert kept.outcome == "kept"
    assert {name: kept.details[name] for name in ("file", "sha256", "records", "rows", "rejected", "lake")} == {
        name: accepted.details[name] for name in ("file", "sha256", "records", "rows", "rejected", "lake")
    }
    assert tiny.published(project, f"select count(*) from raw.sales where delivery_date = '{FIRST}'") == [(2,)]
    counted = f"select records, rows, rejected from etl.partitions where date = '{FIRST}'"
    assert tiny.published(project, counted) == [(3, 2, 1)]
    assert "2024-03-01 keeps the 2 rows accepted on" in said(project, planned)
    assert "by the changed contract or source is refused: " in said(project, planned)
    assert tiny.stale(tiny.plan(project)) == []
    declare(project, declared(", optional=True"))
    tiny.night(project)
    assert (receipt(project).outcome, rows(project)) == ("done", ROWS)
    assert list(project.quarantine.glob("refused/sales/*")) == []


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_refuses_a_published_day_is_refused_itself(tmp_path: Path, change: tuple[str, str]) -> None:
    project = make(tmp_path)
    tiny.night(project)
    accepted = receipt(project)
    declare(project, declared("", change))

    with pytest.raises(
        DeliveryError, match=r"(?s)sales 2024-03-01: .* The 2 rows accepted before from the same file"
    ):
        tiny.night(project)

    assert rows(project) == ROWS
    assert receipt(project) == accepted
    assert tiny.rows_of(project, FIRST, "id") == [(1,), (2,)]
    declare(project, declared())
    assert [key for key in tiny.stale(tiny.plan(project)) if key.startswith(f"extract sales {FIRST}")] == []
    tiny.night(project)
    assert rows(project) == ROWS


def test_a_change_of_type_that_no_kept_row_fits_fails_the_night_and_leaves_what_is_published(
    tmp_path: Path,
) -> None:
    project = make(tmp_path, ", optional=True")
    tiny.night(project)
    declare(project, declared(", optional=True", ("item: str", "item: float")))

    with pytest.raises(
        StepError, match="the rows accepted for 2024-03-01, 2024-03-02 do not fit the contract any more"
    ):
        tiny.night(project)

    assert rows(project) == ROWS


WORSE = {
    "another header": "number,item\n1,book\n2,pen\n",
    "no header": "",
    "no records": "id,item\n",
    "no record that keeps the contract": "id,item\n1.0,book\n2.0,pen\n",
    "no text": b"\x00\xff\xfe\n\x80",
}


@pytest.mark.parametrize("text", WORSE.values(), ids=WORSE)
@pytest.mark.parametrize("options", ["", ", optional=True", ', empty="partition"'])
def test_a_delivery_of_which_nothing_is_left_replaces_no_published_day(
    tmp_path: Path, text: str | bytes, options: str
) -> None:
    project = make(tmp_path, options)
    tiny.night(project)
    tiny.deliver(project, {f"sales/{FIRST}.csv": text})

    if "optional" in options:
        planned = tiny.night(project)
        assert "2024-03-01 keeps the 2 rows accepted on" in said(project, planned)
        assert f"; sales/{FIRST}.csv is refused: " in said(project, planned)
    else:
        with pytest.raises(
            DeliveryError, match=f"sales {FIRST}: sales/{FIRST}.csv is refused: .* put the one before"
        ):
            tiny.night(project)

    assert rows(project) == ROWS
    tiny.deliver(project, {f"sales/{FIRST}.csv": "id,item\n7,vase\n8,cup\n"})
    tiny.night(project)
    assert rows(project) == [(3, SECOND), (7, FIRST), (8, FIRST)]


def test_a_source_can_say_that_a_day_may_lose_all_its_rows(tmp_path: Path) -> None:
    project = make(tmp_path, ", optional=True")
    tiny.night(project)
    tiny.deliver(project, {f"sales/{FIRST}.csv": "id,item\n"})
    tiny.night(project)
    assert receipt(project).outcome == "kept"
    declare(project, declared(", optional=True, min_rows_ratio=0"))

    tiny.night(project)

    assert (receipt(project).outcome, rows(project)) == ("done", [(3, SECOND)])


def test_a_day_whose_file_goes_is_withdrawn_though_its_rows_were_kept(tmp_path: Path) -> None:
    project = make(tmp_path, ", optional=True")
    tiny.night(project)
    tiny.deliver(project, {f"sales/{FIRST}.csv": "id,item\n"})
    tiny.night(project)
    (project.raw / "sales" / f"{FIRST}.csv").unlink()

    tiny.night(project)

    assert rows(project) == [(3, SECOND)]


def test_a_delivery_with_less_than_half_the_rows_is_taken_with_a_warning_that_says_how_many_went(
    tmp_path: Path,
) -> None:
    many = "".join(f"{n},book\n" for n in range(10))
    project = make(tmp_path, raw={f"sales/{FIRST}.csv": f"id,item\n{many}"})
    tiny.night(project)
    tiny.deliver(project, {f"sales/{FIRST}.csv": "id,item\n1,book\n2,pen\n3,pen\n4,pen\n"})

    planned = tiny.night(project)

    warning = f"sales: warning: {FIRST} has 4 rows in place of 10, 6 went: sales/{FIRST}.csv"
    assert warning in said(project, planned)
    tiny.deliver(project, {f"sales/{FIRST}.csv": "id,item\n1,book\n2,pen\n"})
    assert "warning" not in said(project, tiny.night(project))


def test_min_rows_ratio_makes_it_a_refusal(tmp_path: Path) -> None:
    many = "".join(f"{n},book\n" for n in range(10))
    eight = "".join(f"{n},book\n" for n in range(8))
    project = make(tmp_path, ", min_rows_ratio=0.9", raw={f"sales/{FIRST}.csv": f"id,item\n{many}"})
    tiny.night(project)
    tiny.deliver(project, {f"sales/{FIRST}.csv": f"id,item\n{eight}8,cup\nx,cup\n"})
    tiny.night(project)
    assert len(rows(project)) == 9
    tiny.deliver(project, {f"sales/{FIRST}.csv": f"id,item\n{eight}"})

    message = "it has 8 rows for the 9 rows accepted before, fewer than min_rows_ratio = 0.9 allows"
    with pytest.raises(DeliveryError, match=message):
        tiny.night(project)

    assert len(rows(project)) == 9


@pytest.mark.parametrize("day", [FIRST, SECOND])
@pytest.mark.parametrize("text", WORSE.values(), ids=WORSE)
def test_a_snapshot_of_which_nothing_is_left_replaces_none(tmp_path: Path, text: str | bytes, day: date) -> None:
    contracts = declared(", optional=True").replace("sales/{date}.csv", "sales.csv")
    project = tiny.project(tmp_path, contracts, {}, {"sales.csv": "id,item\n1,book\n2,pen\n"})
    tiny.night(project, FIRST)
    tiny.deliver(project, {"sales.csv": text})

    planned = tiny.night(project, day)

    assert tiny.published(project, "select id from raw.sales order by 1") == [(1,), (2,)]
    assert "refused" in said(project, planned)
    assert tiny.stale(tiny.plan(project, SECOND)) == []
