"""The history as series, for charts: counted by SQLite, since there are many tables and nights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from etl.ledger.history import DONE
from etl.ledger.ledger import Ledger


class Built(NamedTuple):
    """The runs that built a table, by their places among those asked for; its rows then, and the milliseconds.

    The numbers, of which there are many, are the texts of JSON lists: nobody has to take them apart but a reader.
    """

    places: list[int]
    rows: str
    milliseconds: str


@dataclass(frozen=True)
class Trends:
    """What the history of a ledger says of tables and checks over many runs."""

    ledger: Ledger = field(repr=False)

    def built(self, run_ids: Sequence[str], exact: int) -> dict[str, Built]:
        """Return when each table was built; only the first two digits of milliseconds count.

        Of rows in runs before the place `exact` the first three do.
        """
        known: dict[str, list[int]] = {}
        found = {}
        for name, places, *texts in self.ledger.ask(_BUILT, (json.dumps([*run_ids]), exact)):
            # most tables are built by the same runs
            if places not in known:
                known[places] = json.loads(places)
            found[name] = _in_order(Built(known[places], *texts))
        return found

    def found(self, run_ids: Sequence[str]) -> list[tuple[str, int, int]]:
        """Return check, place of the run, and how many rows it found, 0 if it passed, of the checks of runs."""
        return cast("list[tuple[str, int, int]]", self.ledger.ask(_FOUND, (json.dumps([*run_ids]),)))

    def sizes(self) -> dict[str, int]:
        """Return how many bytes each run published, by run."""
        return {row[0]: row[1] for row in self.ledger.ask(_SIZES)}


def _in_order(built: Built) -> Built:
    """Return it in the order of the places, which SQLite keeps without being asked for it, in less time."""
    if built.places == sorted(built.places):
        return built
    numbers = zip(built.places, json.loads(built.rows), json.loads(built.milliseconds), strict=True)
    places, *others = map(list, zip(*sorted(numbers, key=lambda item: item[0]), strict=True))
    return Built(places, *map(json.dumps, others))


def _digits(number: str, digits: int) -> str:
    """Return a whole number of at most nine digits so many of which count, as SQL; SQLite rounds none."""
    # most numbers are small, and the first case that is true ends the search
    whens = " ".join(f"when {number} < {10**n} then {10 ** (n - digits)}" for n in range(digits, 13))
    return f"{number} - {number} % case {whens} else {10 ** (13 - digits)} end"


_BUILT = f"""
select name, json_group_array(key), json_group_array(counted), json_group_array(took) from (
    select name, key, {_digits("milliseconds", 2)} as took,
        case when key >= ?2 then rows_out else {_digits("rows_out", 3)} end as counted
    from (
        select name, key, rows_out, cast(coalesce(seconds, 0) * 1000 as integer) as milliseconds
        from json_each(?1) as run join steps on run_id = run.value
        where step = 'transform' and outcome = '{DONE}'))
group by name"""

#: One that passed may have something to count all the same.
_FOUND = """
select name, key, case when passed then 0 else max(failing, 1) end
from json_each(?) as run join check_history on run_id = run.value order by key"""

_SIZES = "select run_id, bytes_written from steps where step = 'publish' and bytes_written > 0"
