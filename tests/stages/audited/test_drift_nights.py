"""Nights whose rows drift: told by date, silent until there is enough to compare with, and never counted twice."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from etl.errors import AuditError
from etl.ledger import Check, Ledger
from etl.ledger.profiles import Profiles
from etl.project import Project
from tests.support import tiny

BY_DATE = "-- materialized: incremental\n-- partition: delivery_date\n"
WHOLE = "-- materialized: table\n"
SELECT = "select delivery_date, item, id from raw.sales"


def day(number: int) -> date:
    return date(2024, 3, number)


def deliver(project: Project, number: int, items: str) -> None:
    rows = "".join(f"{number * 100 + n},{item.strip('-')}\n" for n, item in enumerate(items))
    tiny.deliver(project, {f"sales/{day(number)}.csv": f"id,item\n{rows}"})


def of_sales(root: Path, lines: str, contracts: str = tiny.CONTRACTS, settings: str = "threads = 1\n") -> Project:
    return tiny.project(
        root, contracts=contracts, sql={"marts/sold.sql": lines + SELECT}, raw={}, settings=settings
    )


def check(project: Project) -> Check:
    (found,) = [check for check in Ledger(project.ledger).checks().values() if ".drift." in check.name]
    return found


def test_a_day_that_differs_stops_the_night_and_is_named_until_it_is_right(tmp_path: Path) -> None:
    project = of_sales(tmp_path, BY_DATE + "-- drift: item by share of a 20% against the last 3\n")
    for number in (1, 2, 3):
        deliver(project, number, "aaab")
        tiny.night(project, day(number))
        assert check(project).examples == [
            f"nothing to compare with yet: {number - 1} of 3 earlier profiles, {4 - number} are missing"
        ]
    deliver(project, 4, "abbb")
    for _ in range(2):
        with pytest.raises(AuditError, match=r"drift.item,share_of_a found 1 offending row") as error:
            tiny.night(project, day(4))
    assert "day = 2024-03-04, share = 0.25, expected = 0.75" in str(error.value)

    deliver(project, 4, "aabb")
    with pytest.raises(AuditError):
        tiny.night(project, day(4))
    deliver(project, 4, "aaabb")
    tiny.night(project, day(4))
    assert check(project).passed


def test_an_old_date_that_comes_again_is_compared_with_what_was_before_it(tmp_path: Path) -> None:
    project = of_sales(tmp_path, BY_DATE + "-- warn drift: item by nulls 30% against the last 2\n")
    for number, items in enumerate(["aaaa", "aaaa", "aaaa", "aaa-", "aa--", "a---"], start=1):
        deliver(project, number, items)
        tiny.night(project, day(number))
    deliver(project, 3, "a--")
    tiny.night(project, day(6))

    assert check(project).examples == ["day = 2024-03-03, null_share = 0.6666666666666666, expected = 0.0"]


def test_a_batch_date_that_runs_twice_counts_once(tmp_path: Path) -> None:
    project = of_sales(tmp_path, WHOLE + "-- warn drift: id by mean 3 against the last 3\n")
    for number in (1, 2, 2, 2):
        deliver(project, number, "ab")
        deliver(project, 9, "a" * len(Profiles(Ledger(project.ledger)).noted()))
        tiny.night(project, day(number))

    assert [p.day for p in Profiles(Ledger(project.ledger)).trend("marts.sold")] == [str(day(1)), str(day(2))]
    assert "1 of 3 earlier profiles" in check(project).examples[0]


def test_a_contract_asks_for_drift_of_a_raw_table(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace(
        "nullable=True)", 'nullable=True, metadata={"drift_warn": "by psi 0.2 against the last 2"})'
    )
    project = of_sales(tmp_path, WHOLE, contracts)
    for number, items in enumerate(["ab" * 9, "ba" * 9, "c" * 18], start=1):
        deliver(project, number, items)
        tiny.night(project, day(number))

    found = check(project)
    assert (found.name, found.severity, found.failing) == ("raw.sales.drift.item,psi", "warn", 1)


@pytest.mark.parametrize(
    ("lines", "settings", "why"),
    [
        (BY_DATE + "-- drift: item by psi 0.2 against the last 2\n", "", "item is personal data"),
        (BY_DATE + "-- drift: item by share of a 5% against the last 2\n", "", "item is personal data"),
        ("-- materialized: view\n-- drift: id by mean 3 against the last 2\n", "", "marts.sold has no profile"),
        (WHOLE + "-- drift: id by mean 3 against the last 2\n", "profiled_parts = 0\n", "profiled_parts = 0"),
        (WHOLE + "-- drift: id by mean 3 against the last 2\n", "profiled_parts = 2\n", "Raise profiled_parts"),
    ],
)
def test_what_cannot_be_compared_fails_and_says_why(tmp_path: Path, lines: str, settings: str, why: str) -> None:
    contracts = tiny.CONTRACTS.replace("nullable=True)", "nullable=True, metadata={'pii': 'partial'})")
    project = of_sales(tmp_path, lines, contracts, f"threads = 1\n{settings}")
    deliver(project, 1, "ab")
    with pytest.raises(AuditError, match=why):
        tiny.night(project, day(1))


def test_nulls_of_personal_data_are_compared(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace("nullable=True)", "nullable=True, metadata={'pii': 'partial'})")
    project = of_sales(tmp_path, BY_DATE + "-- warn drift: item by nulls 30% against the last 2\n", contracts)
    for number, items in enumerate(["ab", "ab", "--"], start=1):
        deliver(project, number, items)
        tiny.night(project, day(number))
    assert check(project).failing == 1


def test_a_line_that_is_added_later_looks_back_at_once(tmp_path: Path) -> None:
    project = of_sales(tmp_path, BY_DATE)
    for number in range(1, 6):
        deliver(project, number, "aaab" if number < 5 else "abbb")
    tiny.night(project, day(5))
    model = project.sql / "marts/sold.sql"
    model.write_text(BY_DATE + "-- warn drift: item by share of a 20% against the last 3\n" + SELECT)
    tiny.night(project, day(5) + timedelta(1))

    assert check(project).examples == ["day = 2024-03-05, share = 0.25, expected = 0.75"]
