"""DuckDB's types as a contract writes them: the annotation of a column, and the lines that it needs above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PANDAS, _ARROW = "import pandas as pd", "import pyarrow"
_ENGINE, _ANNOTATED = "from pandera.engines import pandas_engine", "from typing import Annotated"

#: By type: the annotation of a column without nulls, and that of one with nulls.
_PLAIN = {
    "BIGINT": "pd.Int64Dtype",
    "INTEGER": "pd.Int32Dtype",
    "SMALLINT": "pd.Int16Dtype",
    "TINYINT": "pd.Int8Dtype",
    "UBIGINT": "pd.UInt64Dtype",
    "UINTEGER": "pd.UInt32Dtype",
    "USMALLINT": "pd.UInt16Dtype",
    "UTINYINT": "pd.UInt8Dtype",
    "DOUBLE": "float",
    "FLOAT": "pd.Float32Dtype",
    "BOOLEAN": "pd.BooleanDtype",
    "VARCHAR": "str",
    "DATE": "pandas_engine.Date",
    "TIMESTAMP": "pd.Timestamp",
    "TIMESTAMP WITH TIME ZONE": 'Annotated[pd.DatetimeTZDtype, "us", "UTC"]',
    "INTERVAL": "pd.Timedelta",
}
_WITHOUT_NULLS = {"BIGINT": "int", "BOOLEAN": "bool"}
#: What stands for a type within another one, and for what pandas has no type of its own.
_ARROWS = {
    **{"BIGINT": "int64", "INTEGER": "int32", "SMALLINT": "int16", "TINYINT": "int8"},
    **{"UBIGINT": "uint64", "UINTEGER": "uint32", "USMALLINT": "uint16", "UTINYINT": "uint8"},
    **{"DOUBLE": "float64", "FLOAT": "float32", "BOOLEAN": "bool_", "VARCHAR": "string", "BLOB": "binary"},
    **{"DATE": "date32", "TIME": 'time64("us")', "TIMESTAMP": 'timestamp("us")', "INTERVAL": 'duration("us")'},
    "TIMESTAMP WITH TIME ZONE": 'timestamp("us", "UTC")',
}


@dataclass(frozen=True)
class Annotation:
    """How a contract writes a type, and the imports of the names in it."""

    text: str
    imports: tuple[str, ...] = ()


def annotation(type: str, *, nullable: bool) -> Annotation | None:
    """Return how a contract writes a DuckDB type; None for one that no contract can have, such as HUGEINT."""
    if match := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type):
        return Annotation(f"pandas_engine.Decimal({match[1]}, {match[2]})", (_ENGINE,))
    if type in _PLAIN:
        text = _PLAIN[type] if nullable else _WITHOUT_NULLS.get(type, _PLAIN[type])
    elif arrow := _arrow(type):
        text = f"Annotated[pd.ArrowDtype, {arrow}]"
    else:
        return None
    needed = (("Annotated[", _ANNOTATED), ("pd.", _PANDAS), ("pyarrow.", _ARROW), ("pandas_engine.", _ENGINE))
    return Annotation(text, tuple(line for name, line in needed if re.search(rf"(?<!\w){re.escape(name)}", text)))


def _arrow(type: str) -> str:
    """Return the Python of an Arrow type; nothing for a type that has none."""
    if match := re.fullmatch(r"(.+)\[(\d*)\]", type):
        inner, size = _arrow(match[1]), f", {match[2]}" if match[2] else ""
        return inner and f"pyarrow.list_({inner}{size})"
    if match := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type):
        return f"pyarrow.decimal128({match[1]}, {match[2]})"
    if match := re.fullmatch(r"STRUCT\((.*)\)", type, re.DOTALL):
        fields = [_field(part) for part in _parts(match[1])]
        return f"pyarrow.struct([{', '.join(fields)}])" if all(fields) else ""
    if match := re.fullmatch(r"MAP\((.*)\)", type, re.DOTALL):
        both = [_arrow(part) for part in _parts(match[1])]
        return f"pyarrow.map_({', '.join(both)})" if all(both) else ""
    if type not in _ARROWS:
        return ""
    return f"pyarrow.{_ARROWS[type]}" + ("" if _ARROWS[type].endswith(")") else "()")


def _field(text: str) -> str:
    match = re.fullmatch(r'("(?:[^"]|"")*"|\S+) (.+)', text, re.DOTALL)
    inner = _arrow(match[2]) if match else ""
    if not match or not inner:
        return ""
    name = match[1][1:-1].replace('""', '"') if match[1].startswith('"') else match[1]
    return f"({name!r}, {inner})"


def _parts(text: str) -> Iterator[str]:
    """Yield the parts of a text between the commas that are in no brackets and no quotes."""
    depth, start, is_quoted = 0, 0, False
    for place, character in enumerate(text):
        is_quoted ^= character == '"'
        if not is_quoted:
            depth += (character in "([") - (character in ")]")
            if character == "," and depth == 0:
                yield text[start:place].strip()
                start = place + 1
    yield text[start:].strip()
