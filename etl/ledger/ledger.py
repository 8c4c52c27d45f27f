"""The ledger: a SQLite file of receipts, runs, checks and generations. Deleting it costs time, never data.

A receipt says that a step is done for a fingerprint; it is written after the step's result is in place,
so a run that is killed between the two does that step again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, astuple, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

from etl.errors import LedgerError
from etl.ledger.connection import connect, copied, is_damage, set_aside
from etl.ledger.rows import (
    WHY,
    Approval,
    Check,
    Key,
    Offending,
    Receipt,
    RowCount,
    Run,
    Switch,
    now,
    receipt_of,
    receipts_of,
)
from etl.ledger.spent import ADD_SPENT

_INTO_CHECKS = "into checks values (?, ?, ?, ?, ?, ?, ?, ?)"
_CHECK_HISTORY = "run_id, name, table_name, severity, passed, failing"
_NOTE_CHECKS = f"insert or replace into check_history select {_CHECK_HISTORY} from checks"
#: What takes the place of a message that may quote personal data.
REMOVED = "(removed, since it may quote personal data that was masked or withdrawn)"


#: Whether ledgers that are only read leave their files as they are.
_is_untouched: ContextVar[bool] = ContextVar("is_untouched", default=False)


@contextmanager
def untouched() -> Iterator[None]:
    """Have ledgers that are only read write nothing meanwhile, not even what can be computed again."""
    before = _is_untouched.set(True)
    try:
        yield
    finally:
        _is_untouched.reset(before)


class Ledger:
    """An open ledger; safe to use from forked children, each of which gets a connection of its own.

    With `is_reading` it is a copy of what the ledger holds now: nothing but what can be computed again is
    written to the file, and that only if the disk lets it.
    """

    def __init__(self, path: Path, *, is_reading: bool = False) -> None:
        self.path, self.is_reading = path, is_reading
        self._con: sqlite3.Connection | None = None
        self._inherited: list[sqlite3.Connection | None] = []
        self._pid = 0
        self._receipts: _Receipts | None = None

    def receipts(self) -> dict[Key, Receipt]:
        """Return every receipt; they are read again only if somebody else has written to the ledger since."""
        state = self._all("pragma data_version")[0][0]
        if self._receipts is None or self._receipts.state != state:
            with self._explaining(), closing(self._open().execute("select * from receipts")) as cursor:
                self._receipts = _Receipts(state, receipts_of(cursor.fetchall()))
        return dict(self._receipts.items)

    def receipt(self, key: Key) -> Receipt | None:
        """Return the receipt for `key`, or None."""
        query = "select * from receipts where step = ? and name = ? and partition = ?"
        return next(iter(self._all(query, key, receipt_of)), None)

    def write(self, *receipts: Receipt) -> None:
        """Replace the receipts of the same keys, and add what they cost to the history; all of it or nothing."""
        rows = [
            (*r.key, r.fingerprint, r.outcome, r.run_id, now(), r.seconds, json.dumps(r.details)) for r in receipts
        ]
        costs = [r.spent.row(r.run_id, r.key.step, r.key.name) for r in receipts if r.spent]
        self.change(
            ("insert or replace into receipts values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows), (ADD_SPENT, costs)
        )
        if self._receipts:
            self._receipts.items.update(receipts_of(rows))

    def forget(self, keys: Iterable[Key]) -> None:
        """Delete receipts, so that their steps are done again."""
        gone = list(keys)
        self._many("delete from receipts where step = ? and name = ? and partition = ?", gone)
        if self._receipts:
            for key in gone:
                self._receipts.items.pop(key, None)

    def cached(self, name: str, key: str) -> str | None:
        """Return what was last stored under `name`, if it was stored for the same `key`."""
        rows = self._all("select value from cache where name = ? and key = ?", (name, key))
        return str(rows[0][0]) if rows else None

    def cache_key(self, name: str) -> str:
        """Return what the text that was last stored under `name` was stored for; empty if there is none."""
        rows = self._all("select key from cache where name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def cache(self, name: str, key: str, value: str) -> None:
        """Store a text that can be computed anew from what `key` stands for."""
        self._keep("insert or replace into cache values (?, ?, ?)", [(name, key, value)])

    def hashes(self) -> dict[tuple[str, int, int, int], str]:
        """Return the SHA-256 of raw files by path, size, time of change and inode."""
        rows = self._all("select path, size, changed_ns, inode, sha256 from files")
        return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}

    def remember_hashes(self, rows: Sequence[tuple[str, int, int, int, str]]) -> None:
        """Store hashes, so that an unchanged file is not read again."""
        self._keep("insert or replace into files values (?, ?, ?, ?, ?)", rows)

    def runs(self) -> list[Run]:
        """Return every run, the one that began last first, whatever the clock said then."""
        return self._all("select * from runs order by rowid desc", read=_run)

    def unfinished(self) -> list[Run]:
        """Return the runs whose outcome nobody has noted, the one that began last first."""
        return self._all("select * from runs where outcome = '' order by rowid desc", read=_run)

    def write_run(self, run: Run, *also: tuple[str, Sequence[Any]]) -> None:
        """Insert or replace a run, and execute other statements in the same transaction; see change()."""
        row = {**asdict(run), "versions": json.dumps(run.versions), "summary": json.dumps(run.summary)}
        names = [column.name for column in fields(Run)]
        marks, changed = ", ".join(f":{name}" for name in names), ", ".join(f"{n} = excluded.{n}" for n in names)
        # a replaced row would seem to have begun last
        upsert = f"insert into runs values ({marks}) on conflict (run_id) do update set {changed}"
        self.change((upsert, [row]), *also)

    def problems(self, run_id: str) -> list[tuple[str, str]]:
        """Return step and message of everything that failed in a run, in order."""
        return self._all("select step, message from problems where run_id = ? order by rowid", (run_id,))

    def note_problem(self, run_id: str, step: str, message: str) -> None:
        """Record that a step failed."""
        self._many("insert into problems values (?, ?, ?)", [(run_id, step, message)])

    def checks(self) -> dict[str, Check]:
        """Return the latest result of every check, by name."""
        checks = self._all("select * from checks order by name", read=_check)
        return {check.name: replace(check, passed=bool(check.passed)) for check in checks}

    def replace_checks(self, checks: Iterable[Check], offending: Mapping[str, Offending] | None = None) -> None:
        """Make `checks` the only ones, with what is in `offending`; a check that is not keeps what it had."""
        with self._explaining(), self._open() as con:
            con.execute("delete from checks")
            con.executemany(f"insert {_INTO_CHECKS}", [check.row for check in checks])
            con.execute(_NOTE_CHECKS)
            con.execute("delete from offending where name not in (select name from checks)")
            con.executemany(
                "insert or replace into offending values (?, ?, ?)",
                [(name, found.query, json.dumps(found.rows)) for name, found in (offending or {}).items()],
            )

    def put_check(self, check: Check) -> None:
        """Record the result of one check beside those of the others; it replaces the one of its name."""
        put, note = f"insert or replace {_INTO_CHECKS}", f"{_NOTE_CHECKS} where name = ?"
        self.change((put, [check.row]), (note, [(check.name,)]))

    def offending(self, name: str) -> Offending:
        """Return the SELECT and the offending rows of a check; none if it is not a SELECT or does not exist."""
        query = "select query, rows from offending where name = ?"
        return next(iter(self._all(query, (name,), _offending)), Offending("", []))

    def forget_quoted(self) -> None:
        """Remove messages, examples and offending rows, which quote tables, from the file's free space too."""
        with self._explaining(), self._open() as con:
            con.execute("delete from offending")
            con.execute("update checks set examples = '[]'")
            con.execute("update problems set message = ? where message <> ''", [REMOVED])
            con.execute("update steps set message = ? where message <> '' and outcome = 'failed'", [REMOVED])
            con.execute("update steps set warnings = '[]'")
            con.execute("update incidents set headline = ?", [REMOVED])
            con.execute("update notices set title = '', body = ?", [REMOVED])
            con.execute("update notices set state = 'dropped' where state = 'waiting'")
            # of a partition whose newest delivery is refused they are below what was tried
            for place in (WHY, f"tried.{WHY}"):
                con.execute(
                    "update receipts set details = json_remove(details, ?) where details like ?",
                    [f"$.{place}.examples", f"%{WHY}%"],
                )
        with self._explaining():
            self._open().execute("vacuum")
            # readers of a moment ago may keep the log; the next run's end empties it
            self._open().execute("pragma wal_checkpoint(truncate)").fetchall()

    def row_counts(self) -> list[RowCount]:
        """Return how many rows tables had on earlier nights, in the order of the runs."""
        rows = self._all("select * from row_counts order by run_id, table_name, batch_date")
        return [RowCount(*row[:4], fingerprint=row[4]) for row in rows]

    def counts_before(self, batch_date: str) -> list[RowCount]:
        """Return how many rows tables had on the nights before a batch date."""
        return [count for count in self.row_counts() if count.batch_date < batch_date]

    def replace_row_counts(self, counts: Iterable[RowCount]) -> None:
        """Make `counts` the only ones."""
        with self._explaining(), self._open() as con:
            con.execute("delete from row_counts")
            con.executemany("insert into row_counts values (?, ?, ?, ?, ?)", [astuple(count) for count in counts])

    def generations(self) -> list[tuple[str, str, str, str]]:
        """Return generation, run, time of publishing and fingerprint, the newest first."""
        rows = self._all("select generation, run_id, published_at, fingerprint from generations")
        return sorted(((r[0], r[1], r[2], r[3]) for r in rows), reverse=True)

    def write_generation(self, generation: str, run_id: str, content: str) -> None:
        """Record that `generation` was published with the fingerprint `content`."""
        self._many(
            "insert or replace into generations values (?, ?, ?, ?)", [(generation, run_id, now(), content)]
        )

    def forget_generation(self, generation: str) -> None:
        """Drop the record of a generation whose file was deleted."""
        self._many("delete from generations where generation = ?", [(generation,)])

    def switches(self) -> list[Switch]:
        """Return every change of the current generation, the newest first."""
        return [
            Switch(*row[:4], by=row[4], reason=row[5])
            for row in self._all("select * from switches order by rowid desc")
        ]

    def note_switch(self, switch: Switch) -> None:
        """Record that another generation is current now."""
        self._many("insert into switches values (?, ?, ?, ?, ?, ?)", [astuple(switch)])

    def approvals(self, generation: str) -> list[Approval]:
        """Return who approved a generation, the first one first."""
        rows = self._all("select * from approvals where generation = ? order by at", (generation,))
        return [Approval(*row) for row in rows]

    def note_approvals(self, approvals: Iterable[Approval]) -> None:
        """Record approvals; a second one by the same person is left out."""
        rows = [astuple(approval) for approval in approvals]
        self._many("insert or ignore into approvals values (?, ?, ?, ?)", rows)

    def ask(self, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT over the ledger's tables."""
        return self._all(sql, values)

    def change(self, *statements: tuple[str, Sequence[Any]]) -> None:
        """Execute statements, each for every one of its rows of values, in one transaction."""
        (sql, rows), *also = statements
        self._many(sql, rows, *also)

    def close(self) -> None:
        """Close the file, so that all of the ledger is in it; it is opened again when it is asked."""
        with closing(self._open()):
            self._con = None

    def _all(
        self,
        sql: str,
        values: Sequence[object] | Mapping[str, object] = (),
        read: Callable[[tuple[Any, ...]], Any] = tuple,
    ) -> list[Any]:
        """Return what `read` makes of each row; a text that it cannot read is damage too."""
        with self._explaining(), closing(self._open().execute(sql, values)) as cursor:
            return [read(row) for row in cursor.fetchall()]

    def _many(self, sql: str, rows: Sequence[Any], *also: tuple[str, Sequence[Any]]) -> None:
        with self._explaining(), self._open() as con:
            for statement, values in ((sql, rows), *also):
                con.executemany(statement, values)

    def _keep(self, sql: str, rows: Sequence[Any]) -> None:
        """Store what can be computed again."""
        self._many(sql, rows)
        if self.is_reading and rows and not _is_untouched.get():
            with suppress(LedgerError, OSError):
                Ledger(self.path)._many(sql, rows)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            if is_damage(error):
                self._con = None
                if self.is_reading:
                    raise LedgerError(
                        f"The ledger {self.path} is damaged: {error}. Nothing was changed. The next run makes a "
                        "new one from the lake."
                    ) from error
                aside = set_aside(self.path)
                raise LedgerError(
                    f"The ledger {self.path} is damaged: {error}. It was moved to {aside.name}. The next run "
                    "makes a new one from the lake."
                ) from error
            raise LedgerError(
                f"The ledger {self.path} cannot be used: {error}. If the disk is full, make room. Then run again."
            ) from error

    def _open(self) -> sqlite3.Connection:
        if self._con is None or self._pid != os.getpid():
            # a SQLite connection must not be used across a fork, nor closed on the other side
            self._inherited.append(self._con)
            self._con, self._pid = self._connected(), os.getpid()
            # what has changed is told by each connection for itself
            self._receipts = None
        return self._con

    def _connected(self) -> sqlite3.Connection:
        if self.is_reading:
            return copied(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return connect(self.path)


def _record(kind: type[Run] | type[Check], row: Sequence[Any], *texts: str) -> dict[str, Any]:
    values = dict(zip(_NAMES[kind], row, strict=True))
    return values | {name: json.loads(values[name]) for name in texts}


_NAMES = {kind: tuple(column.name for column in fields(kind)) for kind in (Run, Check)}


def _run(row: tuple[Any, ...]) -> Run:
    return Run(**_record(Run, row, "versions", "summary"))


def _check(row: tuple[Any, ...]) -> Check:
    return Check(**_record(Check, row, "examples"))


def _offending(row: tuple[Any, ...]) -> Offending:
    return Offending(row[0], json.loads(row[1]))


class _Receipts(NamedTuple):
    """All receipts, as the ledger had them in a state: by this process, and not written to by others since."""

    state: int
    items: dict[Key, Receipt]
