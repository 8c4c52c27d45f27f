"""The types that both engines have, by DuckDB's names: what Spark calls them, and the kind that the list knows."""

from __future__ import annotations

import re

#: The settings of a session of Spark in which translated SELECTs mean the same; the time zone comes with each.
SESSION = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.groupByOrdinal": "true",
    "spark.sql.crossJoin.enabled": "true",
}

_SPARK = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "HUGEINT": "decimal(38,0)",
    "FLOAT": "float",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "DATE": "date",
    "TIMESTAMP": "timestamp_ntz",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}
_KINDS = {
    "BOOLEAN": "bool",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), "int"),
    "HUGEINT": "huge",
    "DOUBLE": "flt",
    "VARCHAR": "str",
    "DATE": "date",
    "TIMESTAMP": "ts",
    "TIMESTAMP WITH TIME ZONE": "tz",
    # a list knows no function of it: it is passed on as it is
    "FLOAT": "float",
    "INTERVAL": "iv",
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def spark_type(type: str) -> str | None:
    """Return what Spark calls a type of DuckDB; None if it has no equal there."""
    if type.endswith("[]"):
        inner = spark_type(type[:-2])
        return inner and f"array<{inner}>"
    return _SPARK.get(type) or (type.lower() if _DECIMAL.fullmatch(type) else None)


def handed_over(type: str) -> str:
    """Return the type of DuckDB in which a column lies in the files that Spark reads."""
    return type.replace("HUGEINT", "DECIMAL(38,0)")


def kind_of(type: str) -> str:
    """Return the kind of a type, as entries of the list name it; empty if Spark has no equal."""
    return "dec" if _DECIMAL.fullmatch(type) else _KINDS.get(type, "")


def scale_of(type: str) -> int:
    """Return how many digits a DECIMAL has behind the point."""
    match = _DECIMAL.fullmatch(type)
    return int(match[2]) if match else 0


def table_name(name: str) -> str:
    """Return what a table is called in a translated SELECT: one word, since sessions share no schemas."""
    return "etl__" + name.replace(".", "__")


def quoted(name: str) -> str:
    """Return a name as SQL of Spark writes it."""
    escaped = name.replace("`", "``")
    return f"`{escaped}`"


def text(value: str) -> str:
    """Return a text as SQL of Spark writes it, in which a backslash escapes."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
