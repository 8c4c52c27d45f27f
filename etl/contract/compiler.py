"""Compiles a pandera model into a `Contract`: what pandera says, as SQL, or an error, never a silent pass."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from etl.contract.binding import check_expression, check_rules
from etl.contract.checks import check_sql
from etl.contract.contract import Column, Contract, Rule, Severity, Unique
from etl.contract.types import duckdb_type
from etl.errors import ContractError
from etl.quoting import identifier

_REMEDY = 'write it as an sql rule: metadata={"sql": {"rule_name": "a boolean expression"}}'
# Settings that would change rows or results, by the values that do no harm beside None.
_SCHEMA_SETTINGS: dict[str, tuple[Any, ...]] = {
    "dtype": (),
    "index": (),
    "parsers": ([],),
    "drop_invalid_rows": (False,),
    "add_missing_columns": (False,),
    "on_missing_columns": (),
    "report_duplicates": ("all",),
}
_COLUMN_SETTINGS: dict[str, tuple[Any, ...]] = {
    "regex": (False,),
    "default": (),
    "parsers": ([],),
    "drop_invalid_rows": (False,),
    "report_duplicates": ("all",),
}


def compile_contract(model: Any, name: str | None = None) -> Contract:
    """The contract that a `pandera.pandas` model or schema states; its name is the model's if none is given.

    `coerce` is ignored, since raw files are parsed from text. ContractError for all that SQL cannot keep.
    """
    schema = _schema(model, name)
    name = name or str(schema.name or "unnamed")
    with _place(name):
        _refuse_settings(schema, _SCHEMA_SETTINGS)
        if schema.strict not in (True, False, None):
            raise ValueError(f"strict={schema.strict!r} would drop columns; use strict=True, or leave it out")
        if not schema.columns:
            raise ValueError("it has no columns; a table has at least one")
        for check in schema.checks:
            raise ValueError(f"check {check.name!r} over whole rows is Python; {_REMEDY} in Config")
    contract = Contract(
        name=name,
        columns=tuple(_columns(schema, name)),
        strict=bool(schema.strict),
        ordered=bool(schema.ordered),
        description=_first_line(schema.description),
    )
    contract = replace(contract, uniques=tuple(_uniques(schema, contract)))
    contract = replace(contract, rules=tuple(_numbered(_rules(schema, contract, _metadata(model)))))
    with _place(name):
        check_rules(contract)
    return contract


def _schema(model: Any, name: str | None) -> Any:
    from pandera.api.pandas.container import DataFrameSchema
    from pandera.errors import SchemaInitError

    where = name or str(getattr(model, "__name__", model))
    try:
        schema = model.to_schema() if hasattr(model, "to_schema") else model
    except (SchemaInitError, TypeError, ValueError) as error:
        raise ContractError(f"contract {where}: pandera refuses the model: {error}; correct it") from error
    if not isinstance(schema, DataFrameSchema):
        raise ContractError(
            f"contract {where}: {type(schema).__name__} is not a pandera.pandas model; "
            "derive the class from pandera.pandas.DataFrameModel"
        )
    return schema


def _columns(schema: Any, contract: str) -> Iterator[Column]:
    seen: dict[str, str] = {}
    for name, column in schema.columns.items():
        with _place(contract, name):
            if not isinstance(name, str) or not identifier(name):
                raise ValueError("its name is not text; DuckDB's columns are named by text")
            if name.lower() in seen:
                raise ValueError(f"DuckDB cannot tell it from {seen[name.lower()]!r}: names ignore case")
            seen[name.lower()] = name
            _refuse_settings(column, _COLUMN_SETTINGS)
            yield Column(
                name=name,
                type=duckdb_type(column.dtype),
                nullable=bool(column.nullable),
                required=bool(column.required),
                description=_first_line(column.description or column.title),
            )


def _uniques(schema: Any, contract: Contract) -> Iterator[Unique]:
    yield from (Unique(f"{name}.unique", (name,)) for name, column in schema.columns.items() if column.unique)
    lists = schema.unique or []
    for columns in [lists] if all(isinstance(item, str) for item in lists) else lists:
        unknown = [column for column in columns if column not in schema.columns]
        if unknown:
            raise ContractError(f"contract {contract.name}: unique names {unknown}; name columns that it has")
        if columns:
            yield Unique(f"unique({', '.join(columns)})", tuple(columns))


def _metadata(model: Any) -> Any:
    # `to_schema` drops Config.metadata.
    return getattr(getattr(model, "__config__", model), "metadata", None)


def _rules(schema: Any, contract: Contract, metadata: Any) -> Iterator[Rule]:
    for column in contract.columns:
        spec = schema.columns[column.name]
        if not column.nullable:
            yield _not_nullable(column)
        for check in spec.checks:
            with _place(contract.name, column.name, str(check.name or "without a name")):
                yield _rule(check, column)
        yield from _sql_rules(spec.metadata, contract, column.name)
    yield from _sql_rules(metadata, contract, None)


def _not_nullable(column: Column) -> Rule:
    name = identifier(column.name)
    present = f"{name} is not null"
    if column.type in ("DOUBLE", "FLOAT"):
        present = f"({present} and not isnan({name}))"  # pandera counts NaN as null
    return Rule(f"{column.name}.not_nullable", present, column.name, "is null")


def _rule(check: Any, column: Column) -> Rule:
    from pandera.api.function_dispatch import Dispatcher

    function = check._check_fn
    if not isinstance(function, Dispatcher) or check.groupby is not None or check.element_wise:
        raise ValueError("it is Python; only built-in checks, without groupby and element_wise, become SQL")
    # A check that its author renamed keeps its kind in its function's name only.
    kind = str(function.__name__)
    sql = check_sql(kind, check.statistics or {}, identifier(column.name), column.type, check.ignore_na)
    severity: Severity = "warn" if check.raise_warning else "error"
    return Rule(f"{column.name}.{check.name or kind}", sql, column.name, _message(check, kind), severity)


def _message(check: Any, kind: str) -> str:
    """pandera's message, with sets in order, so that it is the same in every process."""
    message = str(check.error or kind)
    for value in (check.statistics or {}).values():
        if isinstance(value, set | frozenset):
            message = message.replace(str(value), str(sorted(value, key=repr)))
    return message


def _sql_rules(metadata: Any, contract: Contract, column: str | None) -> Iterator[Rule]:
    severities: dict[str, Severity] = {"sql": "error", "sql_warn": "warn"}
    for key, severity in severities.items():
        rules = (metadata or {}).get(key) or {}
        with _place(contract.name, column):
            if not isinstance(rules, dict):
                raise ValueError(f'metadata "{key}" is not a dict; write {{"{key}": {{"rule_name": "sql"}}}}')
        for name, sql in rules.items():
            with _place(contract.name, column, f"{name} ({key} rule)", remedy="correct the expression"):
                check_expression(sql, contract)
            yield Rule(f"{column}.{name}" if column else name, f"({sql})", column, sql, severity)


def _numbered(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The rules under names that differ: the second `price.in_range` is `price.in_range#2`."""
    counts: dict[str, int] = {}
    for rule in rules:
        counts[rule.name] = count = counts.get(rule.name, 0) + 1
        yield rule if count == 1 else replace(rule, name=f"{rule.name}#{count}")


def _refuse_settings(spec: Any, settings: dict[str, tuple[Any, ...]]) -> None:
    for setting, harmless in settings.items():
        value = getattr(spec, setting, None)
        if value is not None and value not in harmless:
            raise ValueError(f"{setting} is not supported: it has no meaning for a table in SQL; take it out")


@contextmanager
def _place(
    contract: str, column: object = None, check: str | None = None, remedy: str = _REMEDY
) -> Iterator[None]:
    """Says where a ValueError happened, as a ContractError."""
    try:
        yield
    except (ValueError, TypeError) as error:
        place = f"contract {contract}" + (f", column {column!r}" if column is not None else "")
        advice = f"; {remedy}" if check else ""
        raise ContractError(f"{place}{f', check {check}' if check else ''}: {error}{advice}") from error


def _first_line(text: Any) -> str:
    return str(text or "").strip().partition("\n")[0].strip()
