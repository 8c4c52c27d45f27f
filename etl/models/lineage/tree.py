"""Lineage as text: trees down to the raw files, or up to all that a column ends up in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from etl.models.lineage.columns import Expression, Origin
from etl.models.lineage.graph import Lineage, reachable

#: Longer expressions are cut in the text, not in the data.
_WIDTH = 100

_PLAIN = re.compile(r'(?:(?:\w+|"[^"]+")\.)*(?:(\w+)|"([^"]+)")')


def upstream(lineage: Lineage, name: str) -> Iterator[str]:
    """Yield the lines of what a column, or each of a table, is made of; then where the rows on the way come from.

    Raises ConfigError for an unknown name, with the closest.
    """
    columns = lineage.columns(name)
    for column in columns:
        yield from _Upstream(lineage).lines(column)
    start = [*lineage.tables_named(name), *(column.table for column in columns)]
    tables = reachable(start, lambda table: lineage.reads.get(table, ()))
    if below := [table for table in tables if lineage.reads.get(table)]:
        yield "Rows, and what they are joined, filtered, grouped or ordered by:"
        yield from (f"   {table} from {_deciding(lineage, table)}" for table in below)


def downstream(lineage: Lineage, name: str) -> Iterator[str]:
    """Yield the lines of what a column, or each of a table, ends up in: as a value, or by which rows there are.

    Raises ConfigError for an unknown name, with the closest.
    """
    for column in lineage.columns(name):
        yield from _Downstream(lineage).lines(column)
    yield from (_Downstream(lineage).other_rows(table) for table in lineage.tables_named(name))


class _Tree:
    """A tree of columns as lines; a branch that comes again is shown once."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self._seen: set[Origin] = set()

    def lines(self, column: Origin, mark: str = "", indent: str = "") -> Iterator[str]:
        branches = self.branches(column)
        is_again = column in self._seen and branches
        self._seen.add(column)
        yield f"{mark}{self.line(column)}{'   (see above)' if is_again else ''}"
        for number, branch in enumerate([] if is_again else branches, 1):
            corner, more = ("└─ ", "   ") if number == len(branches) else ("├─ ", "│  ")
            if isinstance(branch, str):
                yield f"{indent}{corner}{branch}"
            else:
                yield from self.lines(branch, indent + corner, indent + more)

    def branches(self, column: Origin) -> Sequence[Origin | str]:
        raise NotImplementedError

    def said(self, column: Origin) -> list[Expression]:
        """Return the expressions that say more than the column's name."""
        return [one for one in self.lineage.made(column).expressions if not _is_name(one.sql, column.name)]

    def line(self, column: Origin) -> str:
        """Return a column with its expressions, and where they are written."""
        if column.table not in self.lineage.tables:
            return f"{column.table}: {column.name}" if column.name else column.table
        said = self.said(column)
        texts = [
            sql if len(sql) <= _WIDTH else f"{sql[:_WIDTH]}..." for sql in dict.fromkeys(one.sql for one in said)
        ]
        line = next((one.line for one in said or self.lineage.made(column).expressions), 0)
        file = self.lineage.tables[column.table.partition("/")[0]].file
        where = f"   {file}{f':{line}' if line else ''}" if file else ""
        made_by = f" = {' | '.join(texts)}" if texts else ""
        return f"{column.table.rpartition('/')[2]}.{column.name}{made_by}{where}"


class _Upstream(_Tree):
    def branches(self, column: Origin) -> Sequence[Origin | str]:
        table = self.lineage.tables.get(column.table)
        if table and table.opaque:
            return [f"{_everything(table.reads)}: {table.opaque}"] if table.reads else []
        found = reachable(self.lineage.made(column).values, self._handed_on)
        return [one for one in found if not self._handed_on(one)]

    def _handed_on(self, column: Origin) -> Sequence[Origin]:
        """Return what a column is made of that a SELECT within the model hands on as it is."""
        is_silent = self.lineage.is_step(column) and not self.said(column)
        return self.lineage.made(column).values if is_silent else ()


class _Downstream(_Tree):
    def branches(self, column: Origin) -> Sequence[Origin | str]:
        tables = self.lineage.decides.get(column, [])
        return [*self.lineage.into.get(column, []), *map(self.other_rows, tables)]

    def said(self, column: Origin) -> list[Expression]:
        steps = reachable(
            [column], lambda one: [v for v in self.lineage.made(one).values if self.lineage.is_step(v)]
        )
        return next((texts for step in steps if (texts := super(_Downstream, self).said(step))), [])

    def other_rows(self, table: str) -> str:
        """Return what it means for others that a table has other rows."""
        readers = list(reachable([table], lambda name: self.lineage.readers.get(name, [])))[1:]
        then = f", and so {', '.join(readers)}" if readers else ""
        return f"{table} (which rows there are){then}   {self.lineage.tables[table].file}"


def _deciding(lineage: Lineage, table: str) -> str:
    reads, deciding = ", ".join(lineage.reads[table]), ", ".join(map(str, lineage.rows[table]))
    if lineage.tables[table].opaque:
        deciding = _everything(lineage.reads[table])
    return f"{reads}, by {deciding}" if deciding else reads


def _everything(tables: Sequence[str]) -> str:
    return f"perhaps every column of {', '.join(tables)}"


def _is_name(text: str, name: str) -> bool:
    match = _PLAIN.fullmatch(text)
    return not text or (match is not None and (match[1] or match[2]).lower() == name.lower())
