"""What contracts promise of built tables, held against the SELECTs before anything runs."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Mapping, Sequence

from etl.contract import Column, Contract
from etl.contract.annotations import annotation
from etl.contract.audit_kinds import audits_of, check_tables
from etl.contract.audit_types import type_problems
from etl.contract.expand import expanded
from etl.errors import ModelError
from etl.models import Columns, Model, Models
from etl.project import Project
from etl.sources import Catalog


def check_promises(project: Project, catalog: Catalog, models: Models) -> None:
    """Raise ModelError for a table whose SELECT makes other columns than its contract promises, or other types.

    The message has file, line and what to write. The audits that contracts ask for are held to the types too.
    """
    found = [
        text
        for name, contract in catalog.tables.items()
        if name in models.models
        for text in _problems(project, contract, models.models[name])
    ]
    found += _wrong_audits(catalog, models)
    if found:
        raise ModelError("\n".join(found))


def _problems(project: Project, contract: Contract, model: Model) -> Iterator[str]:
    names = [name for name, _ in model.stored]
    contract = expanded(contract, names)
    types, promised = dict(model.stored), {column.name: column for column in contract.columns}
    for problem in contract.structure_problems(list(model.stored)):
        if problem.rule == "dtype":
            text = _other_type(promised[problem.column], types[problem.column], model)
        elif problem.rule == "column_in_dataframe":
            text = _lacking(promised[problem.column], names, model)
        elif problem.rule == "column_in_schema":
            text = _extra(problem.column, types[problem.column], model)
        else:
            text = f"{problem.message}. The columns of {model.file} are {', '.join(names)}"
        yield f"{_place(project, model, problem.column)}: {text}."


def _other_type(column: Column, made: str, model: Model) -> str:
    said = f"column {column.name} of {model.name} is {column.type} in its contract, but {model.file} makes {made}"
    if (written := _written(column.name, made, nullable=column.nullable)) is None:
        return f"{said}. A contract cannot have that type. Cast it in the SELECT: cast(... as {column.type})"
    return f"{said}. Write {written}, or cast it in the SELECT: cast(... as {column.type})"


def _lacking(column: Column, names: Sequence[str], model: Model) -> str:
    said = f"the contract of {model.name} promises the column {column.name} ({column.type})"
    known = {name.lower(): name for name in names}
    close = difflib.get_close_matches(column.name.lower(), known, n=1)
    if column.name.lower() in known:
        return (
            f"{said}, but {model.file} calls it {known[column.name.lower()]}. Write `as {column.name}` in the "
            "SELECT"
        )
    hint = f"It has {known[close[0]]}" if close else f"It has {', '.join(names)}"
    return f"{said}, but {model.file} lacks it. {hint}. Add it to the SELECT, or remove it from the contract"


def _extra(name: str, type: str, model: Model) -> str:
    written = _written(name, type, nullable=True)
    instead = f"Write {written}" if written else "Cast it to a type that a contract can have"
    said = f"column {name} ({type}) of {model.file} is not in the contract of {model.name}, which is strict"
    return f"{said}. {instead}, or remove it from the SELECT"


def _written(name: str, type: str, *, nullable: bool) -> str | None:
    """Return the line of a contract for a column, with the imports that it needs."""
    found = annotation(type, nullable=nullable)
    if found is None:
        return None
    field = name if name.isidentifier() else f'...: ... = pa.Field(alias="{name}")'
    text = f"`{field}: {found.text}`" if name.isidentifier() else f"the type `{found.text}` for {name}"
    imports = " and ".join(f"`{line}`" for line in found.imports)
    return f"{text} below {imports}" if imports else text


def _place(project: Project, model: Model, column: str) -> str:
    """Return file and line of a column in the contract's class; the model's file if no class shows it."""
    for path in sorted(project.contracts.glob("*.py")):
        tree = ast.parse(path.read_bytes())
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            if _is_of(node, model):
                lines = [part.lineno for part in node.body if _declares(part, column)]
                return f"{path.relative_to(project.root)}:{lines[0] if lines else node.lineno}"
    return f"{model.file}:1"


def _is_of(node: ast.ClassDef, model: Model) -> bool:
    if model.header.contract:
        return node.name == model.header.contract
    configs = [part for part in node.body if isinstance(part, ast.ClassDef) and part.name == "Config"]
    values = [line.value for part in configs for line in part.body if isinstance(line, ast.Assign | ast.AnnAssign)]
    return any(isinstance(value, ast.Constant) and value.value == model.name for value in values)


def _declares(node: ast.stmt, column: str) -> bool:
    if not isinstance(node, ast.AnnAssign):
        return False
    aliases = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return (isinstance(node.target, ast.Name) and node.target.id == column) or column in aliases


def _wrong_audits(catalog: Catalog, models: Models) -> Iterator[str]:
    """Yield what is wrong with the columns of the audits that contracts ask for."""
    columns: Mapping[str, Columns] = {
        **{source.table: tuple(source.columns.items()) for source in catalog.sources.values()},
        **{name: model.stored for name, model in models.models.items()},
    }
    partitions = {s.table: s.partition for s in catalog.sources.values() if s.has_dates}
    partitions |= {name: model.header.partition for name, model in models.models.items()}
    types = {name: dict(known) for name, known in columns.items()}
    contracts = {source.table: source.contract for source in catalog.sources.values()} | dict(catalog.tables)
    for table, contract in contracts.items():
        partition = partitions.get(table, "")
        audits = (
            audits_of(table, f"contract {contract.name}", contract.audits, partition) if contract.audits else []
        )
        check_tables(audits, types)
        for audit in audits:
            for what in type_problems(audit, types):
                yield f"{audit.place}: {audit.why}: {what}{'' if what.endswith('?') else '.'}"
