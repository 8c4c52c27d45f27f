"""Which parts of a table are to be profiled tonight, and which profiles are of no use any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from etl.ledger import fingerprint
from etl.ledger.profiles import WITHOUT_DATE, Noted, Part
from etl.stages.warehouse import Day, Held

#: So many partitions of a table are profiled that never were before.
AT_ONCE = 30


@dataclass(frozen=True)
class Wanted:
    """A part that is to have a profile; `basis` stands for its content and for what is asked of it."""

    part: Part
    day: Day
    basis: str
    rows: int | None


def wanted_parts(
    held: Sequence[Held],
    asked: object,
    *,
    night: date,
    is_partitioned: bool,
    limit: int,
    noted: Collection[tuple[str, str]] = (),
) -> list[Wanted]:
    """Return the partitions of a table that are to have a profile; of one without any, all of it on that night.

    They are those among the newest `limit` that have one, as `noted` says by table and partition, and the newest
    AT_ONCE in any case: of years that are loaded in one night, the first ones are not looked at.
    """
    table = held[0].table
    if not is_partitioned:
        counts = [item.rows for item in held if item.rows is not None]
        basis = fingerprint(sorted(map(_content, held)), asked)
        return [
            Wanted(Part(table, "", str(night)), None, basis, sum(counts) if len(counts) == len(held) else None)
        ]
    newest = sorted(held, key=lambda item: (item.day is not None, item.day or date.min))[-limit:]
    found = []
    for place, item in enumerate(reversed(newest)):
        part = Part(table, str(item.day) if item.day else WITHOUT_DATE, str(night))
        if place < AT_ONCE or part[:2] in noted:
            found.append(Wanted(part, item.day, fingerprint(_content(item), asked), item.rows))
    return found[::-1]


def _content(held: Held) -> str:
    # a table that was built again and is the same is not new
    return f"{held.day} {held.version or held.basis}"


def changed_parts(wanted: Iterable[Wanted], noted: Mapping[Part, Noted]) -> Iterator[Wanted]:
    """Yield the parts of all tables that have no profile of what they hold now.

    A table without partitions that is what it was on the night before gets no other: nights without anything new
    would be the measure of the next.
    """
    known: dict[tuple[str, str], str] = {}
    nights: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for part, found in noted.items():
        if part.partition:
            known[part[:2]] = found.basis
        else:
            nights[part.table_name].append((part.day, found.basis))
    for item in wanted:
        table, partition, night = item.part
        if partition:
            basis = known.get((table, partition))
        else:
            _, basis = max((before for before in nights[table] if before[0] <= night), default=("", None))
        if basis != item.basis:
            yield item


def useless_parts(
    noted: Collection[Part], wanted: Mapping[str, Sequence[Wanted]], fresh: Collection[Wanted], limit: int
) -> Iterator[Part]:
    """Yield the parts whose profiles are replaced, have left their table, or are older than the newest `limit`."""
    there = {item.part[:2] for items in wanted.values() for item in items}
    replaced = {item.part[:2] for item in fresh if item.part.partition}
    nights: dict[str, int] = {item.part.table_name: 1 for item in fresh if not item.part.partition}
    for part in sorted(noted, key=lambda part: part.day, reverse=True):
        if part[:2] not in there or part[:2] in replaced:
            yield part
        elif not part.partition:
            nights[part.table_name] = nights.get(part.table_name, 0) + 1
            if nights[part.table_name] > limit:
                yield part
