"""The times that a source says its deliveries come at: checked."""

from __future__ import annotations

import re

from etl.errors import ContractError, sentence
from etl.project.days import read_days
from etl.project.durations import seconds_in

_TIME = r"([01]\d|2[0-3]):[0-5]\d"


def check_expected(where: str, by: str, days: str) -> None:
    """Raise ContractError unless a delivery is expected by a time of day, on days that can be read."""
    if by and not re.fullmatch(_TIME, by):
        raise ContractError(f"{where}: expected_by={by!r} is not a time of day such as 06:00.")
    if days and not by:
        raise ContractError(
            f"{where}: expected_days needs a time of day too. Add one such as expected_by='06:00'."
        )
    try:
        read_days(days)
    except ValueError as error:
        raise ContractError(f"{where}: expected_days={days!r} {sentence(str(error))}") from None


def check_wait(where: str, wait: str, poll: str, *, is_required: bool, task: str) -> None:
    """Raise ContractError unless a source says when it is waited for, and how often one looks for it."""
    if seconds_in(poll) is None:
        raise ContractError(f"{where}: poll={poll!r} is not a length of time such as '5 min'.")
    if not wait:
        return
    found = re.fullmatch(rf"(?P<first>{_TIME})-(?P<last>{_TIME})", wait)
    if found is None or found["first"] == found["last"]:
        raise ContractError(f"{where}: wait={wait!r} is not a window such as '02:00-06:00'.")
    if not is_required:
        raise ContractError(f"{where}: wait is for what the night cannot do without. Add required=True.")
    if task:
        raise ContractError(
            f"{where}: wait is for what others bring. The night itself has this one made, by its task: take wait "
            "out."
        )
