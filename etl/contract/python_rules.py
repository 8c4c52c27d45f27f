"""Checks that only Python can judge, run on the distinct values of a relation: the failing ones become a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.contract import judge
from etl.contract.contract import Contract, PythonRule, Rule
from etl.contract.folder import load_model
from etl.contract.frames import frame, holds_null
from etl.contract.python_checks import judged, present
from etl.engine.quoting import identifier
from etl.errors import StepError, sentence

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

_BATCH_ROWS = 50_000


def prepare(con: duckdb.DuckDBPyConnection, contract: Contract, contracts: Path, relation: str) -> list[Rule]:
    """Judge the contract's Python rules over `relation`, and return them as rules that look the verdicts up.

    `relation` is a SELECT that gives the contract's typed columns, and `contracts` the contracts folder. The
    failing values are in tables of the in-memory catalog `memory`, which other cursors of `con` see too; the
    rules hold for rows of `relation` only. Raises StepError, with an example, if an author's function fails.
    """
    if not contract.python:
        return []

    @cache
    def schema(module: str, model: str) -> Any:
        rule = next(rule for rule in contract.python if (rule.module, rule.model) == (module, model))
        return load_model(contracts, rule).to_schema()

    return evaluate(con, contract, lambda rule: schema(rule.module, rule.model), relation)


def evaluate(
    con: duckdb.DuckDBPyConnection, contract: Contract, schema_of: Callable[[PythonRule], Any], relation: str
) -> list[Rule]:
    """Do what prepare() does, with the pandera schema of each rule from `schema_of`."""
    return [_Run(con, contract, rule, schema_of(rule)).rule(relation) for rule in contract.python]


class _Run:
    """One Python rule over one relation."""

    def __init__(self, con: duckdb.DuckDBPyConnection, contract: Contract, rule: PythonRule, schema: Any) -> None:
        self.con, self.contract, self.python = con, contract, rule
        self.columns = [contract.column(name) for name in rule.columns]
        # by position: its name would not do, as pandera forgets a given name when a model is inherited
        self.check = (schema.columns[rule.spec] if rule.column else schema).checks[rule.position]
        specs = [rule.spec] if rule.column else rule.columns
        self.dtypes = {
            column.name: schema.columns[spec].dtype for column, spec in zip(self.columns, specs, strict=True)
        }

    def rule(self, relation: str) -> Rule:
        """Judge the distinct rows of `relation`; return the rule."""
        table = f"memory.main.{identifier(f'_python {self.contract.name} {self.python.name}')}"
        condition = self._condition()
        failing = self._write(table, self._failing(relation, condition))
        python = self.python
        sql = f"{self._row()} not in (from {table})" if failing else "true"
        if failing and condition:
            sql = f"case when {condition} then {sql} end"
        return Rule(python.name, sql, python.column, python.message, severity=python.severity)

    def _condition(self) -> str:
        if self.python.column is None:
            return judged(self.check, self.contract, self.columns, self.dtypes)
        (column,) = self.columns
        return present(column) if self.check.ignore_na or not holds_null(self.dtypes[column.name]) else ""

    def _failing(self, relation: str, condition: str) -> Iterator[pa.Table]:
        import pyarrow as pa

        names = ", ".join(column.sql for column in self.columns)
        where = f" where {condition}" if condition else ""
        found = self.con.sql(f"select distinct {names} from (\n{relation}\n){where}")
        batches: Any = found.to_arrow_reader(_BATCH_ROWS)
        for number, batch in enumerate(batches):
            table = pa.Table.from_batches([batch])
            if not table.num_rows:
                continue
            data = frame(table, self.dtypes)
            kept = self._verdicts(data.iloc[:, 0] if self.python.column else data, is_first=not number)
            if not kept.all():
                yield table.filter(pa.array(~kept))

    def _verdicts(self, data: pd.Series[Any] | pd.DataFrame, is_first: bool) -> Any:
        try:
            if is_first:
                judge.check_parts(self.check, data)
            return judge.verdicts(self.check, data)
        except judge.NotRowWise as error:
            raise StepError(f"{self._where()}: {sentence(judge.explained(error))}") from error
        except Exception as error:
            example = judge.culprit(self.check, data).head(1)
            shown = example.to_dict("records")[0] if self.python.column is None else example.tolist()[0]
            said = f"{type(error).__name__}: {error} (on {shown!r})"
            if any(column.pii for column in self.columns):
                said = f"{type(error).__name__} (the value is personal, so it is not shown)"
            raise StepError(
                f"{self._where()}: its Python function raised {said}. Nothing was judged by it. Correct the "
                "function in the contract."
            ) from error

    def _write(self, table: str, failing: Iterator[pa.Table]) -> int:
        """Write what fails into `table`; return how many. On a cursor, since the other one is being read."""
        fields = ", ".join(f"f{number} {column.type}" for number, column in enumerate(self.columns))
        rows = 0
        with self.con.cursor() as cursor:
            cursor.execute(f"create or replace table {table} (row struct({fields}))")
            for part in failing:
                cursor.register("failing_part", part)
                cursor.execute(f"insert into {table} select {self._row()} from failing_part")
                cursor.unregister("failing_part")
                rows += part.num_rows
        return rows

    def _row(self) -> str:
        fields = [f"f{number}: {column.sql}::{column.type}" for number, column in enumerate(self.columns)]
        return "{" + ", ".join(fields) + "}"

    def _where(self) -> str:
        place = f", column {self.python.column!r}" if self.python.column else ""
        return f"Contract {self.contract.name}{place}, check {self.python.name}"
