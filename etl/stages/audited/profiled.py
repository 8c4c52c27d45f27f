"""The profiles of a night: what is new is looked at, compared with what was, and kept.

A part of a table is profiled when its content has changed, or what is asked of it; the newest `profiled_parts` of
a table have a profile. Only a candidate that passed leaves its profiles in the ledger, or a wrong night would be
the measure of the next. build.duckdb has tonight's too, as etl.profiles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from etl.contract.audit import Audit
from etl.contract.drift_sql import count_of_past
from etl.engine.exact import counted
from etl.errors import few
from etl.ledger import Ledger
from etl.ledger.profiles import Noted, Part, Profiles, Row
from etl.models import Columns
from etl.stages.audited import profile_table
from etl.stages.audited.candidate import Candidate
from etl.stages.audited.measured import Asked, as_json
from etl.stages.audited.measured_together import measured_together
from etl.stages.audited.profile_parts import Wanted, changed_parts, useless_parts, wanted_parts
from etl.stages.warehouse import Day, Held, columns_of, count_rows, held_parts

if TYPE_CHECKING:
    import duckdb

#: Raise it when the same rows would have another profile.
_VERSION = 1


@dataclass(kw_only=True)
class NightProfiles:
    """The profiles of a candidate; at most `limit` parts of a table have one, and with 0 none."""

    con: duckdb.DuckDBPyConnection
    candidate: Candidate
    audits: Sequence[Audit]
    run_id: str
    limit: int
    ledger: Ledger
    _gone: list[Part] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)

    def clean(self) -> None:
        """Take values of personal data out of all profiles, and out of the build those that the ledger lacks."""
        store = Profiles(self.ledger)
        hidden = [
            (table, name)
            for table, columns in self._columns.items()
            for name, _ in columns
            if self._hides(table, name)
        ]
        store.hide(hidden)
        profile_table.clean(self.con, self._noted, hidden)

    def take(self) -> None:
        """Profile what is new, and make etl.profiles hold that and all that was known before."""
        if not self.limit:
            return profile_table.drop(self.con)
        store, noted = Profiles(self.ledger), self._noted
        known = {part[:2] for part in noted}
        wanted = {table: self._wanted(table, known) for table in self._tables}
        fresh = list(changed_parts((item for parts in wanted.values() for item in parts), noted))
        self._gone = list(useless_parts(noted, wanted, fresh, self.limit))
        self._rows = list(self._profiled(fresh))
        others = {*self._gone, *(row.part for row in self._rows)}
        lacking = profile_table.lacking(self.con, {p: found for p, found in noted.items() if p not in others})
        profile_table.write(self.con, self._gone, [*store.rows(lacking), *self._rows])

    def record(self, has_passed: bool) -> None:
        """Keep tonight's profiles, if the candidate passed."""
        if has_passed and (self._gone or self._rows):
            Profiles(self.ledger).replace([*self._gone, *{row.part for row in self._rows}], self._rows)

    def hindrance(self, audit: Audit) -> str | None:
        """Return why an audit of drift cannot be done; None if it can, or if it is another one."""
        if not audit.past:
            return None
        if not self.limit:
            return "No table is profiled, since luigi.cfg says profiled_parts = 0."
        if audit.table not in self._tables:
            return f"{audit.table} has no profile: a view holds no rows. Ask it of a table."
        hidden = [name for name in audit.columns if self._hides(audit.table, name)]
        if audit.of_values and hidden:
            return f"{few(hidden)} is personal data, so its profile has counts only. Ask for nulls or distinct."
        if audit.past >= self.limit:
            return f"Only {self.limit} parts of a table have a profile. Raise profiled_parts in luigi.cfg."
        return None

    def note(self, audit: Audit) -> str:
        """Return what an audit of drift that passed lacks to compare with, if it lacks something."""
        if not audit.past or self.hindrance(audit):
            return ""
        ((there,),) = self.con.execute(count_of_past(audit.sql)).fetchall()
        if there >= audit.past:
            return ""
        missing = audit.past - there
        return f"nothing to compare with yet: {there} of {audit.past} earlier profiles, {missing} are missing"

    @cached_property
    def _noted(self) -> dict[Part, Noted]:
        """What the ledger has profiles of."""
        return Profiles(self.ledger).noted()

    @cached_property
    def _tables(self) -> dict[str, list[Held]]:
        """The parts of each table that holds rows."""
        found: dict[str, list[Held]] = defaultdict(list)
        for part in held_parts(self.con):
            if part.table in self._columns:
                found[part.table].append(part)
        return dict(found)

    @cached_property
    def _columns(self) -> dict[str, Columns]:
        """The columns of each table that are its content, with their types."""
        return {table: counted(table, columns) for table, columns in columns_of(self.con).items()}

    def _hides(self, table: str, column: str) -> bool:
        return column.lower() in self.candidate.personal_of(table)

    def _partition(self, table: str) -> str:
        return self.candidate.partition_of(table) if self._tables[table][0].is_partition else ""

    def _wanted(self, table: str, noted: Collection[tuple[str, str]]) -> list[Wanted]:
        held, asked = self._tables[table], self._asked(table)
        basis = [_VERSION, asked.partition, list(asked.columns), sorted(asked.personal), sorted(asked.measures)]
        night, is_partitioned = self.candidate.batch_date, bool(asked.partition)
        return wanted_parts(held, basis, night=night, is_partitioned=is_partitioned, limit=self.limit, noted=noted)

    def _asked(self, table: str) -> Asked:
        partition = self._partition(table)
        own = [audit for audit in self.audits if audit.table == table and not self.hindrance(audit)]
        return Asked(
            table=table,
            columns=tuple(column for column in self._columns[table] if column[0].lower() != partition.lower()),
            partition=partition,
            parts={},
            personal=self.candidate.personal_of(table),
            measures={name: sql for audit in own for name, sql in audit.measures},
        )

    def _profiled(self, parts: Sequence[Wanted]) -> Iterator[Row]:
        by_table: dict[str, dict[Day, Wanted]] = defaultdict(dict)
        for item in parts:
            by_table[item.part.table_name][item.day] = item
        asked = [self._asked(table).of(self._sizes(table, found.values())) for table, found in by_table.items()]
        for found, days in zip(by_table.values(), measured_together(self.con, asked), strict=True):
            for day, facts in days.items():
                item = found[day]
                table, partition, night = item.part
                for name, known in facts.items():
                    known = known if name else {**known, "basis": item.basis}
                    yield Row(table, partition, name, self.run_id, night, as_json(known))

    def _sizes(self, table: str, parts: Iterable[Wanted]) -> dict[Day, int]:
        return {item.day: self._size(table) if item.rows is None else item.rows for item in parts}

    def _size(self, table: str) -> int:
        return count_rows(self.con, table)
