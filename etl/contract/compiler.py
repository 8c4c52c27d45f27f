"""Compiles a pandera model into a `Contract`: what pandera says, as SQL, or an error, never a silent pass."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from etl.contract.audit import HeaderAudit
from etl.contract.binding import canonical_type, check_expression, check_rules, default_text
from etl.contract.checks import check_sql
from etl.contract.cleansing import clean_of
from etl.contract.contract import Column, Contract, PythonRule, Rule, Severity, Unique
from etl.contract.metadata import (
    COLUMN_KEYS,
    MODEL_KEYS,
    SQL_KEYS,
    checked_metadata,
    column_audits,
    column_facts,
    table_audits,
)
from etl.contract.numerals import flagged
from etl.contract.python_checks import Subject, compile_python
from etl.contract.types import categories, duckdb_type
from etl.engine.quoting import identifier
from etl.errors import ContractError, sentence

_REMEDY = 'Write it as an sql rule: metadata={"sql": {"rule_name": "a boolean expression"}}'
_CLEAN = 'Declare it as cleansing: metadata={"clean": ...}'
# Settings that would change rows or results: the values that do no harm beside None, and what to do instead.
_SCHEMA_SETTINGS: dict[str, tuple[tuple[Any, ...], str]] = {
    "dtype": ((), "Give each column its own type"),
    "index": ((), "A table has no index. Make it a column"),
    "parsers": (([],), _CLEAN),
    "drop_invalid_rows": ((False,), "rows that break a rule go to quarantine anyway. Remove it"),
    "on_missing_columns": ((), "a column that may be absent is written `X | None`. Remove it"),
}
_COLUMN_SETTINGS: dict[str, tuple[tuple[Any, ...], str]] = {
    "parsers": (([],), _CLEAN),
    "drop_invalid_rows": ((False,), "rows that break a rule go to quarantine anyway. Remove it"),
    "on_missing": ((), "a column that may be absent is written `X | None`. Remove it"),
}


def compile_contract(model: Any, name: str | None = None) -> Contract:
    """The contract that a `pandera.pandas` model or schema states; its name is the model's if none is given.

    `coerce=True` says what extraction does in any case: raw text is parsed as the type of its column, in the
    declared formats. ContractError for all that can be kept neither in SQL nor row by row in Python.
    """
    schema = _schema(model, name)
    name = name or str(schema.name or "unnamed")
    with _place(name):
        _refuse_settings(schema, _SCHEMA_SETTINGS)
        _check_attached(model, schema)
        metadata = checked_metadata(_metadata(model), MODEL_KEYS)
        if schema.strict not in (True, False, None, "filter"):
            raise ValueError(f"strict={schema.strict!r} is not one of True, False, 'filter'")
        if not schema.columns:
            raise ValueError("it has no columns. A table has at least one")
    contract = Contract(
        name=name,
        columns=tuple(_with_flag_columns(name, list(_columns(schema, name)))),
        strict=schema.strict is True,
        ordered=bool(schema.ordered),
        description=_first_line(schema.description or schema.title),
        drops_extra=schema.strict == "filter",
    )
    contract = replace(contract, uniques=tuple(_uniques(schema, contract)), audits=_audits(schema, name, metadata))
    rules = list(_numbered(_rules(model, schema, contract, metadata)))
    contract = replace(
        contract,
        rules=tuple(rule for rule in rules if isinstance(rule, Rule)),
        python=tuple(rule for rule in rules if isinstance(rule, PythonRule)),
    )
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
        raise ContractError(f"Contract {where}: pandera refuses the model: {sentence(str(error))}") from error
    if not isinstance(schema, DataFrameSchema):
        raise ContractError(
            f"Contract {where}: {type(schema).__name__} is not a pandera.pandas model. "
            "Derive the class from pandera.pandas.DataFrameModel."
        )
    return schema


def _check_attached(model: Any, schema: Any) -> None:
    """ValueError for a `@check(..., regex=True)` that matches no column, which pandera lets pass."""
    from pandera.api.dataframe.model_components import CHECK_KEY

    collect: Any = getattr(model, "_collect_check_infos", lambda _: [])
    for info in collect(CHECK_KEY):
        patterns = [str(field) for field in info.fields]
        if info.regex and not any(re.match(p, str(name)) for p in patterns for name in schema.columns):
            name = getattr(info.check_fn, "__name__", "without a name")
            raise ValueError(
                f"check {name} is for columns like {patterns}, and there are none. Correct the pattern"
            )


def _columns(schema: Any, contract: str) -> Iterator[Column]:
    seen: dict[str, str] = {}
    for name, spec in schema.columns.items():
        with _place(contract, name):
            if not isinstance(name, str) or not identifier(name):
                raise ValueError("its name is not text. DuckDB names columns by text")
            if name.lower() in seen:
                raise ValueError(
                    f"DuckDB cannot tell it from {seen[name.lower()]!r}, since upper and lower case are the same "
                    "in names"
                )
            seen[name.lower()] = name
            _refuse_settings(spec, _COLUMN_SETTINGS)
            yield _column(schema, spec, name)
    aliases = [alias for spec in schema.columns.values() for alias in (spec.metadata or {}).get("aliases", ())]
    if doubled := [alias for alias in aliases if aliases.count(alias) > 1 or alias in schema.columns]:
        raise ContractError(f"Contract {contract}: the alias {doubled[0]!r} names two columns.")


def _with_flag_columns(contract: str, columns: Sequence[Column]) -> Iterator[Column]:
    """Yield the columns, those that take flags as ones that no file has."""
    takers = flagged(columns)
    for name, other in takers.items():
        with _place(contract, other.name):
            taker = next((column for column in columns if column.name == name), None)
            if (
                taker is None
                or taker.type != "VARCHAR"
                or taker.clean
                or taker.default is not None
                or taker.aliases
            ):
                raise ValueError(
                    f'metadata "number": flag_column {name!r} is not a plain column of text in the contract. '
                    f"Add {name}: str = pa.Field(nullable=True)"
                )
            if sum(column.number.flag_column == name for column in columns) > 1:
                raise ValueError(
                    f'metadata "number": two columns have the flag_column {name!r}. Give each its own'
                )
    for column in columns:
        yield replace(column, required=False) if column.name in takers else column


def _column(schema: Any, spec: Any, name: str) -> Column:
    type = canonical_type(duckdb_type(spec.dtype))
    facts = column_facts(checked_metadata(spec.metadata, COLUMN_KEYS), name, type)
    column = Column(
        name=name,
        type=type,
        nullable=bool(spec.nullable),
        required=bool(spec.required),
        description=_first_line(spec.description or spec.title),
        regex=bool(spec.regex),
        clean=clean_of(spec.metadata, type),
        **facts,
    )
    if spec.default is not None:
        column = replace(column, default=default_text(spec.default, column))
    if schema.add_missing_columns and column.required:
        if column.default is None and not column.nullable:
            raise ValueError("add_missing_columns needs a default for it, since it is not nullable")
        column = replace(column, required=False)
    return column


def _uniques(schema: Any, contract: Contract) -> Iterator[Unique]:
    for name, spec in schema.columns.items():
        if spec.unique:
            yield Unique(f"{name}.unique", (name,), report=spec.report_duplicates)
    lists = schema.unique or []
    for columns in [lists] if all(isinstance(item, str) for item in lists) else lists:
        unknown = [c for c in columns if c not in schema.columns or schema.columns[c].regex]
        if unknown:
            raise ContractError(
                f"Contract {contract.name}: unique names {unknown}, which it does not have. Name columns of the "
                "contract."
            )
        if columns:
            names = tuple(columns)
            yield Unique(f"unique({', '.join(columns)})", names, report=schema.report_duplicates)


def _audits(schema: Any, contract: str, metadata: Any) -> tuple[HeaderAudit, ...]:
    found: list[HeaderAudit] = []
    for name, spec in schema.columns.items():
        with _place(contract, name):
            asked = list(column_audits(spec.metadata or {}, name))
            if asked and spec.regex:
                raise ValueError("an audit of a pattern cannot name one column. Write an audit in sql/audits")
            found += asked
    with _place(contract):
        return (*found, *table_audits(metadata))


def _metadata(model: Any) -> Any:
    # `to_schema` drops Config.metadata.
    return getattr(getattr(model, "__config__", model), "metadata", None)


def _rules(model: Any, schema: Any, contract: Contract, metadata: Any) -> Iterator[Rule | PythonRule]:
    for column in contract.columns:
        spec = schema.columns[column.name]
        if not column.nullable:
            yield _not_nullable(column)
        if (allowed := categories(spec.dtype)) is not None:
            sql = check_sql("isin", {"allowed_values": allowed}, column.sql, column.type)
            yield Rule(f"{column.name}.categories", sql, column.name, f"is not one of {allowed}")
        for position, check in enumerate(spec.checks):
            with _place(contract.name, column.name, str(check.name or "without a name")):
                yield _rule(_subject(model, schema, contract, column, check, position))
        if column.regex and any(key in (spec.metadata or {}) for key in SQL_KEYS):
            raise ContractError(
                f"Contract {contract.name}, column {column.name!r}: an sql rule cannot name the columns of a "
                "pattern. Write a pandera check."
            )
        yield from _sql_rules(spec.metadata, contract, column.name)
    for position, check in enumerate(schema.checks):
        with _place(contract.name, None, str(check.name or "without a name"), _REMEDY + " in Config"):
            yield compile_python(_subject(model, schema, contract, None, check, position))
    yield from _sql_rules(metadata, contract, None)


def _subject(
    model: Any, schema: Any, contract: Contract, column: Column | None, check: Any, position: int
) -> Subject:
    # a schema that is no class has no name by which it could be found again
    module, name = (model.__module__, model.__qualname__) if isinstance(model, type) else ("", "")
    return Subject(
        check=check, position=position, contract=contract, schema=schema, column=column, module=module, model=name
    )


def _not_nullable(column: Column) -> Rule:
    name = column.sql
    present = f"{name} is not null"
    if column.type in ("DOUBLE", "FLOAT"):
        present = f"({present} and not isnan({name}))"  # pandera counts NaN as null
    return Rule(f"{column.name}.not_nullable", present, column.name, "is null")


def _rule(subject: Subject) -> Rule | PythonRule:
    from pandera.api.function_dispatch import Dispatcher

    check, column = subject.check, subject.column
    assert column is not None
    function = check._check_fn
    if not isinstance(function, Dispatcher):
        return compile_python(subject)
    if check.groupby is not None or check.element_wise:
        raise ValueError("built-in checks do not support groupby or element_wise=True here. Remove it")
    # A check that its author renamed keeps its kind in its function's name only.
    kind = str(function.__name__)
    sql = check_sql(kind, check.statistics or {}, column.sql, column.type, check.ignore_na)
    severity: Severity = "warn" if check.raise_warning else "error"
    return Rule(f"{column.name}.{check.name or kind}", sql, column.name, _message(check, kind), severity=severity)


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
                raise ValueError(f'metadata "{key}" is not a dict. Write {{"{key}": {{"rule_name": "sql"}}}}')
        for name, sql in rules.items():
            with _place(contract.name, column, f"{name} ({key} rule)", remedy="Correct the expression"):
                check_expression(sql, contract)
            yield Rule(f"{column}.{name}" if column else name, f"({sql})", column, sql, severity=severity)


def _numbered(rules: Iterable[Rule | PythonRule]) -> Iterator[Rule | PythonRule]:
    """The rules under names that differ: the second `price.in_range` is `price.in_range#2`."""
    counts: dict[str, int] = {}
    for rule in rules:
        counts[rule.name] = count = counts.get(rule.name, 0) + 1
        yield rule if count == 1 else replace(rule, name=f"{rule.name}#{count}")


def _refuse_settings(spec: Any, settings: dict[str, tuple[tuple[Any, ...], str]]) -> None:
    for setting, (harmless, instead) in settings.items():
        value = getattr(spec, setting, None)
        if value is not None and value not in harmless:
            raise ValueError(f"{setting} is not supported for a table in SQL. {instead}")


@contextmanager
def _place(
    contract: str, column: object = None, check: str | None = None, remedy: str = _REMEDY
) -> Iterator[None]:
    """Says where a ValueError happened, as a ContractError."""
    try:
        yield
    except (ValueError, TypeError) as error:
        place = f"Contract {contract}" + (f", column {column!r}" if column is not None else "")
        if not check:
            raise ContractError(f"{place}: {sentence(str(error))}") from error
        raise ContractError(f"{place}, check {check}: {sentence(str(error))} {sentence(remedy)}") from error


def _first_line(text: Any) -> str:
    return str(text or "").strip().partition("\n")[0].strip()
