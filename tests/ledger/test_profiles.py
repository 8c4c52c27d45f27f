"""Profiles come back as they were written, in the order of partitions or of nights, and leave when they should."""

import json
from pathlib import Path
from typing import Any

import pytest

from etl.ledger import Ledger
from etl.ledger.bars import bars_of
from etl.ledger.profiles import Noted, Part, Profiles, Row


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return Profiles(Ledger(tmp_path / "ledger.sqlite"))


def written(profiles: Profiles, table: str, partition: str, night: str, **columns: dict[str, Any]) -> None:
    every = {"": {"rows": 3, "basis": f"of {partition or night}"}, **columns}
    rows = [Row(table, partition, name, f"run-{night}", night, json.dumps(facts)) for name, facts in every.items()]
    profiles.replace([Part(table, partition, night)], rows)


def test_partitions_are_in_the_order_of_their_dates_whichever_night_came_first(profiles: Profiles) -> None:
    for day, night in (("2024-03-02", "2024-03-09"), ("null", "2024-03-09"), ("2024-03-01", "2024-03-10")):
        written(profiles, "raw.sales", day, night, id={"rows": 3, "mean": float(day[-2:]) if day[0] == "2" else 0})

    assert [p.partition for p in profiles.trend("raw.sales", "id")] == ["null", "2024-03-01", "2024-03-02"]
    assert [p.partition for p in profiles.trend("raw.sales", "id", last=1)] == ["2024-03-02"]
    assert {(p.column_name, p.partition) for p in profiles.newest()} == {("", "2024-03-02"), ("id", "2024-03-02")}
    assert profiles.trends("mean", 2) == {("raw.sales", "id"): [("2024-03-01", 1.0), ("2024-03-02", 2.0)]}


def test_a_table_without_partitions_has_one_profile_a_night(profiles: Profiles) -> None:
    for night, mean in (("2024-03-02", 2.0), ("2024-03-01", 1.0), ("2024-03-02", 4.0)):
        written(profiles, "marts.items", "", night, n={"rows": 3, "mean": mean, "top": {"a": 0.5}})

    assert [(p.day, p.mean) for p in profiles.trend("marts.items", "n")] == [
        ("2024-03-01", 1.0),
        ("2024-03-02", 4.0),
    ]
    assert profiles.trend("marts.items", "n")[0].top == [("a", 0.5)]
    assert profiles.noted()[Part("marts.items", "", "2024-03-01")] == Noted("run-2024-03-01", "of 2024-03-01")


def test_what_is_personal_keeps_its_counts_alone(profiles: Profiles) -> None:
    counts = {"rows": 3, "nulls": 1, "approx_distinct": 2}
    written(profiles, "raw.sales", "2024-03-01", "2024-03-09", item={**counts, "min": "zoe", "top": {"zoe": 1}})

    profiles.hide([("raw.sales", "item")])

    (row,) = [row for row in profiles.rows(list(profiles.noted())) if row.column_name]
    assert json.loads(row.facts) == counts


def test_profiles_of_one_table_or_of_all_are_forgotten(profiles: Profiles) -> None:
    for table in ("raw.a", "raw.b", "raw.c"):
        written(profiles, table, "", "2024-03-01")

    profiles.forget(["raw.a"])
    assert {part.table_name for part in profiles.noted()} == {"raw.b", "raw.c"}
    profiles.forget()
    assert profiles.noted() == {}


def test_a_fact_of_a_later_etl_is_passed_over(profiles: Profiles) -> None:
    written(profiles, "raw.a", "", "2024-03-01", n={"rows": 1, "skewness": 3})
    assert [p.rows for p in profiles.newest("raw.a")] == [3, 1]


def test_a_picture_is_the_same_whether_its_bars_were_kept_or_not(tmp_path):
    profiles = Profiles(Ledger(tmp_path / "ledger.sqlite"))
    of_numbers = {"rows": 9, "nulls": 1, "approx_distinct": 8, "min": "1", "max": "9"}
    of_numbers["quantiles"] = [1, 2, 2, 2, 9]
    of_texts = {"rows": 9, "nulls": 0, "approx_distinct": 2, "top": {"a": 0.75, "b": 0.25}}
    hidden = {"rows": 9, "nulls": 0, "approx_distinct": 3}
    facts = {"id": of_numbers, "item": of_texts, "email": hidden}

    def rows(is_kept):
        kept = {name: {**one, "bars": bars_of(one)} if is_kept else one for name, one in facts.items()}
        return [
            Row("raw.a", "2024-03-01", name, "run", "2024-03-01", json.dumps(one))
            for name, one in {"": {"rows": 9}, **kept}.items()
        ]

    profiles.replace([], rows(is_kept=False))
    before = profiles.drawn()
    profiles.replace([], rows(is_kept=True))

    assert (
        before
        == profiles.drawn()
        == [
            ("raw.a", "email", [9, 0, 3, None, None, None, ""]),
            ("raw.a", "id", [9, 1, 8, "1", "9", None, "29000000000000"]),
            ("raw.a", "item", [9, 0, 2, None, None, {"a": 0.75, "b": 0.25}, "93"]),
        ]
    )
    profiles.hide([("raw.a", "id")])
    assert ("raw.a", "id", [9, 1, 8, None, None, None, ""]) in profiles.drawn()
