"""Files of Debezium in any order of days and lines: merge and scd2 hold what a replay by hand holds."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support import tiny
from tests.support.thorough import examples

CONTRACTS = """
import pandera.pandas as pa
from etl import Debezium, Source

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)
    deleted: bool = pa.Field(alias="_deleted")
    position: str = pa.Field(alias="_position")
    committed_at: str = pa.Field(alias="_committed_at")

sales = Source(contract=Sales, files="sales/{date}.jsonl", format=Debezium(), same_content="allow")
"""
HEAD = "-- key: id\n-- order: _position\n-- deletes: _deleted\n"
DAILY = "-- partition: delivery_date\n"
SELECT = "select id, item, _position, _deleted, delivery_date from raw.sales"
MODELS = {
    "marts/sales.sql": f"-- materialized: merge\n{HEAD}{SELECT}",
    "marts/sales_by_day.sql": f"-- materialized: merge\n{HEAD}{DAILY}{SELECT}",
    "marts/versions.sql": f"-- materialized: scd2\n{HEAD}{DAILY}{SELECT}",
    "marts/moments.sql": f"-- materialized: scd2\n-- valid_from: changed_at\n{HEAD}{DAILY}"
    + SELECT.replace("item", "item, left(_committed_at, 26)::timestamp as changed_at", 1),
}
FIRST, END = datetime(2024, 3, 1, 8), date(9999, 12, 31)
#: What is done to which key, after so many days, and whether a write says another item.
STEPS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["write", "write", "delete"]), st.integers(0, 1), st.booleans()),
    min_size=1,
    max_size=14,
)
#: A change of a row: its key, what it holds then (None: it is deleted), and when.
Change = tuple[int, str | None, datetime]


def changes_of(steps: Sequence[tuple[int, str, int, bool]]) -> list[Change]:
    """Return what happens to the rows of a table: no row is deleted that is not there."""
    table: dict[int, str] = {}
    found: list[Change] = []
    day = 0
    for number, (key, what, days, is_other) in enumerate(steps):
        day += days
        at = FIRST + timedelta(days=day, seconds=number)
        if what == "write":
            table[key] = f"item {number}" if is_other or key not in table else table[key]
            found.append((key, table[key], at))
        elif key in table:
            del table[key]
            found.append((key, None, at))
    return found


def lines_of(changes: Sequence[Change]) -> Mapping[date, list[Any]]:
    """Return the envelopes of each day."""
    held: dict[int, str] = {}
    found: dict[date, list[Any]] = defaultdict(list)
    for number, (key, item, at) in enumerate(changes):
        old = {"id": key, "item": held[key]} if key in held else None
        new = {"id": key, "item": item} if item is not None else None
        source = {"connector": "postgresql", "lsn": 1000 + number, "txId": 5}
        source["ts_ms"] = round((at - datetime(1970, 1, 1)).total_seconds() * 1000)
        op = "d" if new is None else "u" if old else "c"
        found[at.date()].append({"before": old, "after": new, "op": op, "source": source})
        if item is None:
            found[at.date()].append(None)
            del held[key]
        else:
            held[key] = item
    return found


def versions(changes: Sequence[Change], by_day: bool) -> set[tuple[Any, ...]]:
    """Return each version of each key: its item, and since when until when it held; of a day the last counts."""
    last: dict[int, dict[Any, str | None]] = defaultdict(dict)
    for key, item, at in changes:
        last[key][at.date() if by_day else at] = item
    found = set()
    end: Any = END if by_day else datetime(END.year, END.month, END.day)
    for key, at_times in last.items():
        times = sorted(at_times)
        # a version begins where the item is another one than before
        begins = [t for n, t in enumerate(times) if n == 0 or at_times[t] != at_times[times[n - 1]]]
        for n, begin in enumerate(begins):
            if at_times[begin] is not None:
                found.add((key, at_times[begin], begin, begins[n + 1] if n + 1 < len(begins) else end))
    return found


@given(steps=STEPS, random=st.randoms(use_true_random=False))
# a row is deleted on the second day, whose file comes before that of the first
@example(steps=[(1, "write", 0, True), (1, "delete", 1, True)], random=None)
@settings(max_examples=examples(8), deadline=None)
def test_models_hold_what_a_replay_holds_whatever_the_order_of_days(steps, random, tmp_path_factory) -> None:
    changes = changes_of(steps)
    by_day = lines_of(changes)
    days = sorted(by_day, reverse=True)
    if random is not None:
        random.shuffle(days)
    project = tiny.project(tmp_path_factory.mktemp("shop"), CONTRACTS, MODELS, {})
    while days:
        # one night takes the files of some days
        taken = 1 if random is None else random.randint(1, len(days))
        for day in days[:taken]:
            lines = [json.dumps(one) for one in by_day[day]]
            if random is not None:
                random.shuffle(lines)
            tiny.deliver(project, {f"sales/{day}.jsonl": "".join(f"{line}\n" for line in lines)})
        days = days[taken:]
        tiny.night(project)
    if not changes:
        return
    table = {}
    for key, item, _ in changes:
        table[key] = item
    table = {key: item for key, item in table.items() if item is not None}
    for name in ("marts.sales", "marts.sales_by_day"):
        assert dict(tiny.published(project, f"select id, item from {name}")) == table, name
    for name, of_days in (("marts.versions", True), ("marts.moments", False)):
        found = tiny.published(project, f"select id, item, valid_from, valid_to from {name}")
        assert len(found) == len(set(found)) and set(found) == versions(changes, of_days), name
        current = tiny.published(project, f"select id, item from {name} where is_current")
        assert dict(current) == table, name
