"""A profile says what plain arithmetic over the rows says; personal data is counted, whatever model it is in."""

import math
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.ledger import Ledger
from etl.ledger.profiles import Profiles
from etl.models.kinds import KINDS
from tests.operations.test_kinds import CONTRACTS, FEED
from tests.stages.audited.test_measured import VALUES, facts
from tests.support import tiny
from tests.support.kinds import SAMPLES, TRIED
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

#: By type, what values are drawn, how one is written as SQL, and as text in a profile.
DRAWN: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], str]]] = {
    **{
        name: (st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), str)
        for name, bits in {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "HUGEINT": 120}.items()
    },
    **{
        name: (st.integers(0, 2**bits - 1), str)
        for name, bits in {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 120}.items()
    },
    "DECIMAL(9,2)": (st.decimals(-9_999_999, 9_999_999, places=2), lambda value: f"{value:.2f}"),
    "BOOLEAN": (st.booleans(), lambda value: str(value).lower()),
    "DATE": (st.dates(date(1, 1, 1), date(9999, 12, 31)), str),
    "TIMESTAMP": (st.datetimes(), lambda value: _moment(value)),
    "TIMESTAMP WITH TIME ZONE": (
        st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
        lambda value: _moment(value.replace(tzinfo=None)),
    ),
}


def _moment(value: datetime) -> str:
    return str(value) if not value.microsecond else str(value).rstrip("0")


def sql(type: str, value: Any) -> str:
    return "null" if value is None else f"'{value}'::{type}"


def quantiles(values: Sequence[Any]) -> list[Any]:
    return [values[max(0, -(-step * len(values) // 20) - 1)] for step in range(21)]


@pytest.mark.parametrize("type", DRAWN)
@given(data=st.data())
@settings(max_examples=examples(6), deadline=None)
def test_each_fact_is_what_plain_arithmetic_says(type: str, data: st.DataObject) -> None:
    strategy, text = DRAWN[type]
    values = data.draw(st.lists(st.none() | strategy, max_size=30))

    found = facts({"x": type}, [[sql(type, value)] for value in values])["x"]

    known = sorted(value for value in values if value is not None)
    assert (found["rows"], found["nulls"]) == (len(values), len(values) - len(known))
    assert bool(known) <= found["approx_distinct"] <= len(known)
    if not known:
        assert found.keys() == {"rows", "nulls", "approx_distinct"}
        return
    assert (found["min"], found["max"], found["sampled"]) == (text(known[0]), text(known[-1]), len(known))
    if isinstance(known[0], bool):
        assert found["top"] == pytest.approx({text(v): known.count(v) / len(known) for v in known})
        assert found["mean"] == pytest.approx(sum(known) / len(known))
    elif isinstance(known[0], int | Decimal):
        largest = max(map(abs, known))
        numbers = list(map(float, known))
        near = {"rel": 1e-8, "abs": 1e-6 * float(largest)}
        assert found["mean"] == pytest.approx(float(sum(known) / len(known)), **near)
        assert found["std"] == pytest.approx(
            statistics.pstdev(map(int, known))
            if type != "DECIMAL(9,2)"
            else math.sqrt(statistics.pvariance(known)),
            **near,
        )
        assert list(map(float, found["quantiles"])) == pytest.approx(quantiles(numbers), rel=1e-8)
    else:
        assert found["quantiles"] == [text(value) for value in quantiles(known)]
        assert "mean" not in found


@pytest.mark.parametrize("type", VALUES)
def test_of_personal_data_of_every_type_there_are_counts_only(type: str) -> None:
    rows = [[f"({value})::{type}", "1"] for value in VALUES[type]] + [["null", "2"]]

    found = facts({"X": type, "n": "INTEGER"}, rows, personal=frozenset({"x"}))

    assert found["X"].keys() == {"rows", "nulls", "approx_distinct"}
    assert found["n"]["max"] == "2"


def test_what_is_personal_in_a_delivery_is_counted_only_through_every_kind_of_model(tmp_path: Path) -> None:
    tagged = CONTRACTS.replace("city: str", "city: str = pa.Field(metadata={'pii': 'partial'})")
    tagged = tagged.replace("note: str", "note: str = pa.Field(metadata={'pii': 'partial'})")
    feed = {name: text.replace("Ulm", "canary-Ulm").replace(",a\n", ",canary-a\n") for name, text in FEED.items()}
    project = tiny.project(tmp_path, tagged, dict(SAMPLES[kind] for kind in TRIED), feed)
    tiny.night(project, date(2024, 3, 2))

    profiles = Profiles(Ledger(project.ledger))
    held = {"raw.feed": ("city", "note"), "marts.table": ("city",)}
    held |= dict.fromkeys(("marts.merge", "marts.scd2"), ("city", "note"))
    for table, columns in held.items():
        for column in columns:
            for found in profiles.trend(table, column):
                said = {name for name, value in vars(found).items() if value not in (None, (), [], {}, "")}
                assert said <= {
                    *("table_name", "column_name", "partition", "batch_date", "run_id"),
                    *("rows", "nulls", "approx_distinct"),
                }, (table, column)
            assert profiles.trend(table, column), (table, column)
    profiled = {part.table_name for part in profiles.noted()}
    assert profiled == {"raw.feed", *(f"marts.{kind}" for kind in TRIED if KINDS[kind].is_stored)}
    quoted = "select count(*) from etl.profiles as p where p::varchar like '%canary%'"
    assert tiny.published(project, quoted) == [(0,)]
    assert not [row for row in profiles.rows(list(profiles.noted())) if "canary" in row.facts]
