"""Binds rules to an empty table of their contract, so that a bad rule fails when it is compiled."""

from typing import Any

from etl.contract.contract import Contract
from etl.quoting import identifier


def check_expression(sql: object, contract: Contract) -> None:
    """ValueError unless the author's text is exactly one boolean expression over one row of the contract."""
    import duckdb

    if not isinstance(sql, str) or not sql.strip():
        raise ValueError(f"{sql!r} is not an SQL expression")
    if any(kind == duckdb.token_type.comment for _, kind in duckdb.tokenize(sql)):
        raise ValueError(f"`{sql}` holds a comment, which would hide what follows it")
    try:
        duckdb.SQLExpression(sql)  # refuses unbalanced text, several expressions and several statements
        with _empty_table(contract) as con:
            found = con.execute(f"describe select ({sql}) from contract").fetchall()
            _bind(con, sql)
    except duckdb.Error as error:
        raise ValueError(f"`{sql}` is not one boolean expression over a row: {_brief(error)}") from error
    if [row[1] for row in found] != ["BOOLEAN"]:
        raise ValueError(f"`{sql}` is {', '.join(row[1] for row in found)}, not one BOOLEAN")


def check_rules(contract: Contract) -> None:
    """ValueError if DuckDB refuses the contract's table or one of its rules."""
    import duckdb

    name = ""
    try:
        with _empty_table(contract) as con:
            for rule in contract.rules:
                name = f"rule {rule.name}: "
                _bind(con, rule.sql)
    except duckdb.Error as error:
        raise ValueError(f"{name}DuckDB refuses it: {_brief(error)}") from error


def _empty_table(contract: Contract) -> Any:
    import duckdb

    con = duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"})
    columns = ", ".join(f"{identifier(column.name)} {column.type}" for column in contract.columns)
    con.execute(f"create table contract ({columns})")
    return con


def _bind(con: Any, sql: str) -> None:
    """In a `where`, which takes no aggregates and no windows: a rule sees one row."""
    con.execute(f"select 1 from contract where not ({sql})")


def _brief(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
