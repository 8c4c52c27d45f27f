"""What the columns of a contract must be so that a source can deliver them."""

from __future__ import annotations

import re

from etl.contract.contract import Column
from etl.contract.masking import mask_problem
from etl.contract.moments import MOMENTS, moments_of
from etl.contract.numeral_sql import spelled
from etl.contract.spelling import column_values, format_problem, has_two_digit_years
from etl.contract.values import Values
from etl.errors import ContractError

#: What extraction and loading call their own columns, in lower case.
_OWN_COLUMN = re.compile(
    r"_file|_loaded_at|_extra|_behind|_delivery|_first|_file_number|file_index|_record|_keeps|_broken|_(text|key|mark|local|turn)_\d+"
)


def is_own_column(name: str) -> bool:
    """Return whether etl itself has columns of that name, in whatever case."""
    return _OWN_COLUMN.fullmatch(name.lower()) is not None


def check_column(where: str, column: Column, partition: str, values: Values) -> None:
    """Raise ContractError, which begins with `where`, if files cannot have the column as its contract says."""
    if is_own_column(column.name):
        raise ContractError(f"{where} has a name that etl needs for itself. Rename the column.")
    if column.regex:
        raise ContractError(
            f"{where} is a pattern (regex=True). The columns of a raw file must be known. Name each of them."
        )
    is_partition = column.name.lower() == partition.lower()
    if is_partition and (column.name, column.type) != (partition, "DATE"):
        raise ContractError(
            f"{where} is {column.type}, but the partition column {partition!r} is a DATE; "
            "give the source another partition=, or the column another type or spelling."
        )
    sender = values.timestamp_format
    if sender and not (column.format or column.formats) and (problem := format_problem(sender, column.type)):
        raise ContractError(f"{where}: timestamp_format={problem}.")
    is_moment = column.type in MOMENTS
    moments = moments_of(column, values)
    short = list(filter(has_two_digit_years, moments.formats))
    if is_moment and short and not moments.until:
        raise ContractError(
            f"{where}: the format {short[0]!r} has %y, years of two digits, and nothing says which century. Add "
            "their last year: with two_digit_years_until=2049, 49 is 2049 and 50 is 1950."
        )
    try:
        own = column_values(column, values)
        if column.number:
            spelled("''", column.number, column.type, own)
    except ContractError as error:
        raise ContractError(f"{where}: {error} Give the column's metadata both marks.") from None
    if problem := mask_problem(column, is_partition):
        raise ContractError(f"{where} {problem}.")
