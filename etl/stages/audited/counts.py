"""The counts of a table's rows on earlier nights, with which `row_count: within ...` compares tonight's.

A count is one table's on one batch date: of a night that runs again the later one stays. A table whose content
is that of its newest count gets no other, so nights without anything new do not flatten the history. Only a
candidate that passed is counted, or a wrong night would be the measure of the next. The ledger and build.duckdb
both hold all of it, so that either can be deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING

from etl.contract.audit import BATCH_DATE, COUNT_COLUMNS, MOST_COUNTS, ROW_COUNTS, Audit
from etl.engine.quoting import identifier
from etl.ledger import Ledger, RowCount
from etl.stages.audited.candidate import Candidate
from etl.stages.warehouse import count_rows

if TYPE_CHECKING:
    import duckdb

_COLUMNS = ", ".join(f"{identifier(name)} {type}" for name, type in COUNT_COLUMNS)
_NOTE = "nothing to compare with yet: this is the first night that its rows are counted"


@dataclass(kw_only=True)
class RowCounts:
    """The history of the tables that `audits` compare with it."""

    con: duckdb.DuckDBPyConnection
    candidate: Candidate
    audits: Sequence[Audit]
    run_id: str
    _earlier: dict[str, list[RowCount]] = field(default_factory=dict)
    _unchanged: dict[str, list[RowCount]] = field(default_factory=dict)
    _of_tonight: dict[str, list[RowCount]] = field(default_factory=dict)

    @property
    def tables(self) -> list[str]:
        """The tables that are counted."""
        return sorted({audit.table for audit in self.audits if audit.earlier})

    def prepare(self, noted: Iterable[RowCount]) -> None:
        """Make etl.row_counts hold what tonight is to be compared with, and set the batch date for audits.

        `noted` are the counts of the ledger, which are believed before those of the file.
        """
        tonight = self.candidate.batch_date
        self.con.execute(f"set variable {BATCH_DATE} = ?", [tonight])
        if not self.tables:
            return
        self.con.execute(f"create table if not exists {ROW_COUNTS} ({_COLUMNS})")
        for table, counts in self._known(noted).items():
            before = [count for count in counts if count.batch_date != str(tonight)]
            self._of_tonight[table] = [count for count in counts if count.batch_date == str(tonight)]
            if before and before[-1].fingerprint == self.candidate.tables.get(table):
                self._unchanged[table] = [before.pop()]
            self._earlier[table] = before
        self._write(self._earlier.values())

    def note(self, audit: Audit) -> str:
        """Return what is to be said of an audit that compares with counts, and has none."""
        is_first = audit.earlier and not any(count.rows for count in self._earlier.get(audit.table, []))
        return _NOTE if is_first else ""

    def record(self, ledger: Ledger, has_passed: bool) -> None:
        """Count tonight's rows, in place of an earlier run's, if the candidate passed; else keep what was."""
        if not self.tables:
            return
        counts = {}
        for table in {*self.tables, *self._earlier}:
            last = [*self._unchanged.get(table, []), *self._of_tonight.get(table, [])]
            if has_passed and table in self.tables:
                last = self._unchanged.get(table) or [self._counted(table)]
            every = sorted([*self._earlier.get(table, []), *last], key=_run)
            counts[table] = every[-MOST_COUNTS:]
        self._write(counts.values())
        ledger.replace_row_counts(count for each in counts.values() for count in each)

    def _counted(self, table: str) -> RowCount:
        rows = count_rows(self.con, table)
        date, content = str(self.candidate.batch_date), self.candidate.tables[table]
        return RowCount(table, date, self.run_id, rows, fingerprint=content)

    def _known(self, noted: Iterable[RowCount]) -> dict[str, list[RowCount]]:
        """Return the counts of each table, in the order of their runs; the ledger is believed before the build."""
        query = f"select table_name, batch_date::varchar, run_id, rows, fingerprint from {ROW_COUNTS}"
        every = [*(RowCount(*row[:4], fingerprint=row[4]) for row in self.con.execute(query).fetchall()), *noted]
        found: dict[str, list[RowCount]] = defaultdict(list)
        for count in {(count.table_name, count.batch_date): count for count in every}.values():
            found[count.table_name].append(count)
        return {table: sorted(counts, key=_run) for table, counts in found.items()}

    def _write(self, counts: Iterable[Sequence[RowCount]]) -> None:
        rows = [astuple(count) for each in counts for count in each]
        columns = [list(column) for column in zip(*rows, strict=True)]
        self.con.execute(f"begin; delete from {ROW_COUNTS}")
        if columns:
            self.con.execute(
                f"insert into {ROW_COUNTS} select unnest(?), unnest(?)::date, unnest(?), unnest(?), unnest(?)",
                columns,
            )
        self.con.execute("commit")


def _run(count: RowCount) -> str:
    return count.run_id
