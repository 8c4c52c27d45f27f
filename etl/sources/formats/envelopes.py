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
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def payload(value: Any) -> dict[str, Any] | None:
    """Return the envelope of a record, with its schema or without; None for a tombstone. Raises Malformed."""
    if isinstance(value, dict) and "payload" in value and "op" not in value:
        value = value["payload"]
    if value is None:
        # it follows a delete, which says all
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
    if not isinstance(found, Number):
        return None
    return _timestamp(timedelta(milliseconds=int(found)))


def transaction(envelope: Mapping[str, Any]) -> Any:
    """Return the transaction of a change; None if that is not said."""
    found = _at(envelope, "source.txId")
    return _at(envelope, "transaction.id") if found is None else found


def lacking(row: Mapping[str, Any], stands_for: str) -> list[str]:
    """Return the columns of a row whose value the log does not tell."""
    texts = {stands_for, base64.b64encode(stands_for.encode()).decode()}
    return [name for name, value in row.items() if _stands_in(value, texts)]


def types(value: Any, name: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the type of each column of `before` or `after`, and its parameters, if the record has its schema."""
    schema = value.get("schema") if isinstance(value, dict) else None
    parts = schema.get("fields", ()) if isinstance(schema, dict) else ()
    row = next((one for one in parts if isinstance(one, dict) and one.get("field") == name), {})
    found = {}
    for one in row.get("fields") or ():
        if isinstance(one, dict) and isinstance(one.get("field"), str):
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
    return f"{_EPOCH + since:%Y-%m-%d %H:%M:%S.%f}+00"


def _local(since: timedelta) -> str:
    """Return a timestamp without a zone: Debezium counts it as if it were in UTC."""
    return f"{_EPOCH + since:%Y-%m-%d %H:%M:%S.%f}"


def _time(since: timedelta) -> str:
    return f"{_EPOCH + since:%H:%M:%S.%f}"


def _exact(value: Any, per_microsecond: int) -> timedelta:
    count = _number(value)
    if count % per_microsecond:
        raise ValueError
    return timedelta(microseconds=count // per_microsecond)


def _decimal(value: Any, scale: int) -> str:
    unscaled = int.from_bytes(base64.b64decode(value, validate=True), "big", signed=True)
    return f"{Decimal(unscaled).scaleb(-scale):f}"


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
