"""Fetch: calls a function in Python, and lands what it yields: Arrow as it is, records as exact texts."""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from etl.contract.folder import modules_of, package_of
from etl.errors import FetchError
from etl.sources.fetches.function import Fetch
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.landing import Landing
from etl.stages.fetched.writers import TableWriter

if TYPE_CHECKING:
    import pyarrow as pa

#: So many records make one batch.
_BATCH = 10_000


def fetch(asked: Asked, landing: Landing) -> Told:
    """Call the function, and land what it yields."""
    of = cast("Fetch", asked.fetch)
    found = _function(asked, str(of.function))
    taken = _Taken(asked, landing, of.column)
    returned = taken.all(_called(found, asked))
    to = _latest(asked, taken.greatest) if of.column else _kept(returned)
    return Told(start=asked.cursor, to=to, rows=taken.rows, query=str(of.function))


class _Taken:
    """What is taken of a generator: rows, and the greatest value of the cursor's column."""

    def __init__(self, asked: Asked, landing: Landing, column: str) -> None:
        self.asked, self.landing, self.column = asked, landing, column
        self.greatest: Any = None
        self.rows = 0
        self._writer: TableWriter | None = None
        self._records: list[Mapping[str, Any]] = []
        self._names: list[str] = []

    def all(self, yielded: Iterable[Any]) -> Any:
        """Write all that is yielded; return what the generator returns."""
        returned: Any = None
        if isinstance(yielded, Generator):
            while True:
                try:
                    item = next(yielded)
                except StopIteration as end:
                    returned = end.value
                    break
                self._take(item)
        else:
            for item in yielded:
                self._take(item)
        self._write_records()
        if self._writer is None and self.asked.fetch.mode != "cursor":
            # nothing there is a delivery too: all of it is gone
            self._write(self._of_records([]))
        return returned

    def _take(self, item: Any) -> None:
        if isinstance(item, Mapping):
            self._records.append(item)
            if self.column:
                self._note(self._value(item))
            if len(self._records) >= _BATCH:
                self._write_records()
        elif hasattr(item, "schema") and hasattr(item, "num_rows"):
            self._write_records()
            if self.column and item.num_rows:
                self._note(self._value(item))
            self._write(item)
        elif isinstance(item, list | tuple):
            for each in item:
                self._take(each)
        else:
            raise FetchError(
                f"{self._named} yielded {type(item).__name__}. Let it yield Arrow tables or batches, or dicts."
            )

    @property
    def _named(self) -> str:
        return f"the function {str(cast('Fetch', self.asked.fetch).function).lstrip('.')}"

    def _write_records(self) -> None:
        if self._records:
            records, self._records = self._records, []
            self._write(self._of_records(records))

    def _of_records(self, records: list[Mapping[str, Any]]) -> pa.Table:
        import pyarrow as pa

        if not self._names:
            self._names = list(dict.fromkeys(str(name) for record in records for name in record)) or [
                *self.asked.columns
            ]
        if strange := {str(name) for record in records for name in record} - set(self._names):
            raise FetchError(
                f"{self._named} yielded a record with the column {min(strange)!r}, which the first "
                f"{_BATCH:,} did not have. Let every record have all columns, None where it has no value."
            )
        columns = {name: [_text(record.get(name)) for record in records] for name in self._names}
        return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})

    def _write(self, rows: Any) -> None:
        import pyarrow as pa

        if self._writer is None:
            try:
                self._writer = self.landing.table(rows.schema)
            except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
                raise FetchError(f"{self._named} yielded what Parquet cannot hold: {error}.") from error
        elif not rows.schema.equals(self._writer.schema, check_metadata=False):
            raise FetchError(
                f"{self._named} yielded rows of other columns or types than before: "
                f"{_difference(self._writer.schema, rows.schema)}. Let all batches have the same."
            )
        self._writer.write(rows)
        self.rows += rows.num_rows

    def _value(self, rows: Any) -> Any:
        """Return the value of the cursor's column of a record, or the greatest one of a table."""
        try:
            if isinstance(rows, Mapping):
                return rows[self.column]
            import pyarrow.compute as pc

            return pc.max(rows.column(self.column)).as_py()
        except KeyError:
            raise FetchError(
                f"{self._named} yielded rows without the column {self.column!r}, that of its cursor."
            ) from None

    def _note(self, found: Any) -> None:
        if found is not None and (self.greatest is None or found > self.greatest):
            self.greatest = found


def _kept(value: Any) -> Any:
    """Return a cursor as what JSON can hold."""
    is_plain = value is None or isinstance(value, str | int | float | list | dict)
    return value if is_plain else _text(value)


def _latest(asked: Asked, found: Any) -> Any:
    """Return the greatest value that was ever seen: a fetch that brings less does not set the cursor back."""
    before = asked.newest.to if asked.newest and not asked.full else None
    if before is None or found is None:
        return _kept(found)
    known: Any = before
    if isinstance(before, str) and isinstance(found, dt.datetime | dt.date):
        known = type(found).fromisoformat(before)
    elif isinstance(found, Decimal):
        known = Decimal(str(before))
    try:
        return before if known > found else _kept(found)
    except TypeError:
        return _kept(found)


def _called(function: Callable[..., Any], asked: Asked) -> Iterable[Any]:
    """Call the function with what its parameters ask for."""
    offered = {"cursor": asked.cursor, "date": asked.day, "full": asked.full}
    parameters = inspect.signature(function).parameters
    found = function(**{name: value for name, value in offered.items() if name in parameters})
    if found is None or isinstance(found, str | Mapping):
        return [] if found is None else [found]
    return [found] if hasattr(found, "schema") and hasattr(found, "num_rows") else cast("Iterable[Any]", found)


def _function(asked: Asked, name: str) -> Callable[..., Any]:
    """Return a function by module and name: of a contract file, or of a module in the project's folder."""
    module, _, own = name.rpartition(".")
    if module.startswith("."):
        package = package_of(asked.contracts)
        if package not in sys.modules:
            modules_of(asked.contracts)
        module = package + module
    elif str(asked.root) not in sys.path:
        sys.path.append(str(asked.root))
    try:
        found = getattr(importlib.import_module(module), own)
    except ModuleNotFoundError as error:
        raise FetchError(f"{name.lstrip('.')} needs a module that is not installed: {error.name}.") from error
    except (ImportError, AttributeError) as error:
        raise FetchError(f"{name.lstrip('.')} is not a function that can be found: {error}.") from error
    if not callable(found):
        raise FetchError(f"{name.lstrip('.')} is not a function.")
    return cast("Callable[..., Any]", found)


def _text(value: Any) -> str | None:
    """Return a value as the exact text that contracts cast."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=_text)
    return str(value)


def _difference(before: Any, now: Any) -> str:
    was, new = ({field.name: str(field.type) for field in schema} for schema in (before, now))
    lines = [f"{name} {was.get(name, '(none)')} -> {new.get(name, '(none)')}" for name in {**was, **new}]
    return "; ".join(line for line in lines if len(set(line.partition(" ")[2].split(" -> "))) > 1) or "their order"
