"""What a table is called by the place of its file: sql/<schema>/<table>."""

from __future__ import annotations

import re
from pathlib import Path

from etl.errors import ModelError

_RESERVED_SCHEMAS = ("raw", "etl", "main", "information_schema", "pg_catalog", "temp", "system")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def table_name(path: Path, file: str) -> str:
    """Return the name of the table that a file makes, by its path below sql/. Raises ModelError if it has none."""
    if len(path.parts) != 2 or not all(_NAME.fullmatch(part) for part in (path.parts[0], path.stem)):
        where = f"sql/<schema>/<table>{path.suffix}"
        raise ModelError(f"{file}: the path of a model is {where}, with both names in lower case and underscores.")
    if path.parts[0] in _RESERVED_SCHEMAS:
        raise ModelError(f"{file}: the schema {path.parts[0]} is not for models. Move the file to another folder.")
    return f"{path.parts[0]}.{path.stem}"
