"""Envelopes of Debezium: what a change did, the row that it left, and where it lies in the log."""

from __future__ import annotations

import base64
import re
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from etl.sources.formats.json_paths import kind_of, parse_path, part
from etl.sources.formats.json_values import Malformed, Number, dumped

#: What Debezium calls what was done, and the word for it here.
OPERATIONS = {"c": "insert", "u": "update", "d": "delete", "r": "snapshot"}
#: Those that change no row: a truncated table, and a message that somebody has put into the log.
TRUNCATE, MESSAGE = "t", "m"
#: What stands for a long value that the log does not tell, since it stayed as it was.
UNAVAILABLE = "__debezium_unavailable_value"

#: Where each connector says what tells which of two changes of a row is the later one.
POSITIONS: Mapping[str, tuple[str, ...]] = {
    "postgresql": ("source.lsn",),
    "mysql": ("source.file", "source.pos", "source.row"),
    "mariadb": ("source.file", "source.pos", "source.row"),
    "sqlserver": ("source.commit_lsn", "source.change_lsn", "source.event_serial_no"),
    "oracle": ("source.commit_scn", "source.scn", "source.redo_sql_sequence"),
    "db2": ("source.commit_lsn", "source.change_lsn"),
}
#: Numbers are written with so many digits, so that texts sort as they do.
_DIGITS = 20
#: No database has decimals of more bytes, or of a larger scale: a few characters would become millions.
_MOST_BYTES, _MOST_SCALE = 1000, 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def payload(value: Any) -> dict[str, Any] | None:
    """Return the envelope of a record, with its schema or without; None if it is about no row. Raises Malformed.

    That is a tombstone, a heartbeat, DDL, or the begin or end of a transaction.
    """
    if isinstance(value, dict) and "payload" in value and "op" not in value:
        value = value["payload"]
    if value is None or _is_aside(value):
        # a tombstone follows a delete, which says all
        return None
    if not isinstance(value, dict):
        raise Malformed(f"it is {kind_of(value)}, not an envelope of Debezium")
    if not isinstance(value.get("op"), str):
        raise Malformed("it has no op, as an envelope of Debezium has: was it unwrapped before it was written?")
    return value


def image(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row that a change left, or that it deleted. Raises Malformed if it is not there."""
    op = envelope["op"]
    name = "before" if op == "d" else "after"
    row = envelope.get(name)
    if not isinstance(row, dict):
        raise Malformed(
            f"{name} is {kind_of(row)}, not the row. Let the table have a key, or replica identity full"
            if op == "d"
            else f"{name} is {kind_of(row)}, not the row"
        )
    return row


def table_of(envelope: Mapping[str, Any]) -> str:
    """Return the table that a change is of, as `database.schema.table`; empty if that is not said."""
    source = envelope.get("source")
    parts = [part(source, step) for step in ("db", "schema", "table")]
    return ".".join(name for name in parts if isinstance(name, str) and name) if isinstance(parts[-1], str) else ""


def position(envelope: Mapping[str, Any], paths: Sequence[str]) -> str:
    """Return where a change lies in the log, as text that sorts. Raises Malformed if it is not said.

    `paths` lead to the values that tell, the first one first; without any, the connector's own are taken.
    """
    source = envelope.get("source")
    connector = source.get("connector") if isinstance(source, dict) else None
    chosen = tuple(paths) or POSITIONS.get(str(connector), ())
    if not chosen:
        raise Malformed(
            f"the connector {connector!r} is not known: say where its position is, Debezium(position=...)"
        )
    found = [_at(envelope, path) for path in chosen]
    if found[0] is None:
        raise Malformed(f"it has no {chosen[0]}, which tells the order of changes")
    # a sign before all digits, so that what is not said comes first
    return "-".join(_sorting(value) for value in found)


def committed_at(envelope: Mapping[str, Any]) -> str | None:
    """Return when a change was committed, in UTC; None if that is not said."""
    found = _at(envelope, "source.ts_ms")
    try:
        return _timestamp(timedelta(milliseconds=_number(found)))
    except (TypeError, ValueError, OverflowError):
        return None


def transaction(envelope: Mapping[str, Any]) -> Any:
    """Return the transaction of a change; None if that is not said."""
    found = _at(envelope, "source.txId")
    return _at(envelope, "transaction.id") if found is None else found


def kept(row: Mapping[str, Any], envelope: Mapping[str, Any], stands_for: str) -> dict[str, Any]:
    """Return a row with the values of before where the log does not tell those of after: they stayed."""
    before = envelope.get("before")
    left_out = lacking(row, stands_for) if isinstance(before, dict) else ()
    return {**row, **{name: before[name] for name in left_out if before and name in before}}


def lacking(row: Mapping[str, Any], stands_for: str) -> list[str]:
    """Return the columns of a row whose value the log does not tell."""
    texts = {stands_for, base64.b64encode(stands_for.encode()).decode()}
    return [name for name, value in row.items() if _stands_in(value, texts)]


def types(value: Any, name: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the type of each column of `before` or `after`, and its parameters, if the record has its schema."""
    schema = value.get("schema") if isinstance(value, dict) else None
    row = next((one for one in _fields(schema) if one.get("field") == name), {})
    found = {}
    for one in _fields(row):
        if isinstance(one.get("field"), str):
            said = one.get("name") or ("bytes" if one.get("type") == "bytes" else "")
            found[one["field"]] = (str(said), one.get("parameters") or {})
    return found


def plain(value: Any, type: str, parameters: Mapping[str, Any]) -> Any:
    """Return a value as a text that means the same without its schema; others as they are. Raises Malformed."""
    if value is None or type not in _PLAIN:
        return value
    try:
        return _PLAIN[type](value, parameters)
    except (ValueError, TypeError, KeyError, Base64Error, OverflowError, ArithmeticError):
        raise Malformed(f"{dumped(value)[:100]} is not a value of {type}") from None


def _is_aside(value: Any) -> bool:
    if not isinstance(value, dict) or "op" in value:
        return False
    is_ddl = "ddl" in value and "source" in value
    return value.keys() == {"ts_ms"} or is_ddl or (value.get("status") in ("BEGIN", "END") and "id" in value)


def _fields(schema: Any) -> list[dict[str, Any]]:
    found = schema.get("fields") if isinstance(schema, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _at(envelope: Mapping[str, Any], path: str) -> Any:
    value: Any = envelope
    for step in parse_path(path):
        value = part(value, step)
    return value


def _sorting(value: Any) -> str:
    """Return a value as text that sorts; hexadecimal numbers have one width, and others get it."""
    text = "" if value is None else value if isinstance(value, str) else dumped(value)
    return re.sub(r"(?:^|(?<=\.))\d+$", lambda number: number[0].zfill(_DIGITS), text)


def _stands_in(value: Any, texts: set[str]) -> bool:
    if isinstance(value, list):
        return any(_stands_in(item, texts) for item in value)
    return isinstance(value, str) and value in texts


def _number(value: Any) -> int:
    if not isinstance(value, Number):
        raise TypeError
    return int(value)


def _timestamp(since: timedelta) -> str:
    return f"{_local(since)}+00"


def _local(since: timedelta) -> str:
    """Return a timestamp without a zone: Debezium counts it as if it were in UTC."""
    # years before 1000 have four digits too
    return f"{_EPOCH + since:%Y-%m-%d %H:%M:%S.%f}".rjust(26, "0")


def _time(since: timedelta) -> str:
    if not timedelta(0) <= since < timedelta(days=1):
        raise ValueError  # MySQL has times of many hours, which are not times of a day
    return f"{_EPOCH + since:%H:%M:%S.%f}"


def _exact(value: Any, per_microsecond: int) -> timedelta:
    count = _number(value)
    if count % per_microsecond:
        raise ValueError
    return timedelta(microseconds=count // per_microsecond)


def _decimal(value: Any, scale: int) -> str:
    digits = base64.b64decode(value, validate=True)
    if not 0 < len(digits) <= _MOST_BYTES or abs(scale) > _MOST_SCALE:
        raise ValueError
    unscaled = Decimal(int.from_bytes(digits, "big", signed=True))
    # made of its digits: arithmetic would round to those of the context
    return f"{Decimal((*unscaled.as_tuple()[:2], -scale)):f}"


def _bytes(value: Any, _: Mapping[str, Any]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in base64.b64decode(value, validate=True))


#: How values of the types of Debezium and Kafka Connect are told as text.
_PLAIN: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    **dict.fromkeys(
        ("io.debezium.time.Date", "org.apache.kafka.connect.data.Date"),
        lambda value, _: str(date(1970, 1, 1) + timedelta(_number(value))),
    ),
    **dict.fromkeys(
        ("io.debezium.time.Timestamp", "org.apache.kafka.connect.data.Timestamp"),
        lambda value, _: _local(timedelta(milliseconds=_number(value))),
    ),
    "io.debezium.time.MicroTimestamp": lambda value, _: _local(timedelta(microseconds=_number(value))),
    "io.debezium.time.NanoTimestamp": lambda value, _: _local(_exact(value, 1000)),
    **dict.fromkeys(
        ("io.debezium.time.Time", "org.apache.kafka.connect.data.Time"),
        lambda value, _: _time(timedelta(milliseconds=_number(value))),
    ),
    "io.debezium.time.MicroTime": lambda value, _: _time(timedelta(microseconds=_number(value))),
    "io.debezium.time.NanoTime": lambda value, _: _time(_exact(value, 1000)),
    "org.apache.kafka.connect.data.Decimal": lambda value, told: _decimal(value, int(told["scale"])),
    "io.debezium.data.VariableScaleDecimal": lambda value, _: _decimal(value["value"], _number(value["scale"])),
    "bytes": _bytes,
}
