"""The rows of a block judged by the rules of their contract: proven values as they are, all else in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from etl.contract import Column, Rule
from etl.contract.cleansing import NOTHING
from etl.contract.moments import MOMENTS, moments_of
from etl.contract.spelling import NUMBERS, column_values
from etl.engine.quoting import identifier
from etl.sources import Source
from etl.sources.formats.arrow_cuts import CutReader
from etl.sources.formats.arrow_numpy import flags, from_flags, from_numbers, from_text, numbers
from etl.sources.formats.arrow_reader import BlockReader
from etl.sources.formats.arrow_values import arrow_type, exact, nearly_exact
from etl.sources.formats.blocks import Cuts, Marks, Unproven
from etl.stages.lake import typing_sql
from etl.stages.lake.asking import BLOCK, Asker
from etl.stages.lake.breaking import BETWEEN, Breaking
from etl.stages.lake.inputs import EXTRA, Input
from etl.stages.lake.sound import Breaches

#: The columns that say which row of a block, and which delivery, a row is.
_ROW, DELIVERY = "_record", "_delivery"
_FIRST_DAY = date(1970, 1, 1)


class Judged(NamedTuple):
    """The rows of a block as the lake has them, those that break a rule among them, and what was found."""

    rows: pa.Table
    #: The positions of the rows that break rules, ascending, and their texts, if these are to be explained.
    failing: np.ndarray
    broken: pa.Table | None
    #: How many kept rows break each rule that only warns, by delivery.
    warnings: Mapping[int, Mapping[str, int]]
    #: The deliveries in which a key occurs twice, if that was asked for.
    doubled: frozenset[int] = frozenset()

    def kept(self) -> pa.Table:
        """Return the rows that break no rule."""
        if not len(self.failing):
            return self.rows
        kept = np.ones(self.rows.num_rows, bool)
        kept[self.failing] = False
        return self.rows.filter(from_flags(kept))


class Judge:
    """Judges blocks of one layout; `days` is the SQL of the partition of a row. Many threads may use it at once.

    With `explain` the rows that break rules are kept to be explained, which puts their keys into the tables
    `doubtful`; without, keys that occur twice in a delivery of the block are looked for.
    """

    def __init__(self, file: Input, days: str, *, explain: bool) -> None:
        self.file, self._days, self._explain = file, days, explain
        self._source = source = file.source
        self._columns = {c.name: c for c in source.contract.columns if c.name in file.cells}
        self._warning = [rule for rule in source.contract.rules if rule.severity == "warn"]
        self.uniques = [unique for unique in source.contract.uniques if unique.severity == "error"]
        self.rules: dict[str, Rule] = {rule.name: rule for rule in typing_sql.rules(file, days)}
        self._breaches = Breaches(source, self.rules.values())
        self._statements = cache(self._written)

    def reader(self, marks: Marks | Cuts) -> BlockReader | CutReader:
        """Return what reads the cells of blocks that are judged."""
        cells, names = set(self.file.cells.values()), self.file.texts
        wanted = [text for text in names if text in cells or self._source.extra == "keep"]
        return CutReader(marks, names, wanted) if isinstance(marks, Cuts) else BlockReader(marks, names, wanted)

    def nothing(self) -> pa.Table:
        """Return no rows, as the lake has them."""
        schema = lake_schema(self._source)
        assert schema is not None
        return pa.table([pa.nulls(0, field.type) for field in schema], schema=schema)

    def key_tables(self) -> Iterator[str]:
        """Yield the statements that make the tables `doubtful`."""
        for number, unique in enumerate(self.uniques):
            types = [self._source.contract.column(name).type for name in unique.columns]
            columns = [f"k{at} {type}" for at, type in enumerate([*types, *["boolean"] * len(types)])]
            yield f"create or replace table {doubtful(number)} (file integer, record bigint, {', '.join(columns)})"

    def judged(self, asker: Asker, texts: Mapping[str, Any], deliveries: Any = None) -> Judged:
        """Return what becomes of a block's rows; `deliveries` is the number of the delivery of each.

        Raises Unproven if the rows that come out of DuckDB are not in order.
        """
        count = len(next(iter(texts.values())))
        texts = {**texts, _ROW: from_numbers(np.arange(count))}
        texts[DELIVERY] = from_numbers(np.zeros(count, np.int32)) if deliveries is None else deliveries
        cells, known, nearly = self._values(texts)
        unreadable = np.empty(0, np.int64)
        if nearly:
            cells, unreadable = self._mended(asker, texts, cells, nearly)
        written = self._statements(known)
        table = pa.table(cells)
        made = {}
        if written.made:
            result = asker.table(table, written.rows)
            if not np.array_equal(numbers(_whole(result.column(_ROW)), np.int64), np.arange(count)):
                raise Unproven("the rows of a block came back in another order")
            made = {name: _whole(result.column(name)) for name in written.made}
            failing = np.flatnonzero(~flags(_whole(result.column("_keeps"))))
        else:
            failing = numbers(_whole(asker.table(table, written.rows).column(_ROW)), np.int64)
        failing = np.union1d(failing, unreadable)
        rows = {name: made.get(name, cells.get(self.file.cells.get(name, ""))) for name in written.names}
        if self._warning and len(unreadable):
            table = table.filter(from_flags(~np.isin(np.arange(count), unreadable)))
        warnings = self._warnings(asker, table, written) if self._warning else {}
        doubled = self._doubled(asker, table, written) if self.uniques and not self._explain else frozenset()
        broken = None
        if self._explain and len(failing):
            broken = pa.table(texts).take(from_numbers(failing))
        return Judged(lake_table(rows, self._source), failing, broken, warnings, doubled)

    def explain(self, asker: Asker, broken: pa.Table, file: int, found: Breaking) -> None:
        """Note in `found` what rows break that break rules, of many blocks of a file, and note their keys."""
        written = self._statements(frozenset())
        for number, query in enumerate(written.keys):
            asker.fetch(broken, f"select {file}, * from ({query})", f"insert into {doubtful(number)}")
        told = asker.table(broken, written.why)
        if not all(chunk.is_valid().true_count == len(chunk) for chunk in told.column(0).chunks):
            raise Unproven("a row that breaks a rule breaks none")
        found.add(numbers(_whole(broken.column(_ROW)), np.int64), told)

    def found(self, scratch: Path) -> Breaking:
        """Return where explain() can note what the rows of a file break."""
        return Breaking(self._breaches, scratch)

    def _values(self, texts: Mapping[str, Any]) -> tuple[dict[str, Any], frozenset[str], dict[str, Any]]:
        """Return the cells, those of a proven column as values, and the names of these columns.

        Of some of them a few cells are not proven, and null: their positions, by the column, come third.
        """
        found, known, nearly = dict(texts), set(), {}
        for name, column in self._columns.items():
            cell = self.file.cells[name]
            if (decimal := _spelling(column, self.file)) is None:
                continue
            values = exact(found[cell], column.type, decimal)
            if values is None and (most := nearly_exact(found[cell], column.type, decimal)):
                values, nearly[name] = most
            if values is not None:
                found[cell] = values
                known.add(name)
        return found, frozenset(known), nearly

    def _mended(
        self,
        asker: Asker,
        texts: Mapping[str, Any],
        cells: Mapping[str, Any],
        nearly: Mapping[str, Any],
    ) -> tuple[dict[str, Any], np.ndarray]:
        """Return the cells, by SQL where they were not proven, and the rows of which a text is no value."""
        rows = np.unique(np.concatenate(list(nearly.values())))
        originals = pa.table(dict(texts)).take(from_numbers(rows))
        columns = ", ".join(f"{identifier(name)} as c{at}" for at, name in enumerate(nearly))
        # of no other column anything is asked
        typed = self._statements(frozenset(self._columns).difference(nearly)).typed
        result = asker.table(originals, f"select {columns} from ({typed}) order by {_ROW}")
        mask = np.zeros(len(texts[_ROW]), bool)
        mask[rows] = True
        mended, unreadable = dict(cells), np.zeros(len(rows), bool)
        for at, name in enumerate(nearly):
            cell, type = self.file.cells[name], arrow_type(self._columns[name].type)
            values = _whole(result.column(at)).cast(type)
            mended[cell] = pc.replace_with_mask(cells[cell], from_flags(mask), values)
            is_value = flags(values.is_valid())
            is_text = flags(_whole(originals.column(cell)).is_valid())
            unreadable |= is_text & ~is_value
        return mended, rows[unreadable]

    def _written(self, known: frozenset[str]) -> _Statements:
        file = replace(self.file, known=known)
        values = typing_sql.lake_values(self._source)
        plain = {name for name in known if not self._columns[name].pii and self._columns[name].default is None}
        made = [name for name in values if name not in plain]
        rules = typing_sql.rules(file, self._days)
        keeps = typing_sql.keeps(rules)
        typed = typing_sql.typed(file, BLOCK, f"{_ROW}, {DELIVERY}")
        if made:
            columns = ", ".join(f"{values[name]} as {identifier(name)}" for name in made)
            judged = f"select *, {typing_sql.once(keeps)} as _keeps from ({typed})"
            rows = f"select {_ROW}, {columns}, _keeps from ({judged})"
        else:
            rows = f"select {_ROW} from ({typed}) where not ({keeps})"
        names = f"nullif(array_to_string({typing_sql.broken(rules)}, chr({ord(BETWEEN)})), '')"
        why = f"select {names}{self._breaches.values} from ({typed}) order by {_ROW}"
        counts = ", ".join(f"count(*) filter (not ({rule.sql}))" for rule in self._warning)
        warnings = f"select {DELIVERY}, {counts} from ({typed}) where {keeps} group by all"
        readable = typing_sql.readable(file)
        keys, doubled = [], []
        for unique in self.uniques:
            key = self._source.contract.key(unique)
            is_value = [readable.get(name, "true") for name in unique.columns]
            # of a text that is no value, nothing is said but that
            chosen = f" where {is_value[0]}" if len(is_value) == 1 else ""
            keys.append(f"select {', '.join([_ROW, *key, *is_value])} from ({typed}){chosen}")
            doubled.append(
                f"select {DELIVERY} from ({typed}) group by {', '.join([DELIVERY, *key])} having count(*) > 1"
            )
        return _Statements(list(values), made, typed, rows, why, warnings, keys, doubled)

    def _warnings(self, asker: Asker, rows: pa.Table, written: _Statements) -> dict[int, dict[str, int]]:
        return {
            delivery: {rule.name: count for rule, count in zip(self._warning, counts, strict=True) if count}
            for delivery, *counts in asker.fetch(rows, written.warnings)
        }

    @staticmethod
    def _doubled(asker: Asker, rows: pa.Table, written: _Statements) -> frozenset[int]:
        return frozenset(row[0] for query in written.doubled for row in asker.fetch(rows, query))


class _Statements(NamedTuple):
    """What is asked of a block some of whose columns are values."""

    #: The columns of the lake, and those of them that the query `rows` makes.
    names: Sequence[str]
    made: Sequence[str]
    #: All columns, and the other queries.
    typed: str
    rows: str
    why: str
    warnings: str
    keys: Sequence[str]
    doubled: Sequence[str]


def doubtful(number: int) -> str:
    """Return the name of the table of the keys, of one unique rule, of the rows that break other rules."""
    return f"memory.main.doubtful_{number}"


def lake_schema(source: Source) -> pa.Schema | None:
    """Return the columns that a source's contract has in the lake; None if Arrow would write one otherwise."""
    types = {column.name: arrow_type(column.type) for column in source.contract.columns}
    if source.extra == "keep":
        types[EXTRA] = pa.string()
    return None if None in types.values() else pa.schema(types.items())


def lake_table(columns: Mapping[str, Any], source: Source) -> pa.Table:
    """Return columns as the lake has them; only how instants are shown can be otherwise."""
    schema = lake_schema(source)
    assert schema is not None
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


def placed(rows: pa.Table, source: Source, day: date, file: str, is_one_of_many: bool) -> pa.Table:
    """Return rows with the partition column, if it is not the contract's, and the name of their file."""
    if typing_sql.has_own_partition(source):
        days = np.full(rows.num_rows, (day - _FIRST_DAY).days, np.int32)
        rows = rows.append_column(source.partition, from_numbers(days).view(pa.date32()))
    name = from_text(file)
    if is_one_of_many:
        return rows.append_column("_file", pa.repeat(name[0], rows.num_rows))
    positions = from_numbers(np.zeros(rows.num_rows, np.int32))
    return rows.append_column("_file", pa.DictionaryArray.from_arrays(positions, name))


def numbered(broken: pa.Table, first: int) -> pa.Table:
    """Return the texts of rows with the numbers of their records in the file."""
    records = numbers(_whole(broken.column(_ROW)), np.int64) + first
    return broken.set_column(broken.schema.get_field_index(_ROW), _ROW, from_numbers(records))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.chunks
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks or [pa.nulls(0, column.type)])


def _spelling(column: Column, file: Input) -> str | None:
    """Return the decimal mark of a column's texts; None if they are not written as Arrow reads them."""
    values = column_values(column, file.source.format.values)
    is_spelled = column.number or (column.type in MOMENTS and moments_of(column, values).formats)
    is_grouped = column.type.startswith(NUMBERS) and values.thousands
    return None if column.clean != NOTHING or is_spelled or is_grouped else values.decimal
