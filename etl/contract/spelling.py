"""How a sender writes numbers and dates, turned into the spelling that parse.py reads; null for others."""

from __future__ import annotations

import re
from dataclasses import replace

from etl.contract.clocks import ZONED
from etl.contract.contract import Column, Contract
from etl.contract.types import INTEGERS
from etl.contract.values import Values
from etl.engine.quoting import literal

#: What the names of the types of numbers begin with.
NUMBERS = (*INTEGERS.values(), "HUGEINT", "UHUGEINT", "DECIMAL", "DOUBLE", "FLOAT")

_NO_NUMBER = r"[+-]?([nN][aA][nN]|[iI]nf(inity)?)"
#: A year below this is two digits read by a format for four.
_FIRST_YEAR = 1000
#: The codes of a format, without the % of the one that writes a %.
_CODE = re.compile(r"%-?([^-])")
#: A format that ends in one of these words is of instants, though strptime does not know that.
_UTC_END = re.compile(r"(?<![%A-Za-z])(?:Z|UTC|GMT)$|(?<=%[A-Za-z])(?:Z|UTC|GMT)$")
_DIGIT = r"\d"
_SPACE = " \t\r\n\v\f"


def column_values(column: Column, values: Values) -> Values:
    """Return how the values of a column are written: as it says itself, else as its sender writes all.

    Raises ContractError for marks that do not go together.
    """
    if not column.decimal and column.thousands is None and not column.two_digit_years_until:
        return values
    decimal = column.decimal or values.decimal
    thousands = values.thousands if column.thousands is None else column.thousands
    until = column.two_digit_years_until or values.two_digit_years_until
    return replace(values, decimal=decimal, thousands=thousands, two_digit_years_until=until)


def grouped_columns(contract: Contract, values: Values) -> dict[str, str]:
    """Return the thousands mark of each column of numbers that has one."""
    marks = {
        column.name: column_values(column, values).thousands
        for column in contract.columns
        if column.type.startswith(NUMBERS) and not column.number.either_mark
    }
    return {name: mark for name, mark in marks.items() if mark}


def thousands_rule(column: str) -> str:
    """Return the name of the warning about numbers over 999 with thousands marks and without them."""
    return f"{column}.thousands"


def grouping(text: str, thousands: str) -> str:
    """Return the SQL that is 1 for a number with thousands marks, 2 for one over 999 without, and else 0."""
    is_grouped, is_long = f"contains({text}, {literal(thousands)})", f"regexp_matches({text}, '^[+-]?[0-9]{{4}}')"
    return f"(case when {is_grouped} then 1 when {is_long} then 2 else 0 end)::utinyint"


def respelled_number(text: str, values: Values) -> str:
    """Return the SQL of a number's text with a point as decimal mark, and no thousands marks.

    Thousands marks must stand where they belong: `1.234` is a number with the marks `.` and `,`; `1.23` is not.
    Nor is `0.123`: nobody groups a number that begins with 0, so it is one in another notation.
    """
    if (values.decimal, values.thousands) == (".", ""):
        return text
    decimal, thousands = re.escape(values.decimal), re.escape(values.thousands)
    whole = rf"[1-9]\d{{0,2}}({thousands}\d{{3}})+|\d*" if thousands else r"\d*"
    shape = rf"[+-]?({whole})({decimal}\d*)?([eE][+-]?\d+)?|{_NO_NUMBER}"
    plain = f"replace({text}, {literal(values.thousands)}, '')" if thousands else text
    plain = plain if values.decimal == "." else f"replace({plain}, {literal(values.decimal)}, '.')"
    return f"case when regexp_full_match({text}, {literal(shape)}) then {plain} end"


def format_problem(format: str, type: str) -> str:
    """Return why values of a type cannot be written in a strptime format; empty if they can."""
    codes = set(_CODE.findall(format))
    if "Z" in codes:
        return (
            f"{format!r} has %Z, the name of a time zone. Some names mean several zones (BST, CST). Use %z, an "
            "offset"
        )
    if type == "TIMESTAMP" and (codes & {"z"} or _UTC_END.search(format)):
        return (
            f"{format!r} says the time zone, which a TIMESTAMP without one would lose. Give the column a type "
            'with one, such as Annotated[pd.DatetimeTZDtype, "us", "UTC"]'
        )
    return ""


def is_local(format: str) -> bool:
    """Return whether a strptime format leaves open which time zone is meant."""
    return not format.startswith("epoch_") and "z" not in _CODE.findall(format) and not _UTC_END.search(format)


def has_two_digit_years(format: str) -> bool:
    """Return whether a strptime format has a year without its century."""
    return "y" in _CODE.findall(format)


def formatted_moment(text: str, type: str, format: str, until: int | None = None) -> str:
    """Return the SQL of a DATE or TIMESTAMP, or of an instant if not is_local(), written in a strptime format.

    `until` is the last of the hundred years that %y stands for.
    """
    moment = f"try_strptime({text}, {literal(format)})"
    if "n" in _CODE.findall(format):
        # of nine digits DuckDB would keep six
        moment = f"case when {moment}::timestamp::timestamp_ns = {moment} then {moment}::timestamp end"
    if type == ZONED and _UTC_END.search(format):
        moment = f"timezone('UTC', {moment})"
    if until and has_two_digit_years(format):
        year = f"({until} - ({until + 10_000} - year({moment})) % 100)"
        moved = f"{moment} + to_years(({year} - year({moment}))::integer)"
        # 29 February of a year that has none would become another day
        moment = f"case when day({moved}) = day({moment}) then {moved} end"
    # DuckDB takes `infinity`, `epoch` and space at the end whatever the format
    is_plain = f"regexp_matches({text}, {literal(_DIGIT)}) and {text} = trim({text}, {literal(_SPACE)})"
    return f"case when {is_plain} and year({moment}) >= {_FIRST_YEAR} then {moment}::{type} end"
