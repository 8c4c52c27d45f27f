"""Changes as Debezium writes them: the row, what was done, and where it lies in the log."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import Debezium
from etl.sources.formats.envelopes import POSITIONS, UNAVAILABLE, plain, position
from etl.sources.formats.json_values import single
from tests.support import tiny
from tests.support.thorough import examples

COLUMNS = ["id", "item", "_op", "_deleted", "_position", "_xid", "_committed_at"]
SOURCE = {"connector": "postgresql", "lsn": 24_023_128, "txId": 555, "ts_ms": 1_709_251_200_123}


def change(op: str = "c", row: Any = None, **more: Any) -> dict[str, Any]:
    """Return an envelope; the row is that before a delete, else that after."""
    row = {"id": 1, "item": "book"} if row is None else row
    images = {"before": row, "after": None} if op == "d" else {"before": None, "after": row}
    return {**images, "source": SOURCE, "op": op, "ts_ms": 1, **more}


def opened(tmp_path: Path, *records: Any, columns: list[str] = COLUMNS, **options: Any):
    file = tmp_path / "changes.jsonl"
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return Debezium(**options).open(file, columns, tmp_path / "cells")


def cells(tmp_path: Path, *records: Any, columns: list[str] = COLUMNS, **options: Any) -> list[tuple[Any, ...]]:
    """Return the cells of the sound records, and the problems of the broken ones."""
    found = opened(tmp_path, *records, columns=columns, **options)
    names = ", ".join(f'"{name}"' for name in columns)
    with tiny.memory() as con:
        relation = found.reader.relation([found.file], [*found.columns])
        rows = con.execute(f"select {names} from {relation}").fetchall() if found.sound else []
    return [*rows, *((fault.problem,) for fault in found.faults())]


@pytest.mark.parametrize(("op", "word", "deleted"), [
    ("c", "insert", "false"), ("u", "update", "false"), ("r", "snapshot", "false"), ("d", "delete", "true"),
])  # fmt: skip
def test_a_change_is_the_row_that_it_left_or_deleted(tmp_path: Path, op: str, word: str, deleted: str) -> None:
    (row,) = cells(tmp_path, change(op))
    at = "2024-03-01 00:00:00.123000+00"
    assert row == ("1", "book", word, deleted, "00000000000024023128", "555", at)


def test_a_schema_around_it_changes_nothing(tmp_path: Path) -> None:
    whole = {"schema": {"type": "struct", "fields": []}, "payload": change()}
    assert cells(tmp_path, whole) == cells(tmp_path, change())


def test_tombstones_and_messages_are_no_records(tmp_path: Path) -> None:
    message = {"op": "m", "source": SOURCE, "message": {"prefix": "x", "content": "eA=="}}
    found = opened(tmp_path, change("d"), None, {"schema": None, "payload": None}, message)
    assert (found.sound, found.broken, found.skipped, found.lines) == (1, 0, 3, 4)


@pytest.mark.parametrize("aside", [
    {"ts_ms": 1},
    {"source": SOURCE, "ddl": "alter table orders add note text", "tableChanges": []},
    {"status": "BEGIN", "id": "571", "event_count": None, "ts_ms": 1},
])  # fmt: skip
def test_heartbeats_ddl_and_ends_of_transactions_are_no_records(tmp_path: Path, aside: Any) -> None:
    found = opened(tmp_path, change(), aside, {"schema": None, "payload": aside})
    assert (found.sound, found.broken, found.skipped) == (1, 0, 2)


def test_a_change_of_another_table_is_no_row_of_this_one(tmp_path: Path) -> None:
    first, other = ({**SOURCE, "db": "shop", "schema": "public", "table": name} for name in ("orders", "items"))
    records = [change(source=first), change(row={"id": 9, "item": "x"}, source=other)]
    names = ["id", "item"]
    sound, (problem,) = cells(tmp_path, *records, columns=names)
    assert sound == ("1", "book")
    assert problem.startswith("it is of the table shop.public.items, and the first change of shop.public.orders: ")
    for named in ("items", "public.items", "shop.public.items", ["pub*.it*"]):
        assert cells(tmp_path, *records, columns=names, table=named) == [("9", "x")]
    assert len(cells(tmp_path, *records, columns=names, table=["orders", "items"])) == 2


def test_a_value_that_the_log_does_not_tell_is_that_of_before_if_it_is_there(tmp_path: Path) -> None:
    record = {**change("u", row={"id": 1, "item": UNAVAILABLE}), "before": {"id": 1, "item": "book"}}
    assert cells(tmp_path, record, columns=["id", "item"]) == [("1", "book")]


@pytest.mark.parametrize("broken", [5, None, [7], {"a": 1}, [{"field": "after", "fields": 5}]])
@pytest.mark.parametrize("ts_ms", [10**20, 10**400, 1.5, "soon", None])
def test_a_schema_or_a_time_that_is_none_stops_nothing(tmp_path: Path, broken: Any, ts_ms: Any) -> None:
    record = {"schema": {"fields": broken}, "payload": change(source={**SOURCE, "ts_ms": ts_ms})}
    assert cells(tmp_path, record, columns=["id", "item", "_committed_at"]) == [("1", "book", None)]


@given(number=st.integers(-(2**200), 2**200), scale=st.integers(0, 40))
def test_a_decimal_of_any_length_keeps_all_of_its_digits(number: int, scale: int) -> None:
    written = base64.b64encode(number.to_bytes(26, "big", signed=True)).decode()
    whole, _, rest = plain(written, DECIMAL, {"scale": str(scale)}).partition(".")
    assert (int(whole + rest), len(rest)) == (number, scale)
    assert whole.startswith("-") == (number < 0)


def test_a_truncated_table_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="line 2 says that the table was truncated"):
        opened(tmp_path, change(), {"op": "t", "source": SOURCE})


@pytest.mark.parametrize(("record", "problem"), [
    (7, "it is a number, not an envelope of Debezium"),
    ({"id": 1, "item": "book"}, "it has no op, as an envelope of Debezium has: was it unwrapped"),
    (change("x"), "op 'x' is not one of c, u, d, r"),
    (change("c", row=[1]), "after is a list, not the row"),
    ({**change("u"), "after": None}, "after is null, not the row"),
    ({**change("d"), "before": None}, "before is null, not the row. Let the table have a key"),
    (change("u", row={"id": 1, "item": UNAVAILABLE}), "the log does not tell item, which stayed as it was"),
    (change("u", row={"id": 1, "item": ["a", UNAVAILABLE]}), "the log does not tell item"),
    (change("u", row={"id": 1, "item": base64.b64encode(UNAVAILABLE.encode()).decode()}), "the log does not tell"),
    (change(source={"connector": "mongodb"}), "the connector 'mongodb' is not known: say where its position is"),
    (change(source={}), "the connector None is not known"),
    (change(source={**SOURCE, "lsn": None}), "it has no source.lsn, which tells the order of changes"),
    (change(row={"id": 1, "_op": "x"}), "the table has a column _op of its own"),
])  # fmt: skip
def test_what_a_change_does_not_tell_is_a_broken_record(tmp_path: Path, record: Any, problem: str) -> None:
    sound, (found,) = cells(tmp_path, change(), record)
    assert sound[0] == "1"
    assert found.startswith(problem)


def test_without_its_columns_nothing_about_a_change_is_asked_for(tmp_path: Path) -> None:
    assert cells(tmp_path, change(source={"connector": "mongodb"}), columns=["id", "item"]) == [("1", "book")]


def test_a_position_may_be_said(tmp_path: Path) -> None:
    records = [change(source={"connector": "mongodb", "ord": number, "ts_ms": 1}) for number in (9, 10)]
    rows = cells(tmp_path, *records, columns=["id", "_position"], position=["source.ts_ms", "source.ord"])
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    assert len({row[1] for row in rows}) == 2


#: Of each connector, places in its log in the order in which they are written.
LOGS: Mapping[str, list[dict[str, Any]]] = {
    "postgresql": [{"lsn": 9}, {"lsn": 10}, {"lsn": 24_023_128}, {"lsn": 9_007_199_254_740_993}],
    "mysql": [
        {"file": "bin.000009", "pos": 99, "row": 0},
        {"file": "bin.000009", "pos": 99, "row": 10},
        {"file": "bin.000009", "pos": 100, "row": 2},
        {"file": "bin.000010", "pos": 4, "row": 0},
    ],
    "sqlserver": [
        {"commit_lsn": "00000027:00000758:0005", "change_lsn": None, "event_serial_no": None},
        {"commit_lsn": "00000027:00000758:0005", "change_lsn": "00000027:00000758:0003", "event_serial_no": 1},
        {"commit_lsn": "00000027:00000758:0005", "change_lsn": "00000027:00000758:0003", "event_serial_no": 2},
        {"commit_lsn": "00000028:00000008:0001", "change_lsn": "00000027:00000758:0003", "event_serial_no": 1},
    ],
    "oracle": [
        {"commit_scn": "99", "scn": "98"},
        {"commit_scn": "100", "scn": "9"},
        {"commit_scn": "100", "scn": "50"},
    ],
    "db2": [{"commit_lsn": "00:01", "change_lsn": None}, {"commit_lsn": "00:01", "change_lsn": "00:02"}],
}
LOGS |= {"mariadb": LOGS["mysql"]}


@pytest.mark.parametrize("connector", POSITIONS)
def test_of_every_connector_positions_sort_as_its_log_does(connector: str) -> None:
    envelopes = [single(json.dumps({"source": {"connector": connector, **place}})) for place in LOGS[connector]]
    found = [position(envelope, ()) for envelope in envelopes]
    assert found == sorted(found)
    assert len(set(found)) == len(found)


DECIMAL = "org.apache.kafka.connect.data.Decimal"


def base64_of(number: int) -> str:
    return base64.b64encode(number.to_bytes(8, "big", signed=True)).decode()


@pytest.mark.parametrize(("type", "value", "text"), [
    ({"name": "io.debezium.time.Date"}, 19_783, "2024-03-01"),
    ({"name": "org.apache.kafka.connect.data.Date"}, -1, "1969-12-31"),
    ({"name": "io.debezium.time.Timestamp"}, 1_709_251_200_123, "2024-03-01 00:00:00.123000"),
    ({"name": "org.apache.kafka.connect.data.Timestamp"}, 0, "1970-01-01 00:00:00.000000"),
    ({"name": "io.debezium.time.Timestamp"}, -62_135_596_800_000, "0001-01-01 00:00:00.000000"),
    ({"name": "io.debezium.time.MicroTimestamp"}, 1_709_251_200_123_456, "2024-03-01 00:00:00.123456"),
    ({"name": "io.debezium.time.NanoTimestamp"}, 1_709_251_200_123_456_000, "2024-03-01 00:00:00.123456"),
    ({"name": "io.debezium.time.Time"}, 3_723_004, "01:02:03.004000"),
    ({"name": "org.apache.kafka.connect.data.Time"}, 0, "00:00:00.000000"),
    ({"name": "io.debezium.time.MicroTime"}, 3_723_000_004, "01:02:03.000004"),
    ({"name": "io.debezium.time.NanoTime"}, 3_723_000_004_000, "01:02:03.000004"),
    ({"name": "io.debezium.time.ZonedTimestamp"}, "2024-03-01T00:00:00.5Z", "2024-03-01T00:00:00.5Z"),
    ({"name": DECIMAL, "parameters": {"scale": "2"}}, base64_of(-12_345), "-123.45"),
    ({"name": DECIMAL, "parameters": {"scale": "0"}}, base64_of(7), "7"),
    ({"name": "io.debezium.data.VariableScaleDecimal"}, {"scale": 3, "value": base64_of(5)}, "0.005"),
    ({"type": "bytes"}, "AP8=", "\\x00\\xff"),
    ({"type": "string"}, "AP8=", "AP8="),
    ({"name": "io.debezium.time.Date"}, None, None),
])  # fmt: skip
def test_with_its_schema_a_value_is_its_text(
    tmp_path: Path, type: dict[str, Any], value: Any, text: str | None
) -> None:
    fields = [{"field": "id", "type": "int32"}, {"field": "item", **type}]
    schema = {"fields": [{"field": "before", "fields": fields}, {"field": "after", "fields": fields}]}
    for op in ("c", "d"):
        record = {"schema": schema, "payload": change(op, row={"id": 1, "item": value})}
        assert cells(tmp_path, record, columns=["id", "item"]) == [("1", text)]


@pytest.mark.parametrize(("type", "value"), [
    ("io.debezium.time.Date", "2024-03-01"),
    ("io.debezium.time.NanoTimestamp", 1),
    ("io.debezium.time.Date", 10**12),
    ("io.debezium.time.MicroTime", 25 * 3_600_000_000),
    ("io.debezium.time.Time", -1),
    ("io.debezium.data.VariableScaleDecimal", {"scale": 999_999_999, "value": "AQ=="}),
    ("io.debezium.data.VariableScaleDecimal", {"scale": 0, "value": "A" * 4000}),
    ("org.apache.kafka.connect.data.Decimal", "***"),
])  # fmt: skip
def test_a_value_that_its_schema_cannot_mean_is_a_broken_record(tmp_path: Path, type: str, value: Any) -> None:
    fields = [{"field": "item", "name": type, "parameters": {"scale": "2"}}]
    record = {"schema": {"fields": [{"field": "after", "fields": fields}]}, "payload": change(row={"item": value})}
    ((problem,),) = cells(tmp_path, record, columns=["item"])
    assert problem.endswith(f" is not a value of {type}")


def test_a_mask_leaves_no_copy_of_a_value_in_a_record() -> None:
    source = {**SOURCE, "query": "update people set name = 'lynx' where id = 1"}
    record = {**change("u", row={"id": 1, "item": "lynx"}, source=source), "before": {"id": 1, "item": "lynx 0"}}
    text = Debezium().redacted(json.dumps(record), ["id", "item"], {"item": lambda text: f"masked {len(text)}"})
    assert text and "lynx" not in text
    envelope = json.loads(text)
    assert (envelope["before"]["item"], envelope["after"]["item"]) == ("masked 6", "masked 4")


def test_a_mask_finds_a_column_by_its_path_too() -> None:
    record = change("u", row={"id": 1, "who": {"name": "lynx"}})
    fmt = Debezium(paths={"item": "who.name"})
    text = fmt.redacted(json.dumps(record), ["id", "item"], {"item": lambda text: "*"})
    assert text and json.loads(text)["after"]["who"] == {"name": "*"}


def test_a_record_alone_is_read_as_text_of_no_archive() -> None:
    alone = Debezium(encoding="utf-16", member="a.jsonl").record_format(COLUMNS)
    assert (alone.encoding, alone.compression, alone.member) == ("utf-8", "none", "")


@pytest.mark.parametrize(("options", "message"), [
    ({"header": True}, "envelopes are objects"),
    ({"unavailable": ""}, "unavailable=...) is a text"),
    ({"position": [""]}, "position=...) is a path"),
    ({"paths": {"item": "../item"}}, "leads above the record"),
])  # fmt: skip
def test_a_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message.replace(".", r"\.").replace(")", r"\)")):
        Debezium(**options)


CONTRACTS = """
import pandera.pandas as pa
from etl import Debezium, Source

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)
    deleted: bool = pa.Field(alias="_deleted")
    position: str = pa.Field(alias="_position")

sales = Source(contract=Sales, files="sales/{date}.jsonl", format=Debezium(), same_content="allow")
"""
MERGE = """-- materialized: merge
-- key: id
-- order: _position
-- deletes: _deleted
select id, item, _position, _deleted from raw.sales
"""
STEPS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["write", "delete"])), min_size=1, max_size=20)


@given(steps=STEPS, days=st.integers(1, 3), random=st.randoms(use_true_random=False))
@settings(max_examples=examples(15))
def test_a_merge_of_changes_is_the_table(steps, days, random, tmp_path_factory) -> None:
    table, written = {}, []
    for number, (key, what) in enumerate(steps):
        source = {**SOURCE, "lsn": 1000 + number}
        if what == "delete" and key in table:
            written += [change("d", row={"id": key, "item": table.pop(key)}, source=source), None]
        elif what == "write":
            op = "u" if key in table else "c"
            table[key] = f"item {number}"
            written.append(change(op, row={"id": key, "item": table[key]}, source=source))
    parts = [written[day::days] for day in range(days)]
    for part in parts:
        # the lines of a file may lie in any order, and the files of days too
        random.shuffle(part)
    raw = {
        f"sales/2024-03-{day:02}.jsonl": "".join(f"{json.dumps(record)}\n" for record in part)
        for day, part in enumerate(parts, 1)
        if any(part)
    }
    project = tiny.project(tmp_path_factory.mktemp("shop"), CONTRACTS, {"marts/sales.sql": MERGE}, raw)
    if not raw:
        return
    tiny.night(project)
    assert dict(tiny.published(project, "select id, item from marts.sales")) == table
