"""What a source says from a day on: its contract and its format over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from etl.contract.contract import Contract
from etl.errors import ContractError
from etl.sources.formats import Format


@dataclass(frozen=True)
class Variant:
    """The contract and the format of the deliveries from a day on, which is empty for the first ones."""

    since: str
    contract: Contract
    format: Format


def by_day(option: str, given: Any) -> dict[str, Any]:
    """Return what an option of a source says, by the day since when: one value, or several by day.

    Several are a dict whose keys are dates, such as "2024-03-31", and None for what holds before the first of
    them. Raises ContractError for other keys.
    """
    if not isinstance(given, Mapping):
        return {"": given}
    found = {"" if day is None else _iso(option, day): value for day, value in given.items()}
    if "" not in found:
        first = min(found, default="any day")
        raise ContractError(f"{option}={{...}} does not say what holds before {first}: add None.")
    return dict(sorted(found.items()))


def of_day(values: Mapping[str, Any], since: str) -> Any:
    """Return the value that holds on a day."""
    return values[max(day for day in values if day <= since)]


def check_same_table(first: Contract, other: Contract, since: str) -> None:
    """Raise ContractError if two contracts of a source make different tables."""
    before, now = ({c.name: (c.type, c.pii) for c in contract.columns} for contract in (first, other))
    for name in [*before, *(name for name in now if name not in before)]:
        if before.get(name) != now.get(name):
            what = "has another type or mask" if name in before and name in now else "is not in both"
            raise ContractError(
                f"The contracts {first.name} and {other.name} (since {since}) make one table, but its column "
                f"{name!r} {what}. Give both the same columns. Aliases, formats and rules may differ."
            )


def _iso(option: str, day: Any) -> str:
    try:
        return str(day if isinstance(day, date) else date.fromisoformat(day))
    except (TypeError, ValueError):
        raise ContractError(f'{option}={{{day!r}: ...}}: a key is a date such as "2024-03-31", or None.') from None
