"""The history as series, for charts: counted by SQLite, since there are many tables and nights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from etl.ledger.history import DONE
from etl.ledger.ledger import Ledger


class Built(NamedTuple):
    """The runs that built a table, by their places among those asked for; its rows then, and the milliseconds."""

    places: list[int]
    rows: list[int | None]
    milliseconds: list[int]


@dataclass(frozen=True)
class Trends:
    """What the history of a ledger says of tables and checks over many runs."""

    ledger: Ledger = field(repr=False)

    def built(self, run_ids: Sequence[str], exact: int) -> dict[str, Built]:
        """Return when each table was built; only the first two digits of milliseconds count.

        Of rows in runs before the place `exact` the first three do.
        """
        rows = self.ledger.ask(_BUILT, (json.dumps([*run_ids]), exact))
        return {name: Built(*map(json.loads, texts)) for name, *texts in rows}

    def found(self, run_ids: Sequence[str]) -> list[tuple[str, int, int]]:
        """Return check, place of the run, and how many rows it found, 0 if it passed, of the checks of runs."""
        return cast("list[tuple[str, int, int]]", self.ledger.ask(_FOUND, (json.dumps([*run_ids]),)))

    def sizes(self) -> dict[str, int]:
        """Return how many bytes each run published, by run."""
        return {row[0]: row[1] for row in self.ledger.ask(_SIZES)}


def _digits(number: str, digits: int) -> str:
    """Return a whole number of at most nine digits so many of which count, as SQL; SQLite rounds none."""
    whens = " ".join(f"when {number} >= 1e{n} then 1e{n - digits + 1}" for n in range(12, digits - 1, -1))
    return f"{number} - {number} % cast(case {whens} else 1 end as integer)"


_BUILT = f"""
select name, json_group_array(place), json_group_array(counted), json_group_array(took) from (
    select name, key as place, {_digits("milliseconds", 2)} as took,
        case when key >= ?2 then rows_out else {_digits("rows_out", 3)} end as counted
    from (
        select name, key, rows_out, cast(coalesce(seconds, 0) * 1000 as integer) as milliseconds
        from json_each(?1) as run join steps on run_id = run.value
        where step = 'transform' and outcome = '{DONE}')
    order by key)
group by name"""

#: One that passed may have something to count all the same.
_FOUND = """
select name, key, case when passed then 0 else max(failing, 1) end
from json_each(?) as run join check_history on run_id = run.value order by key"""

_SIZES = "select run_id, bytes_written from steps where step = 'publish' and bytes_written > 0"
