"""What stands for the rows of a table: an aggregate that is equal for the same rows in any order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from etl.engine.exact import counted, words
from etl.engine.quoting import identifier, literal
from etl.ledger import digest

if TYPE_CHECKING:
    import duckdb

#: What sets the second hash of a row apart from the first.
_OTHER = "11400714819323198485::ubigint"


def row_hashes(con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[tuple[str, str]]) -> str:
    """Return the SQL of an aggregate over rows, a text: equal for the same rows in any order, and for no others.

    It is `<rows>-<columns>-<sum>-<sum>`: names and types of the columns in order, and the sums of two hashes of 64
    bits for each row. Either hash is made of all values of the row, as words that tell them apart; the second
    takes them in the opposite order and with a constant, so that one says nothing of the other. Both are mixed
    once more before they are summed: a plain hash() of several values is the xor of what it makes of each, and one
    in 10^8 exchanges of values between two rows would leave the sum as it was.

    Two tables that differ have the same text with a chance of 2^-128 (3 in 10^39), however many rows they have. Of
    10^9 different rows, any two have the same two hashes with a chance of 10^18 / 2^129 (2 in 10^21). That is by
    chance: it is no protection against somebody who computes such rows.
    """
    found = [words(con, type, identifier(name)) for name, type in counted(table, columns)]
    first = ", ".join([word for item in found for word in item.first] or ["0"])
    second = ", ".join([word for item in reversed(found) for word in item.second] or ["0"])
    sums = [f"coalesce(sum(hash({hashed})), 0)" for hashed in (f"hash({first})", f"xor(hash({second}), {_OTHER})")]
    return f"concat_ws('-', count(*), {literal(columns_print(tuple(columns)))}, {', '.join(sums)})"


@lru_cache(maxsize=4_096)
def columns_print(columns: tuple[tuple[str, str], ...]) -> str:
    """Return what stands for names and types of columns, in order."""
    return digest([list(column) for column in columns])
