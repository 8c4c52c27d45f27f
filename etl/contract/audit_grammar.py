"""What the texts of all kinds of audits are made of, and what a kind is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etl.contract.audit import Audit

WORD = r"[A-Za-z_]\w*"
COLUMN = rf'(?:{WORD}|"[^"]+")'
COLUMNS = rf"{COLUMN}(?:\s*,\s*{COLUMN})*"
PERCENT = r"(\d+(?:\.\d+)?)\s*%"

#: A line's audit, once the table is known whose line it is.
Make = Callable[[str], Audit]


@dataclass(frozen=True, kw_only=True)
class AuditKind:
    """A kind of audit, which a header asks for by `-- <name>: <text>` or `-- warn <name>: <text>`."""

    #: How the text is written, for people.
    grammar: str
    #: What it must match as a whole, and what makes the audits of a match.
    pattern: str
    make: Callable[[re.Match[str]], Iterator[Make]]
    #: Whether the text may end in `by partition`, which stands for the table's partition column.
    by_partition: bool = False
    #: Whether the result depends on the batch date.
    is_dated: bool = False
    #: What stands between the column and the text where a column's metadata asks for it; None if it cannot.
    after_column: str | None = None
    #: Whether the metadata of a contract's Config can ask for it.
    of_table: bool = False


def built_in(kind: str, table: str, sql: str, columns: Sequence[str] = (), key: str = "", **more: Any) -> Audit:
    """Return the audit of a table that a line of this kind asks for, named after its columns, or `key`."""
    name = ".".join(filter(None, [table, kind, key or ",".join(columns)]))
    others = {"reads": (table,), **more}
    return Audit(name, "", sql, sql, severity="error", why="", table=table, columns=tuple(columns), **others)


def names(text: str) -> list[str]:
    """Return the names of columns in a text; ValueError if one is there twice."""
    found = [name.strip('"') for name in re.findall(COLUMN, text)]
    if len({name.lower() for name in found}) < len(found):
        raise ValueError(f"{text} names a column twice")
    return found


def share(percent: str) -> str:
    """Return a share as SQL, exactly."""
    return format(Decimal(percent) / 100, "f")
