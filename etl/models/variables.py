"""Variables in SQL that is published: their values stand in it, since an analyst's session has not set them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from etl.engine.quoting import literal

#: The one way to read a variable: others could not be found again in the text.
READ = re.compile(r"getvariable\s*\(\s*'((?:[^']|'')*)'\s*\)", re.IGNORECASE)


def with_values(sql: str, variables: Mapping[str, str]) -> str:
    """Return a SELECT, or the statement of a macro, with the values of variables in place of their names."""
    if not READ.search(sql):
        return sql
    import duckdb

    data, done = sql.encode(), 0
    parts = []
    for start, kind in duckdb.tokenize(sql):
        match = READ.match(data[start:].decode()) if kind == duckdb.token_type.identifier else None
        if match:
            value = variables[match[1].replace("''", "'")]
            parts += [data[done:start].decode(), f"({literal(value)}::varchar)"]
            done = start + len(match[0].encode())
    return "".join([*parts, data[done:].decode()])
