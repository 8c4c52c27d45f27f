"""What is wrong after a run, by cause: named once, known again on another night, and told apart from others."""

import shutil
from collections import namedtuple
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.ledger import Check, Ledger, Run
from etl.reports.notices import causes, night
from etl.reports.notices.causes import failures, grouped, owned, parts
from tests.support import tiny

USAGE = namedtuple("USAGE", "total used free")
names = st.lists(st.from_regex(r"[a-z]{3,8}_[a-z]{2,5}", fullmatch=True), min_size=1, max_size=40, unique=True)
days = st.dates(date(2000, 1, 1), date(2099, 1, 1))
TEXTS = [
    "{name} {day}: {name}/{day}.csv is refused: column 'item' of the contract is missing. Deliver it again.",
    "{name} {day}: {name}/{day}.csv is refused: 17 of 90 records are rejected. See `etl quarantine {name}`.",
    "{name}: the connection to the database was refused. Is it up?",
    "marts.{name}: Conversion Error: could not convert. Correct sql/marts/{name}.sql, and run again.",
]


@given(names, days, st.sampled_from(TEXTS))
def test_what_fails_for_one_cause_is_one_cause(found, day, text):
    problems = [("LakePartition", text.format(name=name, day=day)) for name in found]

    (cause,) = failures(problems, {})

    assert cause.is_failure and cause.what and cause.next
    assert (f"{len(found)} times for one cause" in cause.what) == (len(found) > 1)


@given(names, days, days, st.sampled_from(TEXTS))
def test_a_cause_is_known_again_on_another_night(found, day, other, text):
    def key(on: date) -> list[str]:
        return [one.key for one in failures([("BuiltModel", text.format(name=n, day=on)) for n in found], {})]

    assert key(day) == key(other)


@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS), days)
def test_two_causes_are_two(one, other, day):
    problems = [("LakePartition", text.format(name="sales", day=day)) for text in (one, other)]

    assert len(failures(problems, {})) == (1 if one == other else 2)


def test_one_source_is_told_apart_from_another_that_fails_alone():
    text = "{} 2024-03-01: the file is refused: it is empty. Have it delivered again."
    one, other = (failures([("LakePartition", text.format(name))], {}) for name in ("sales", "stock"))

    assert one[0].key != other[0].key


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "sales 2024-03-03: a.csv is refused: column x is missing. Its 1 record is there. Deliver it again.",
            (
                "sales 2024-03-03: a.csv is refused",
                "column x is missing. Its 1 record is there.",
                "Deliver it again.",
            ),
        ),
        ("The disk is full.", ("The disk is full", "", "")),
        (
            "audits.few found 2 offending rows in raw.sales: too many (sql/audits/few.sql).\n    id = 1",
            ("audits.few found 2 offending rows in raw.sales", "too many (sql/audits/few.sql).", ""),
        ),
    ],
)
def test_a_message_is_taken_apart(message, expected):
    assert parts(message) == expected


def test_an_audit_that_failed_shows_three_examples():
    rows = [f"id = {number}" for number in range(9)]
    check = Check(
        name="audits.few", table_name="raw.sales", severity="error", passed=False, failing=9, examples=rows,
        run_id="r", fingerprint="",
    )  # fmt: skip

    (cause,) = failures(
        [("AuditedWarehouse", "audits.few found 9 offending rows in raw.sales.")], {check.name: check}
    )

    assert cause.examples == ("id = 0", "id = 1", "id = 2") and "etl audits audits.few" in cause.next


def test_forty_optional_models_with_one_cause_are_one_warning():
    models = [(f"marts.m{number}", f"marts.m{number}: there is no table raw.gone.") for number in range(40)]

    (cause,) = grouped(causes.OPTIONAL, models)

    assert "marts.m0, marts.m1, marts.m2, marts.m3, marts.m4 and 35 more" in cause.what


def test_owners_are_those_of_what_is_named():
    owners = {"sales": "ann", "raw.sales": "ann", "marts.items": "bob"}
    found = failures([("BuiltModel", "marts.items: it reads raw.sales. Correct it.")], {})

    assert owned(found, owners)[0].owners == ("bob", "ann")


def ended(ledger: Ledger, number: int, minutes: float) -> Run:
    start = datetime(2024, 3, number, tzinfo=UTC)
    times = (start.isoformat(), (start + timedelta(minutes=minutes)).isoformat())
    row = Run(f"run-{number}", f"2024-03-{number:02}", *times, outcome="published")
    ledger.write_run(row)
    return row


@pytest.mark.parametrize(("nights", "minutes", "is_told"), [(5, 9.0, True), (5, 7.0, False), (4, 90.0, False)])
def test_a_night_of_twice_its_usual_time_is_told(tmp_path, nights, minutes, is_told):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for number in range(1, nights + 1):
        ended(ledger, number, 4.0)

    found = night._slow(ledger, ended(ledger, nights + 1, minutes))

    assert [cause.what for cause in found] == (
        ["The night took 9 minutes, and usually takes 4"] if is_told else []
    )


@pytest.mark.parametrize(("free", "is_told"), [(10**12, False), (400_000_000, True)])
def test_a_disk_with_little_room_is_told(tmp_path, monkeypatch, free, is_told):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: USAGE(10**12, 0, free))

    assert bool(night.low_disk(tiny.project(tmp_path))) == is_told
