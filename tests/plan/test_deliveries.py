"""Which deliveries a night takes, which wait, and what it says of them."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from etl.errors import DeliveryError
from etl.ledger import Ledger, Run, now
from etl.plan import Plan
from etl.project import Project
from etl.reports.summary import notes, summary
from tests.support import tiny

pytestmark = pytest.mark.sampled


def shop(root: Path, options: str, raw: dict[str, str], files: str = "sales/{date}/*") -> Project:
    """A project whose sales come with other options."""
    contracts = tiny.CONTRACTS.replace('files="sales/{date}.csv"', f"files={files!r}, {options}")
    return tiny.project(root, contracts, raw=raw)


def sale(n: int) -> str:
    return f"id,item\n{n},book\n"


def ids(project: Project) -> list[int]:
    return [row[0] for row in tiny.published(project, "select id from raw.sales order by id")]


def said(planned: Plan) -> Sequence[str]:
    return notes(planned.taken["sales"])


def lines(project: Project, planned: Plan, outcome: str = "published") -> list[str]:
    """The summary of a night."""
    ledger = Ledger(project.ledger)
    run = Run(planned.run_id, str(planned.scope.last), now(), outcome=outcome)
    return list(summary(planned, ledger, run, ledger.receipts()))


DAILY = "sales/{date}.csv"
MARKED = "marker='sales/{date}/_SUCCESS'"


def test_a_day_without_its_marker_waits_and_is_said(tmp_path: Path) -> None:
    raw = {"sales/2024-03-01/a": sale(1), "sales/2024-03-01/_SUCCESS": "", "sales/2024-03-02/a": sale(2)}
    project = shop(tmp_path, MARKED, raw)

    planned = tiny.night(project)

    waits = "2024-03-02 is there but not complete: no sales/2024-03-02/_SUCCESS"
    assert ids(project) == [1]
    assert said(planned) == [waits]
    assert f"  sales: {waits}" in lines(project, planned)

    tiny.deliver(project, {"sales/2024-03-02/_SUCCESS": ""})
    assert said(tiny.night(project)) == []
    assert ids(project) == [1, 2]


def test_a_day_that_was_taken_stays_while_its_new_files_are_not_complete(tmp_path: Path) -> None:
    project = shop(tmp_path, MARKED, {"sales/2024-03-01/a": sale(1), "sales/2024-03-01/_SUCCESS": ""})
    tiny.night(project)
    (project.raw / "sales/2024-03-01/_SUCCESS").unlink()
    tiny.deliver(project, {"sales/2024-03-01/a": sale(11)})

    planned = tiny.night(project)

    assert planned.stale == {}
    assert planned.withdrawn == {"sales": []}
    assert said(planned) == [
        "2024-03-01 is there but not complete: no sales/2024-03-01/_SUCCESS; what was taken before stays"
    ]
    assert ids(project) == [1]
    tiny.deliver(project, {"sales/2024-03-01/_SUCCESS": ""})
    tiny.night(project)
    assert ids(project) == [11]


def test_a_changed_contract_does_not_take_a_day_that_is_not_complete_and_stops_no_other(tmp_path: Path) -> None:
    project = shop(tmp_path, MARKED, {"sales/2024-03-01/a": sale(1), "sales/2024-03-01/_SUCCESS": ""})
    tiny.night(project)
    (project.raw / "sales/2024-03-01/_SUCCESS").unlink()
    contracts = project.contracts / "all.py"
    contracts.write_text(contracts.read_text().replace("nullable=True", "nullable=False"))
    tiny.deliver(project, {"sales/2024-03-02/a": sale(2), "sales/2024-03-02/_SUCCESS": ""})

    first, second = tiny.night(project), tiny.night(project)

    assert ids(project) == [1, 2]
    for planned in (first, second):
        assert said(planned) == [
            "2024-03-01 stays as it was taken before the contract or the source changed, since what is in raw/ "
            "now is there but not complete: no sales/2024-03-01/_SUCCESS. Have it delivered again"
        ]
    assert second.stale == {}
    tiny.deliver(project, {"sales/2024-03-01/_SUCCESS": ""})
    tiny.night(project)
    assert said(tiny.plan(project)) == []


@pytest.mark.parametrize(
    ("changed", "held"),
    [
        ("id: int\n    item: str = pa.Field(str_length=3)", [(1, "book"), (2, "pen")]),
        ('id: int\n    item: str = pa.Field(nullable=True, metadata={"pii": "partial"})', [(1, None), (2, "***")]),
    ],
)
def test_a_day_that_is_not_complete_stays_in_the_columns_of_another_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, held: list[tuple[object, ...]]
) -> None:
    monkeypatch.setenv("ETL_MASK_KEY", "a key of sixteen characters or more")
    project = shop(tmp_path, MARKED, {"sales/2024-03-01/a": sale(1), "sales/2024-03-01/_SUCCESS": ""})
    tiny.night(project)
    (project.raw / "sales/2024-03-01/_SUCCESS").unlink()
    contracts = project.contracts / "all.py"
    old = "id: int = pa.Field(unique=True)\n    item: str = pa.Field(nullable=True)"
    contracts.write_text(contracts.read_text().replace(old, changed))
    second = sale(2).replace("book", "pen")
    tiny.deliver(project, {"sales/2024-03-02/a": second, "sales/2024-03-02/_SUCCESS": ""})

    tiny.night(project)

    assert tiny.published(project, "select id, item from raw.sales order by id") == held


def test_a_required_day_that_is_not_complete_is_missing_and_said_why(tmp_path: Path) -> None:
    project = shop(tmp_path, f"required=True, {MARKED}", {"sales/2024-03-01/a": sale(1)})

    planned = tiny.plan(project, date(2024, 3, 1))

    assert planned.missing == {"sales": date(2024, 3, 1)}
    assert lines(project, planned, "missing data")[-2] == (
        "  sales: required, but its delivery of 2024-03-01 is missing: it is there but not complete: "
        "no sales/2024-03-01/_SUCCESS"
    )


def test_a_snapshot_that_is_not_complete_stays_as_it_was(tmp_path: Path) -> None:
    project = shop(tmp_path, "marker='{file}.ok'", {"sales.csv": sale(1), "sales.csv.ok": ""}, "sales.csv")
    tiny.night(project, date(2024, 3, 5))
    (project.raw / "sales.csv.ok").unlink()
    tiny.deliver(project, {"sales.csv": sale(2)})

    planned = tiny.night(project, date(2024, 3, 6))

    assert ids(project) == [1]
    assert said(planned) == ["2024-03-06 is there but not complete: no sales.csv.ok"]


def test_a_backfill_says_nothing_of_days_outside_of_it(tmp_path: Path) -> None:
    project = shop(tmp_path, MARKED, {"sales/2024-03-01/a": sale(1), "sales/2024-03-04/a": sale(4)})

    assert len(said(tiny.plan(project, date(2024, 3, 2)))) == 1


@pytest.mark.parametrize("content", ["", "id,item\n"])
def test_a_skipped_empty_file_is_said_and_takes_nothing_away(tmp_path: Path, content: str) -> None:
    project = shop(tmp_path, "empty='skip'", {"sales/2024-03-01/a": sale(1), "sales/2024-03-02/a": content})
    planned = tiny.night(project)
    assert said(planned) == ["2024-03-02 is there but empty: sales/2024-03-02/a"]
    assert ids(project) == [1]

    tiny.deliver(project, {"sales/2024-03-01/a": content})
    planned = tiny.night(project)

    assert said(planned)[0] == "2024-03-01 is there but empty: sales/2024-03-01/a; what was taken before stays"
    assert ids(project) == [1]


@pytest.mark.parametrize(
    ("empty", "content", "outcome"),
    [
        ("auto", "id,item\n", "empty partition"),
        ("auto", "", "the file has no header at all"),
        ("partition", "id,item\n", "empty partition"),
        ("partition", "", "empty partition"),
        ("error", "id,item\n", "it has no records, and its source says empty='error'"),
        ("error", "", "the file has no header at all"),
    ],
)
def test_an_empty_file_is_what_its_source_says(tmp_path: Path, empty: str, content: str, outcome: str) -> None:
    project = shop(tmp_path, f"empty={empty!r}", {"sales/2024-03-01/a": content})

    if outcome == "empty partition":
        tiny.night(project)
        assert tiny.published(project, "select rows, rejected from etl.partitions") == [(0, 0)]
    else:
        with pytest.raises(DeliveryError, match=outcome):
            tiny.night(project)


def test_a_file_that_was_sent_again_for_another_day_is_said(tmp_path: Path) -> None:
    raw = {"sales/2024-03-01/a": sale(1), "sales/2024-03-02/a": sale(1), "sales/2024-03-03/a": "id,item\n"}
    project = shop(tmp_path, "", {**raw, "sales/2024-03-04/a": "id,item\n"})

    assert said(tiny.night(project)) == ["sent again?: sales/2024-03-02/a has the content of sales/2024-03-01/a"]
    assert ids(project) == [1, 1]
    assert said(tiny.plan(project)) == ["sent again?: sales/2024-03-02/a has the content of sales/2024-03-01/a"]


def test_a_file_that_was_sent_again_can_be_refused_until_it_is_another(tmp_path: Path) -> None:
    raw = {"sales/2024-03-01/a": sale(1), "sales/2024-03-02/a": sale(1), "sales/2024-03-03/a": "id,item\n"}
    project = shop(tmp_path, "same_content='refuse'", {**raw, "sales/2024-03-04/a": "id,item\n"})

    with pytest.raises(
        DeliveryError, match=r"sales 2024-03-02: .* is refused: sales/2024-03-02/a has the content"
    ):
        tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-01/a": sale(7)})
    tiny.night(project)

    assert ids(project) == [1, 7]


def test_what_may_be_the_same_is_not_mentioned(tmp_path: Path) -> None:
    raw = {"sales/2024-03-01/a": sale(1), "sales/2024-03-02/a": sale(1)}

    assert said(tiny.plan(shop(tmp_path, "same_content='allow'", raw))) == []


def test_of_two_files_of_a_day_with_the_same_content_one_is_loaded(tmp_path: Path) -> None:
    project = shop(tmp_path, "", {"sales/2024-03-01/a": sale(1), "sales/2024-03-01/b": sale(1)})

    planned = tiny.night(project)

    assert ids(project) == [1]
    assert said(planned) == ["not taken: sales/2024-03-01/b has the content of sales/2024-03-01/a"]
    assert tiny.plan(project).stale == {}


def test_a_renamed_file_replaces_its_partition(tmp_path: Path) -> None:
    project = shop(tmp_path, "", {"sales/2024-03-01/a": sale(1)})
    tiny.night(project)
    folder = project.raw / "sales/2024-03-01"
    shutil.move(folder / "a", folder / "b")

    tiny.night(project)

    assert tiny.published(project, "select id, _file from raw.sales") == [(1, "sales/2024-03-01/b")]


def week(first: int, last: int) -> dict[str, str]:
    return {f"sales/2024-03-{day:02}.csv": sale(day) for day in range(first, last + 1)}


def test_a_feed_that_stops_is_late_in_the_headline_and_its_days_are_holes(tmp_path: Path) -> None:
    project = shop(tmp_path, "lag_days=1", week(4, 10), DAILY)
    on_time = tiny.night(project, last=date(2024, 3, 11))
    assert not any("late since" in line or "late:" in line for line in lines(project, on_time))

    late = lines(project, tiny.night(project, last=date(2024, 3, 19)), "unchanged")

    assert late[0].endswith("is up to date; late: sales since 2024-03-11")
    days = ", ".join(f"2024-03-{day}" for day in range(14, 19))
    assert f"  sales: late since 2024-03-11 (daily): no delivery for 3 earlier days and {days}" in late

    tiny.deliver(project, week(11, 18))
    assert not any(
        "late since" in line or "late:" in line
        for line in lines(project, tiny.night(project, last=date(2024, 3, 19)))
    )


def test_a_backfill_says_nothing_of_what_is_late(tmp_path: Path) -> None:
    project = shop(tmp_path, "", week(4, 10), DAILY)
    planned = tiny.night(project, first=date(2024, 3, 4), last=date(2024, 3, 31))
    assert not any("late since" in line or "late:" in line for line in lines(project, planned))


def test_a_declared_rhythm_changes_nothing_that_was_taken_and_says_what_is_required(tmp_path: Path) -> None:
    project = shop(tmp_path, "", {"sales/2024-03-01.csv": sale(1)}, DAILY)
    tiny.night(project, last=date(2024, 3, 1))
    text = tiny.CONTRACTS.replace(f'files="{DAILY}"', f'files="{DAILY}", every="weekday", required=True')
    (project.root / "contracts/all.py").write_text(text)

    on_sunday, on_monday = (tiny.plan(project, last=date(2024, 3, day)) for day in (3, 4))

    assert (on_sunday.stale, on_sunday.missing) == ({}, {})
    assert on_monday.missing == {"sales": date(2024, 3, 4)}
