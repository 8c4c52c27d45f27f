"""Masks: what is written of a column that holds personal data, in SQL and, for raw texts, in Python.

Rules and `unique` see the value itself; the mask is applied to what is written. The key is never part of SQL
text, which DuckDB's errors print: it goes to the connection as session variables.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl.engine.memory import is_out_of_memory
from etl.engine.quoting import literal
from etl.errors import ConfigError, EtlError, is_full_disk, plain

if TYPE_CHECKING:
    import duckdb

    from etl.contract.contract import Column, Contract

#: The environment variable that holds the key of all hashes of a project.
KEY_VARIABLE = "ETL_MASK_KEY"
#: The kinds of masks, by what they leave.
MASKS = {
    "hash": "HMAC-SHA256 of the text in hex: equal values stay equal, in all sources",
    "partial": "*** and the last 4 characters of a text of more than 8, *** of any other; of a date its year",
    "drop": "null",
}
_LEAST_KEY_CHARACTERS, _LEAST_KEY_KINDS = 16, 8
_SHOWN_CHARACTERS = 4
_LONG_FROM_CHARACTERS = 9
_YEAR_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_DAY = re.compile(r"(\d{4})-\d\d-\d\d(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?", re.ASCII)
_HIDDEN = "***"
_INNER, _OUTER = "etl_mask_inner", "etl_mask_outer"
_BLOCK_BYTES = 64


def mask_problem(column: Column, is_partition: bool = False) -> str:
    """Return why a source cannot mask this column, and what to do, as the end of a sentence; empty if it can."""
    if not column.pii:
        return ""
    if is_partition:
        return (
            "names the partition, which cannot be masked. Give the source a partition= that is not personal data"
        )
    if column.pii == "hash" and column.type != "VARCHAR":
        return f'is {column.type}, and a hash is text. Declare it as str, or use "pii": "partial" or "drop"'
    if column.pii == "partial" and column.type not in ("VARCHAR", *_YEAR_TYPES):
        return f'is {column.type}, and no part of that can be shown. Declare it as str, or use "pii": "drop"'
    if column.pii == "drop" and not column.nullable:
        return "is dropped as personal data, so it is null in the lake. Declare it with nullable=True"
    return ""


def require_key(contract: Contract, environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the key of the hashes, None for a contract without any; ConfigError if it is missing or short."""
    hashed = [repr(column.name) for column in contract.columns if column.pii == "hash"]
    if not hashed:
        return None
    key = environment.get(KEY_VARIABLE, "")
    state = "" if key else "is not set"
    if key and len(key) < _LEAST_KEY_CHARACTERS:
        state = f"has fewer than {_LEAST_KEY_CHARACTERS} characters"
    elif key and len(set(key)) < _LEAST_KEY_KINDS:
        state = f"has fewer than {_LEAST_KEY_KINDS} different characters, so it is easy to guess"
    if state:
        raise ConfigError(
            f"The environment variable {KEY_VARIABLE} {state}, but the contract {contract.name} masks "
            f"{', '.join(hashed)} with it. Nothing was written. Set it to a secret text of at least "
            f"{_LEAST_KEY_CHARACTERS} characters, the same every night, where the batch is started."
        )
    return os.fsencode(key)


def key_id(contract: Contract, environment: Mapping[str, str] = os.environ) -> str:
    """Return a short text that changes with the key, for the source's definition; empty where none is needed.

    Not the hash of any value: it can be written to the ledger.
    """
    key = require_key(contract, environment)
    return "" if key is None else hashlib.sha256(_digest(key, "etl")).hexdigest()[:12]


def prepare(con: duckdb.DuckDBPyConnection, key: bytes | None) -> None:
    """Give a connection the key; every cursor() of it needs its own.

    EXPLAIN and profiles of a statement that masks show the key: write neither down.
    """
    if key is not None:
        for name, pad in ((_INNER, 0x36), (_OUTER, 0x5C)):
            con.execute(f"set variable {name} = ?", [_padded(key, pad)])


def masked(value_sql: str, column: Column) -> str:
    """Return the expression of what may be written of a value, of the column's own type; null stays null.

    A hash needs a connection that prepare() has seen; on another, DuckDB raises an error.
    """
    if column.pii == "hash":
        inner = f"unhex(sha256({_key_part(_INNER)} || encode({value_sql})))"
        return f"case when {value_sql} is not null then sha256({_key_part(_OUTER)} || {inner}) end"
    if column.pii == "partial" and column.type in _YEAR_TYPES:
        return f"date_trunc('year', {value_sql})::{column.type}"
    if column.pii == "partial":
        end = f"case when length({value_sql}) >= {_LONG_FROM_CHARACTERS} then right({value_sql}, 4) else '' end"
        return f"case when {value_sql} is not null then {literal(_HIDDEN)} || {end} end"
    return f"null::{column.type}" if column.pii == "drop" else value_sql


def mask_text(text: str, column: Column, key: bytes | None) -> str:
    """Return what may be written of a raw cell's text, as masked() does of a value; dropped, it is empty.

    Of a date or timestamp that is not ISO 8601 nothing is left.
    """
    if column.pii == "hash":
        assert key is not None, f"no key for column {column.name}"
        return _digest(key, text).hex()
    if column.pii == "partial" and column.type in _YEAR_TYPES:
        found = _DAY.fullmatch(text)
        return f"{found[1]}-01-01{' 00:00:00' if found[2] else ''}" if found else _HIDDEN
    if column.pii == "partial":
        return _HIDDEN + (text[-_SHOWN_CHARACTERS:] if len(text) >= _LONG_FROM_CHARACTERS else "")
    return "" if column.pii == "drop" else text


def fingerprint_of(text: str, key: bytes) -> str:
    """Return a short keyed hash of a whole text, by which equal ones can be told without showing them."""
    return _digest(key, text).hex()[:12]


def disguised(sha256: str, contract: Contract, environment: Mapping[str, str] = os.environ) -> str:
    """Return what may be published of the SHA-256 of a delivery: keyed, if the contract has personal data.

    Who knows nearly all of a small file could find the rest by trying. Without a key it is empty.
    """
    if not any(column.pii for column in contract.columns):
        return sha256
    key = environment.get(KEY_VARIABLE, "")
    return _digest(os.fsencode(key), sha256).hex() if len(key) >= _LEAST_KEY_CHARACTERS else ""


def withheld(contract: Contract, error: BaseException) -> str:
    """Return what may be said of an error of DuckDB's: without its text, which can quote a masked value."""
    is_known = isinstance(error, EtlError | OSError) or is_full_disk(error) or is_out_of_memory(error)
    if is_known or not any(column.pii for column in contract.columns):
        return plain(str(error))
    columns = ", ".join(repr(column.name) for column in contract.columns if column.pii)
    return (
        f"{type(error).__name__}. Its text is withheld, since it may quote the personal data of {columns}. "
        "Check the rules in SQL: use try_cast where a text may not be a value"
    )


def _key_part(name: str) -> str:
    remedy = literal("etl: this connection has no key for masks: call prepare() on it")
    return f"coalesce(getvariable({literal(name)}), error({remedy}))::blob"


def _padded(key: bytes, pad: int) -> bytes:
    block = hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key
    return bytes(byte ^ pad for byte in block.ljust(_BLOCK_BYTES, b"\0"))


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
