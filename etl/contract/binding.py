"""Binds rules to an empty table of their contract, so that a bad rule fails when it is compiled."""

import datetime as dt
import enum
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from etl.contract.contract import Column, Contract, Rule
from etl.contract.parse import default_format, value
from etl.contract.spelling import has_two_digit_years
from etl.engine import bare_cursor

#: So many rules are bound by one statement.
_TOGETHER = 200


def check_expression(sql: object, contract: Contract) -> None:
    """ValueError unless the author's text is exactly one boolean expression over one row of the contract."""
    import duckdb

    if not isinstance(sql, str) or not sql.strip():
        raise ValueError(f"{sql!r} is not an SQL expression")
    if any(kind == duckdb.token_type.comment for _, kind in duckdb.tokenize(sql)):
        raise ValueError(f"`{sql}` holds a comment, which would hide the text after it")
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
            # each statement looks at all columns: of thousands, one for each rule would take minutes
            for start in range(0, len(contract.rules), _TOGETHER):
                rules = contract.rules[start : start + _TOGETHER]
                if _can_be_bound(con, rules):
                    continue
                for rule in rules:
                    name = f"rule {rule.name}: "
                    _bind(con, rule.sql)
    except duckdb.Error as error:
        raise ValueError(f"{name}DuckDB refuses it: {_brief(error)}") from error


def canonical_type(type: str) -> str:
    """The type as DuckDB's `describe` spells it; ValueError if DuckDB has no such type."""
    import duckdb

    if "(" not in type and "[" not in type:
        return type
    try:
        with bare_cursor() as con:
            con.execute(f"create temp table types (value {type})")
            return str(con.execute("describe types").fetchall()[0][1])
    except duckdb.Error as error:
        raise ValueError(f"DuckDB has no type {type}: {_brief(error)}") from error


def default_text(default: Any, column: Column) -> str:
    """A default value as the raw text that is parsed to it; ValueError if there is none for the column."""
    import duckdb

    text = _raw_text(default, column)
    found = value(None, replace(column, default=text))
    try:
        with bare_cursor() as con:
            fits = con.execute(f"select ({found}) is not null").fetchall()[0][0]
    except (duckdb.Error, ValueError) as error:
        raise ValueError(f"default={default!r}: {_brief(error)}") from error
    if not fits:
        raise ValueError(f"default={default!r} is not a value of type {column.type}")
    return text


def _raw_text(default: Any, column: Column) -> str:
    if isinstance(default, enum.Enum):
        default = default.value
    if (format := default_format(column)) and isinstance(default, dt.date):
        until = column.two_digit_years_until
        if until and has_two_digit_years(format) and not until - 100 < default.year <= until:
            raise ValueError(f"default={default!r} is outside the hundred years until {until}")
        return default.strftime(format)
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, dict | list | tuple):
        return json.dumps(default)
    if isinstance(default, dt.timedelta):
        return f"{default // dt.timedelta(microseconds=1)} microseconds"
    return str(default)


def _empty_table(contract: Contract) -> Any:
    con = bare_cursor()
    columns = ", ".join(f"{column.sql} {column.type}" for column in contract.columns)
    con.execute(f"create temp table contract ({columns})")
    return con


def _bind(con: Any, sql: str) -> None:
    """In a `where`, which takes no aggregates and no windows: a rule sees one row."""
    con.execute(f"select 1 from contract where not ({sql})")


def _can_be_bound(con: Any, rules: Sequence[Rule]) -> bool:
    import duckdb

    try:
        _bind(con, f"true in ({', '.join(f'not ({rule.sql})' for rule in rules)})")
    except duckdb.Error:
        return False
    return True


def _brief(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
