"""SQL about rows with a key: comparing keys, and which of several rows with one key is the newest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from etl.engine.quoting import identifier


def names(columns: Iterable[str], table: str = "") -> str:
    """Return columns as a list for a SELECT, of `table` if it is given."""
    return ", ".join(f"{table}.{identifier(name)}" if table else identifier(name) for name in columns)


def same_key(key: Iterable[str], left: str, right: str) -> str:
    """Return the condition that rows of two tables have the same key; a null is the same as a null."""
    return " and ".join(
        f"{left}.{identifier(name)} is not distinct from {right}.{identifier(name)}" for name in key
    )


def with_key_in(sql: str, keys: str, key: Sequence[str]) -> str:
    """Return the SELECT of the rows of `sql` whose key is in the table `keys`."""
    on = same_key(key, "given", "wanted")
    return f"select given.* from (\n{sql}\n) as given semi join {keys} as wanted on {on}"


def delete_keys(table: str, keys: str, key: Sequence[str]) -> str:
    """Return the statement that deletes the rows of `table` whose key is in the table `keys`."""
    return f"delete from {table} as held using {keys} as wanted where {same_key(key, 'held', 'wanted')}"


def newest(sql: str, key: Sequence[str], order: Sequence[str], columns: Sequence[str]) -> str:
    """Return the SELECT of one row per key of `sql`: the greatest in `order`, then in all `columns`, nulls least.

    The last resort makes the choice the same whatever the order in which rows come.
    """
    ranks = [*order, *(name for name in columns if name not in {*order, *key})]
    by = ", ".join(f"{identifier(name)} desc nulls last" for name in ranks)
    rank = f"row_number() over (partition by {names(key)} order by {by})" if ranks else ""
    within = f"qualify {rank} = 1" if ranks else ""
    distinct = "" if ranks else "distinct "
    return f"select {distinct}* from (\n{sql}\n) {within}".rstrip()
