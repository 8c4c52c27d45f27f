"""Tables to trace SELECTs over, and the tracing."""

from duckdb import DuckDBPyConnection

from etl.models.lineage import Lineage, Made, Origin, Traced
from etl.models.lineage.macros import read_macros
from etl.models.lineage.parser import Parser
from etl.models.lineage.select import trace

TABLES = {
    "raw.sales": {"id": "INTEGER", "day": "DATE", "shop": "VARCHAR", "item": "VARCHAR", "price": "INTEGER"}
    | {"qty": "INTEGER"},
    "raw.shops": {"shop": "VARCHAR", "town": "VARCHAR", "opened": "DATE", "size": "INTEGER"},
    "raw.deep": {"id": "INTEGER", "s": "STRUCT(a INTEGER, b VARCHAR)", "l": "INTEGER[]", "Mixed Case": "INTEGER"}
    | {"m": "MAP(VARCHAR, INTEGER)"},
}


def traced(con: DuckDBPyConnection, sql: str, *macros: str) -> Lineage:
    """Return the lineage of marts.x, a SELECT over TABLES that may use macros."""
    parser = Parser(con)
    tree = parser.trees({"marts.x": sql})["marts.x"]
    assert tree, sql
    given = {name: Traced({column: Made(()) for column in columns}) for name, columns in TABLES.items()}
    columns = {name: list(columns) for name, columns in TABLES.items()}
    return Lineage(given | trace(parser, "marts.x", sql, tree, columns, read_macros(parser, macros, TABLES)))


def values(lineage: Lineage, column: str) -> set[Origin]:
    """Return the raw columns that a column of marts.x is made of."""
    return set(lineage.values[Origin("marts.x", column)])
