"""Running checks: each is a SELECT of offending rows, and those of one table's rows take one scan."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, literal, qualified
from etl.errors import printable
from etl.ledger import KEPT_ROWS, Check, Offending
from etl.stages.audited.personal import HIDDEN, Personal
from etl.stages.audited.proofs import Parts, Proofs
from etl.stages.warehouse import Day

if TYPE_CHECKING:
    import duckdb

_EXAMPLES = 3
_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A check to be done: `sql` selects the offending rows, and `content` changes when it must be done again.

    `rule`, if there is one, is a condition that a row of `table` breaks if and only if `sql` finds something.
    `judged` are the columns that a built-in kind judges. `ways` are those in which the tables of one without a
    rule come apart: see Audit.apart.
    """

    name: str
    table: str
    severity: str
    sql: str
    content: str
    reads: tuple[str, ...]
    rule: str = ""
    judged: tuple[str, ...] = ()
    ways: tuple[tuple[tuple[str, str], ...], ...] = ()
    #: What it asks, if its SQL does not say that.
    code: str = ""

    @property
    def meant(self) -> str:
        """What it asks: two checks that ask the same find the same in the same rows."""
        return self.code or self.rule or self.sql


def rule_asked(name: str, table: str, severity: str, rule: str, content: str, code: str = "") -> Asked:
    """Return a check of a condition on each row of a table; `code` is that of a rule in Python."""
    sql, reads = _broken_rows(table, rule), (table,)
    return Asked(
        name=name, table=table, severity=severity, sql=sql, content=content, reads=reads, rule=rule, code=code
    )


class Checks:
    """The checks done so far; one that passed before on the same content is taken over."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        before: Mapping[str, Check],
        run_id: str,
        personal: Personal,
        proofs: Proofs,
    ) -> None:
        self.con, self.before, self.run_id, self.personal, self.proofs = con, before, run_id, personal, proofs
        self.done: list[Check] = []
        #: The SELECT of each check that was done, and its offending rows.
        self.offending: dict[str, Offending] = {}
        self._names: set[str] = set()

    def known(self, name: str, content: str) -> bool:
        """Take over the earlier result of a check, if it passed on this content."""
        earlier = self.before.get(name)
        if earlier is None or earlier.fingerprint != content or not earlier.passed:
            return False
        self._append(earlier)
        return True

    def keep(self, earlier: Check) -> None:
        """Take over the result of a check that was done before the audit."""
        self._append(earlier)

    def add(
        self, name: str, table: str, severity: str, failing: int, examples: Sequence[str], content: str
    ) -> str:
        """Add a result, under a name of its own; return that."""
        while name in self._names:
            name += "'"
        self._append(
            Check(
                name=name,
                table_name=table,
                severity=severity,
                passed=failing == 0,
                failing=failing,
                examples=list(examples),
                run_id=self.run_id,
                fingerprint=content,
            ),
        )
        return name

    def query(self, asked: Asked, note: Callable[[], str] = str) -> None:
        """Do a check by its SELECT; `note` returns what is to be said if it passes."""
        parts = self.proofs.parts(asked.reads, [asked.meant], asked.ways)
        if self.known(asked.name, asked.content):
            return
        if parts and (found := self._groups(asked, parts)):
            self._tell(asked, *found)
        else:
            self._look(asked, note)

    def _look(self, asked: Asked, note: Callable[[], str] = str) -> None:
        """Do a check by its SELECT over all rows."""
        import duckdb

        try:
            failing = self.con.execute(f"select count(*) from (\n{asked.sql}\n)").fetchall()[0][0]
        except duckdb.Error as error:
            self.refuse(asked.name, asked.table, error, asked.content, asked.reads)
        else:
            self._tell(asked, failing, note=note)

    def scan(self, table: str, asked: Sequence[Asked], parts: Parts | None = None) -> None:
        """Do the checks that have a rule in one scan; one by one, if DuckDB cannot run one of them.

        With the `parts` of the table, only those that are stale are looked at.
        """
        import duckdb

        todo = [one for one in asked if not self.known(one.name, one.content)]
        if not todo:
            return
        found = self._rows_by_part(table, todo, parts) if parts else None
        try:
            broken = found or [(number, "true") for number in self._broken(table, todo)]
        except duckdb.Error as error:
            if len(todo) == 1:
                self.refuse(todo[0].name, table, error, todo[0].content, (table,))
            else:
                for one in todo:
                    self.scan(table, [one])
            return
        for one, (failing, where) in zip(todo, broken, strict=True):
            if failing and one.sql != _broken_rows(table, one.rule):
                # what it finds are not those rows, but groups of them
                self._look(one)
            else:
                self._tell(one, failing, where)

    def _broken(self, table: str, asked: Sequence[Asked], where: str = "true") -> tuple[int, ...]:
        """Return how many rows break each rule."""
        query = f"select {_counts(asked)} from {qualified(table)} where {where}"
        found: tuple[int, ...] = self.con.execute(query).fetchall()[0]
        return found

    def _rows_by_part(self, table: str, asked: Sequence[Asked], parts: Parts) -> list[tuple[int, str]] | None:
        """Return how many rows break each rule, and where they are; None if DuckDB cannot run one of them."""
        import duckdb

        try:
            if parts.stale and any(self._broken(table, asked, parts.stale_where)):
                query = f"select {identifier(parts.column)}, {_counts(asked)} from {qualified(table)} "
                rows = self.con.execute(f"{query} where {parts.stale_where} group by 1").fetchall()
                meant = [one.meant for one in asked]
                parts.find({day: dict(zip(meant, numbers, strict=True)) for day, *numbers in rows})
            else:
                parts.find({})
        except duckdb.Error:
            return None
        return [parts.total(one.meant) for one in asked]

    def _groups(self, asked: Asked, parts: Parts) -> tuple[int, str] | None:
        """Return how many rows a SELECT finds, and where; None if DuckDB cannot run it."""
        import duckdb

        rows: list[tuple[Day, int]] = []
        try:
            if parts.stale:
                query = f"select {identifier(parts.column)}, count(*) from (\n{parts.stale_only(asked.sql)}\n)"
                rows = self.con.execute(f"{query} where {parts.stale_where} group by 1").fetchall()
        except duckdb.Error:
            return None
        parts.find({day: {asked.meant: number} for day, number in rows})
        return parts.total(asked.meant)

    def _tell(self, asked: Asked, failing: int, where: str = "true", note: Callable[[], str] = str) -> None:
        """Add the result of a check, with examples of its offending rows; `where` says in which partitions."""
        import duckdb

        try:
            examples, rows = self.rows(asked, where) if failing else ([said] if (said := note()) else [], [])
        except duckdb.Error as error:
            self.refuse(asked.name, asked.table, error, asked.content, asked.reads)
        else:
            name = self.add(asked.name, asked.table, asked.severity, failing, examples, asked.content)
            self.offending[name] = Offending(asked.sql, rows)

    def refuse(self, name: str, table: str, error: Exception, content: str, reads: Sequence[str]) -> None:
        """Take a check that cannot be run for a failed one, whatever its severity."""
        said = f"it cannot be run: {self.personal.said(error, reads)}"[:_CHARACTERS]
        self.add(name, table, "error", 1, [said], content)

    def rows(self, asked: Asked, where: str = "true") -> tuple[list[str], list[dict[str, Any]]]:
        """Return a few offending rows as text, and more of them as JSON objects, without personal data.

        `where` says where they are. Groups are in order, so that the same are shown wherever they were looked for.
        """
        order = "order by all" if asked.ways else ""
        relation = f"(from (\n{asked.sql}\n) where {where} {order})"
        names = [column[0] for column in self.con.execute(f"from {relation} limit 0").description]
        hidden = self.personal.hides(names, asked.reads, asked.judged)
        shown = {name: _shown(name, name in hidden) for name in names}
        texts = ", ".join(f"{sql}::varchar" for sql in shown.values())
        fields = ", ".join(f"{literal(name)}: {sql}" for name, sql in shown.items())
        query = f"select to_json({{{fields}}})::varchar, {texts} from {relation} limit {KEPT_ROWS}"
        found = self.con.execute(query).fetchall()
        examples = [
            ", ".join(
                f"{printable(n)} = {'null' if v is None else printable(str(v))}"
                for n, v in zip(names, row[1:], strict=True)
            )
            for row in found[:_EXAMPLES]
        ]
        return [text[:_CHARACTERS] for text in examples], [_bounded(json.loads(row[0])) for row in found]

    def _append(self, check: Check) -> None:
        self._names.add(check.name)
        self.done.append(check)


def _broken_rows(table: str, rule: str) -> str:
    return f"from {qualified(table)} where not ({rule})"


def _counts(asked: Sequence[Asked]) -> str:
    return ", ".join(f"count(*) filter (not ({one.rule}))" for one in asked)


def _shown(name: str, is_hidden: bool) -> str:
    sql = identifier(name)
    return f"case when {sql} is not null then {literal(HIDDEN)} end" if is_hidden else sql


def _bounded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with long values cut, and NaN and infinity, which JSON lacks, as text."""
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, list | dict):
        text = json.dumps(value)
        return (
            value
            if len(text) <= _CHARACTERS and "NaN" not in text and "Infinity" not in text
            else text[:_CHARACTERS]
        )
    return value[:_CHARACTERS] if isinstance(value, str) else value
