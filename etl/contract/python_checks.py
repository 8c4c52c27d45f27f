"""Checks written in Python, when their contract is compiled: as SQL where that is the same, or as a PythonRule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from etl.contract import custom, judge
from etl.contract.contract import Column, Contract, PythonRule, Rule, Severity
from etl.contract.frames import frame, has_missing, holds_null
from etl.contract.functions import author_function, code_digest, in_folder, is_constant, texts_of
from etl.contract.samples import rows
from etl.contract.trace import Traced, TracedFrame, Untraceable, leaf
from etl.engine.quoting import literal

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_FLOATS = ("DOUBLE", "FLOAT")
_TRIALS = 60


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A check and what it is about: a column of the contract, or its rows if `column` is None."""

    check: Any
    position: int
    contract: Contract
    schema: Any
    column: Column | None
    module: str
    model: str

    @property
    def name(self) -> str:
        """The name of its rule."""
        return f"{self.column.name}.{self.check.name}" if self.column else str(self.check.name)

    @cached_property
    def dtypes(self) -> dict[str, Any]:
        """pandera's types, by column."""
        return {name: column.dtype for name, column in self.schema.columns.items()}


def compile_python(subject: Subject) -> Rule | PythonRule:
    """Return the rule of a check that its author wrote; ValueError says why it can be none."""
    check = subject.check
    if check.groupby is not None:
        raise ValueError("groupby compares rows with one another. Write an audit (sql/audits) for that")
    columns = [subject.column] if subject.column else list(_read(subject))
    with _Samples(subject, columns) as samples:
        try:
            judge.check_row_wise(check, samples.data, samples.alone)
        except judge.NotRowWise as error:
            raise ValueError(judge.explained(error)) from error
        sql = _rendered(subject, samples) or _traced(subject, samples)
    severity: Severity = "warn" if check.raise_warning else "error"
    message = str(check.error or check.name)
    column = subject.column.name if subject.column else None
    if sql is not None:
        return Rule(subject.name, sql, column, message, severity=severity)
    names, code = tuple(column.name for column in columns), code_digest(subject.module)
    return PythonRule(
        *(subject.name, names, in_folder(subject.module), subject.model),
        position=subject.position,
        code=code,
        column=column,
        spec=column or "",
        message=message,
        severity=severity,
    )


def judged(check: Any, contract: Contract, columns: Sequence[Column], dtypes: Mapping[str, Any]) -> str:
    """Return the condition under which a row is judged by a check over rows of these columns.

    Not where a number is null that pandas' type cannot hold; nor, as in pandera, a row of nulls alone.
    """
    parts = [f"{c.sql} is not null" for c in columns if c.name in dtypes and not holds_null(dtypes[c.name])]
    if check.ignore_na and all(column.nullable for column in contract.columns):
        empty = [f"coalesce(isnan({c.sql}), true)" if c.type in _FLOATS else f"{c.sql} is null"
                 for c in contract.columns]  # fmt: skip
        parts.append(f"not ({' and '.join(empty)})")
    return " and ".join(parts)


def present(column: Column) -> str:
    """Return the condition that a column's value is neither null nor NaN, which pandera counts as null."""
    nan = f" and not isnan({column.sql})" if column.type in _FLOATS else ""
    return f"{column.sql} is not null{nan}"


class _Samples:
    """A table of sample rows of some columns, in DuckDB and as pandas."""

    def __init__(self, subject: Subject, columns: Sequence[Column]) -> None:
        self.subject, self.columns = subject, columns

    def __enter__(self) -> _Samples:
        import duckdb

        self.con: duckdb.DuckDBPyConnection = duckdb.connect(":memory:", config={"threads": "1"})
        self.con.execute("set TimeZone = 'UTC'")
        types = ", ".join(f"{column.sql} {column.type}" for column in self.columns)
        self.con.execute(f"create table samples (_row integer, {types})")
        found = rows({c.name: c.type for c in self.columns}, {c.name: self._hints(c) for c in self.columns})
        values = ", ".join(f"({number}, {', '.join(row)})" for number, row in enumerate(found))
        self.con.execute(f"insert into samples values {values}")
        self.con.execute(f"delete from samples where not coalesce({self._condition() or 'true'}, false)")
        return self

    def __exit__(self, *error: object) -> None:
        self.con.close()

    @cached_property
    def data(self) -> pd.Series[Any] | pd.DataFrame:
        """The samples as the author's function gets them."""
        names = ", ".join(column.sql for column in self.columns)
        table = self.con.sql(f"select {names} from samples order by _row").to_arrow_table()
        dtypes = {column.name: self.subject.dtypes[column.name] for column in self.columns}
        data = frame(table, dtypes)
        return data.iloc[:, 0] if self.subject.column else data

    @cached_property
    def alone(self) -> list[bool | Exception]:
        """What the author's function says of each sample, or what it raises."""
        return judge.alone(self.subject.check, self.data)

    def difference(self, sql: str, is_total: bool) -> str:
        """Return how SQL and Python differ on the samples; empty if they are the same.

        `is_total`: whether it is a difference that the function fails where SQL has an answer.
        """
        import duckdb

        names = ", ".join(f"{column.sql}::varchar" for column in self.columns)
        query = f"select coalesce({sql}, true), {names} from samples order by _row"
        try:
            found = self.con.execute(query).fetchall()
        except duckdb.Error as error:
            return str(error)
        for (answer, *values), expected in zip(found, self.alone, strict=True):
            if answer != expected and (is_total or isinstance(expected, bool)):
                return f"they differ on {', '.join(map(str, values))}"
        return ""

    def _condition(self) -> str:
        subject = self.subject
        if subject.column is None:
            return judged(subject.check, subject.contract, self.columns, subject.dtypes)
        if subject.check.ignore_na:
            return present(subject.column)
        return "" if holds_null(subject.dtypes[subject.column.name]) else present(subject.column)

    def _hints(self, column: Column) -> list[str]:
        found: list[str] = []
        for check in self.subject.schema.columns[column.name].checks:
            for value in (check.statistics or {}).values():
                for one in value if isinstance(value, list | tuple | set | frozenset) else [value]:
                    try:
                        found.append(literal(one))
                    except ValueError:
                        continue
        return found[:20]


def _rendered(subject: Subject, samples: _Samples) -> str | None:
    """Return the SQL that the author of a registered check gave; ValueError if it is another check."""
    from pandera.api.checks import Check

    name = getattr(author_function(subject.check), "__name__", "")
    render = custom.renderer(name) if name in Check.REGISTERED_CUSTOM_CHECKS else None
    if render is None or subject.column is None:
        return None
    try:
        sql = render(subject.column.sql, subject.column.type, **(subject.check.statistics or {}))
    except TypeError as error:
        raise ValueError(f"its SQL cannot be written: {error}") from error
    if not isinstance(sql, str):
        raise ValueError(f"its SQL is {sql!r}, not text")
    guarded = _guarded(subject, f"({sql})")
    if difference := samples.difference(guarded, is_total=False):
        raise ValueError(f"its SQL `{sql}` differs from its Python: {difference}")
    return guarded


def _traced(subject: Subject, samples: _Samples) -> str | None:
    check = subject.check
    function = author_function(check)
    if check.element_wise or not is_constant(function, set(subject.dtypes)):
        return None
    call: Callable[..., Any] = partial(check._check_fn, **check._check_kwargs)
    try:
        if subject.column is not None:
            found = call(_leaf(subject, subject.column))
        else:
            found = call(TracedFrame({column.name: _leaf(subject, column) for column in samples.columns}))
    except Exception:
        return None
    if not isinstance(found, Traced) or found.type != "BOOLEAN":
        return None
    sql = _guarded(subject, found.sql, samples.columns)
    return None if samples.difference(sql, is_total=True) else sql


def _leaf(subject: Subject, column: Column) -> Any:
    try:
        return leaf(column.sql, column.type, has_missing(subject.dtypes[column.name]))
    except Untraceable:
        if subject.column is not None:
            raise
        return None


def _guarded(subject: Subject, sql: str, columns: Sequence[Column] = ()) -> str:
    """Return a condition that says nothing of the rows that the check does not judge."""
    if subject.column is None:
        condition = judged(subject.check, subject.contract, columns, subject.dtypes)
        return f"case when {condition} then {sql} end" if condition else sql
    if subject.check.ignore_na:
        return f"case when {present(subject.column)} then {sql} end"
    return (
        sql
        if holds_null(subject.dtypes[subject.column.name])
        else f"case when {present(subject.column)} then {sql} end"
    )


def _read(subject: Subject) -> list[Column]:
    """Return the columns that a check over rows reads: those that it names, if they are enough, or all."""
    plain = [column for column in subject.contract.columns if not column.regex]
    named = texts_of(author_function(subject.check))
    listed = [column for column in plain if column.name in named]
    # a row of nulls alone is not judged, and to tell one takes all columns
    is_by_all = subject.check.ignore_na and all(column.nullable for column in subject.contract.columns)
    if not listed or len(listed) == len(plain) or is_by_all:
        return plain
    with _Samples(subject, plain) as samples:
        if samples.data.empty:
            return plain
        for number in range(min(len(samples.data), _TRIALS)):
            row = samples.data.iloc[number : number + 1]
            few = row[[column.name for column in listed]]
            if _outcome(subject.check, row) != _outcome(subject.check, few):
                return plain
    return listed


def _outcome(check: Any, row: pd.DataFrame) -> str:
    try:
        return str(judge.verdicts(check, row).tolist())
    except Exception as error:
        return type(error).__name__
