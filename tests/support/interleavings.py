"""Two sessions that write to a table while it is fetched by a cursor, in any order that a random number gives.

A stamp is the moment at which its transaction began, as that of `default now()` is, by a clock of its own: so late
commits, equal stamps, numbers out of order, rollbacks and changes during a fetch all happen within milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

#: The clock, in minutes; a transaction is over within so many.
LONGEST_MINUTES = 59
CREATE = "create table items (id bigserial primary key, value int not null, updated_at timestamptz not null)"
_INSERT = "insert into items (value, updated_at) values (%s, %s)"
_UPDATE = "update items set value = %s, updated_at = %s where id = %s"
_DAY = "2024-01-01 {:02}:{:02}:00+00"


class Reader(Protocol):
    """Who fetches: ours, or another tool."""

    def fetch(self, during: Callable[[], None]) -> None:
        """Fetch what is new; `during` is called once after the first statement, and before the rows are read."""

    def held(self) -> dict[int, int]:
        """Return the value of each id, as merged."""


@dataclass(frozen=True)
class Step:
    """A step: `begin`, `insert`, `update`, `commit` or `rollback` of a session; `fetch`, with steps meanwhile."""

    kind: str
    session: int = 0
    minute: int = 0
    #: Of an update: the number of the row in the order of inserts.
    row: int = 0
    during: tuple[Step, ...] = ()


@dataclass
class _Open:
    began: int
    rows: list[int] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)


class Program:
    """The steps that a seed gives, each of which can be done when it comes."""

    def __init__(self, seed: int, steps: int = 24) -> None:
        self.random, self.minute, self.rows = Random(seed), 0, 0
        self.open: dict[int, _Open] = {}
        self.committed: set[int] = set()
        self.steps = [step for _ in range(steps) for step in self._next(may_fetch=True)]
        self.steps += [Step("commit", session) for session in [*self.open]]

    def _next(self, may_fetch: bool) -> Iterator[Step]:
        if self.random.random() < 0.6:
            self.minute += self.random.choice([0, 1, 5, 20])
        for session in [*self.open]:
            if self.minute - self.open[session].began > LONGEST_MINUTES:
                yield self._ended(session, "commit")
        kind = self.random.random()
        if may_fetch and kind < 0.2:
            during = [step for _ in range(self.random.randrange(5)) for step in self._next(may_fetch=False)]
            yield Step("fetch", during=tuple(during))
            return
        session = self.random.randrange(2)
        if session not in self.open:
            self.open[session] = _Open(self.minute)
            yield Step("begin", session)
        elif kind < 0.4:
            yield self._ended(session, self.random.choice(["commit", "commit", "commit", "rollback"]))
        else:
            yield self._written(session)

    def _written(self, session: int) -> Step:
        own = self.open[session]
        locked = {row for other in self.open.values() for row in other.touched}
        free = sorted((self.committed - locked) | own.touched)
        if free and self.random.random() < 0.5:
            row = self.random.choice(free)
            own.touched.add(row)
            return Step("update", session, own.began, row)
        self.rows += 1
        own.rows.append(self.rows)
        own.touched.add(self.rows)
        return Step("insert", session, own.began, self.rows)

    def _ended(self, session: int, kind: str) -> Step:
        own = self.open.pop(session)
        if kind == "commit":
            self.committed |= set(own.rows)
        return Step(kind, session)


def lost(steps: Iterable[Step], sessions: list[Any], reader: Reader, fetches: int = 1) -> set[int]:
    """Do the steps on an empty table, then fetch what is left; return the ids that are missing or stale then."""
    value = 0

    def do(step: Step) -> None:
        nonlocal value
        con = sessions[step.session]
        if step.kind == "fetch":
            reader.fetch(lambda: [do(inner) for inner in step.during] and None)
        elif step.kind == "begin":
            con.execute("begin")
        elif step.kind in ("commit", "rollback"):
            con.execute(step.kind)
        else:
            value += 1
            stamp = _DAY.format(*divmod(step.minute, 60))
            con.execute(
                *((_INSERT, (value, stamp)) if step.kind == "insert" else (_UPDATE, (value, stamp, step.row)))
            )

    sessions[0].execute("truncate items restart identity")
    for step in steps:
        do(step)
    for _ in range(fetches):
        reader.fetch(lambda: None)
    table = dict(sessions[0].execute("select id, value from items").fetchall())
    held = reader.held()
    assert not held.keys() - table.keys(), "rows that no transaction has committed"
    return {id for id, value in table.items() if held.get(id) != value}
