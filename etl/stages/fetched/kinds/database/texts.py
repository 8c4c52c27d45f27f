"""Rows of databases that are read as Python values: landed as the exact text of each value."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from etl.errors import FetchError
from etl.stages.fetched.kinds.database.catalogue import Chosen

#: So many rows make one batch.
ROWS = 20_000


def schema_of(chosen: Sequence[Chosen]) -> pa.Schema:
    """Return the schema of rows that are all text."""
    return pa.schema([pa.field(one.held.name, pa.string()) for one in chosen])


def batches(
    fetch: Callable[[int], Sequence[Sequence[Any]]], chosen: Sequence[Chosen], hexadecimal: str
) -> Generator[pa.RecordBatch, None, None]:
    """Yield the rows that `fetch` gives, so many at a time.

    Bytes in a text column are written in hexadecimal, after what the database puts before that.
    """
    schema = schema_of(chosen)
    while rows := fetch(ROWS):
        columns = [
            _column(values, one, hexadecimal) for values, one in zip(zip(*rows, strict=True), chosen, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(values: Sequence[Any], chosen: Chosen, hexadecimal: str) -> pa.Array:
    if not all(value is None or type(value) is str for value in values):
        values = [text_of(value, chosen, hexadecimal) for value in values]
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError as error:
        raise FetchError(
            f"Column {chosen.held.name!r} holds text that is not UTF-8. Have it corrected in the database, or "
            "fetch its bytes by a query."
        ) from error


def text_of(value: Any, chosen: Chosen, hexadecimal: str) -> str | None:
    """Return the exact text of a value."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return "".join(f"\\x{byte:02X}" for byte in value) if chosen.form == "bytes" else hexadecimal + value.hex()
    return exact(value)


def exact(value: Any) -> str:
    """Return the text of a value, which is that value and no other."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)
