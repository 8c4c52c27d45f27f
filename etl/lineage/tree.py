"""Lineage as trees: down to the raw files, or up to all that a column ends up in; as data and as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etl.lineage.graph import Column, Lineage

#: Longer expressions are cut in the text, not in the data.
_WIDTH = 100


def upstream(lineage: Lineage, column: Column) -> dict[str, Any]:
    """Return what a column is made of: column, file, expressions, `from` (such trees), and `rows_by` (names)."""
    made = lineage.made.get(column)
    if made is None:
        return {
            "column": str(column) if not column.table.startswith("data/raw/") else f"{column.table}: {column.name}"
        }
    return {
        "column": str(column),
        "file": made.file,
        "expressions": list(made.steps),
        "is_opaque": made.is_opaque,
        "from": [upstream(lineage, below) for below in made.values],
        "rows_by": [str(below) for below in made.rows],
    }


def downstream(lineage: Lineage, column: Column) -> dict[str, Any]:
    """Return what a column ends up in: column, file, and `into` (such trees), each with how it is `used`.

    What decides on the rows of a table, used as `rows`, ends up in all of its columns: `schema.table.*`.
    """
    users = lineage.used.get(column, ())
    values = [above for above in users if column in lineage.made[above].values]
    tables = dict.fromkeys(above.table for above in users if column in lineage.made[above].rows)
    into = [{**downstream(lineage, above), "used": "value"} for above in values]
    into += [_rows(lineage, table) for table in tables]
    return {"column": str(column), "file": _file(lineage, column), "into": into}


def _rows(lineage: Lineage, table: str) -> dict[str, Any]:
    mine = [column for column in lineage.made if column.table == table]
    above = dict.fromkeys(user.table for column in mine for user in lineage.used.get(column, ()))
    into = [_rows(lineage, name) for name in above]
    return {"column": f"{table}.*", "file": _file(lineage, mine[0]), "into": into, "used": "rows"}


def _file(lineage: Lineage, column: Column) -> str:
    made = lineage.made.get(column)
    return made.file if made else ""


def shown(tree: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a tree."""
    yield _line(tree)
    yield from _below(tree, "")


def _below(tree: dict[str, Any], indent: str) -> Iterator[str]:
    below = tree.get("from", tree.get("into", []))
    for number, branch in enumerate(below, 1):
        is_last = number == len(below)
        yield f"{indent}{'└─ ' if is_last else '├─ '}{_line(branch)}"
        yield from _below(branch, indent + ("   " if is_last else "│  "))


def _line(tree: dict[str, Any]) -> str:
    parts = [tree["column"]]
    steps = [step for step in tree.get("expressions", []) if step]
    if steps:
        parts.append("= " + " <- ".join(text if len(text) <= _WIDTH else text[:_WIDTH] + "..." for text in steps))
    if tree.get("is_opaque"):
        parts.append("(may depend on every column that is read)")
    if tree.get("used") == "rows":
        parts.append("(which rows there are)")
    if tree.get("file"):
        parts.append(f"  {tree['file']}")
    return " ".join(parts)
