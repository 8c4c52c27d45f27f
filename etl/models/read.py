"""Reading sql/: every file is parsed, bound to the tables that it reads, and put in order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from etl import audit_kinds
from etl.audit_kinds import Audit, check_tables
from etl.errors import ModelError
from etl.models.binding import Bound, check_columns
from etl.models.header import read_audits, read_header
from etl.models.inputs import with_inputs
from etl.models.model import Given, Model, Models
from etl.models.query import Query, parse

if TYPE_CHECKING:
    import duckdb

_AUDITS = "audits"
_RESERVED_SCHEMAS = ("raw", "etl", "main", "information_schema", "pg_catalog", "temp", "system")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def models_key(folder: Path, given: Iterable[Given]) -> str:
    """Return a text that changes when a file under sql/, the given tables, DuckDB or this package changes."""
    digest = hashlib.sha256(f"{version('duckdb')} {sorted(map(repr, given))}".encode())
    code = (Path(audit_kinds.__file__), *sorted(Path(__file__).parent.glob("*.py")))
    for path in (*code, *sorted(folder.rglob("*.sql"))):
        digest.update(f"\0{path.name if path.suffix == '.py' else path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read_models(folder: Path, given: Sequence[Given]) -> Models:
    """Read every .sql file of `folder`; `given` are the tables that exist without a model (raw.*).

    Raises ModelError naming file and line for text that is not exactly one SELECT, a table or a column that is
    not there, a wrong header, and a circle of models.
    """
    import duckdb

    if not folder.is_dir():
        raise ModelError(f"the folder of the models, {folder}, does not exist; see [etl] sql in luigi.cfg.")
    with duckdb.connect(":memory:", config={"threads": 1}) as con:
        queries = _queries(con, folder)
        made = {name for name in queries if not _is_audit(name)}
        known = {*(table.name for table in given), *made}
        for query in queries.values():
            query.check_tables(known)
        ordered = _ordered({name: query for name, query in queries.items() if name in made})
        bound = Bound(con, given)
        dated = {table.name: table.partition for table in given if table.partition}
        models: dict[str, Model] = {}
        for name, query in ordered.items():
            models[name] = _model(name, query, bound, dated, models)
        columns = bound.all_columns()
        audits = {name: _audit(name, query, bound) for name, query in queries.items() if _is_audit(name)}
        audits |= _built_in(ordered, known, bound)
    return Models(
        {
            name: model if model.columns else replace(model, columns=columns[name])
            for name, model in models.items()
        },
        audits,
    )


def _queries(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Query]:
    names, texts = {}, {}
    for path in sorted(folder.rglob("*.sql")):
        file = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        names[file], texts[file] = _name(path.relative_to(folder), file), _text(path, file)
    return {names[file]: query for file, query in parse(con, texts).items()}


def _text(path: Path, file: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: is not UTF-8 text: {error}.") from error


def _name(path: Path, file: str) -> str:
    if len(path.parts) != 2 or not all(_NAME.fullmatch(part) for part in (path.parts[0], path.stem)):
        raise ModelError(f"{file}: a model is sql/<schema>/<table>.sql, both names lower case with underscores.")
    if path.parts[0] in _RESERVED_SCHEMAS:
        raise ModelError(f"{file}: the schema '{path.parts[0]}' is not for models; choose another folder.")
    return f"{path.parts[0]}.{path.stem}"


def _is_audit(name: str) -> bool:
    return name.startswith(f"{_AUDITS}.")


def _model(name: str, query: Query, bound: Bound, dated: dict[str, str], known: Mapping[str, Model]) -> Model:
    """Bind a model whose upstream tables are there already; add it to them, and to `dated` if it is."""
    header, lines = read_header(query.file, query.text)
    bound.bind(name, query, header.materialized)
    model = Model(name, query.file, query.sql, query.normal, query.reads(), header)
    if header.partition or header.key or header.unit:
        model = replace(model, columns=bound.columns(name))
        check_columns(model, lines)
    if header.materialized == "view":
        return model
    model = with_inputs(model, lines, bound, dated, known)
    if model.stored != model.columns:
        bound.define(name, model.stored)
    if header.materialized == "incremental":
        dated[name] = header.partition
    return model


def _audit(name: str, query: Query, bound: Bound) -> Audit:
    match = re.match(r"-- (fail|warn): (\S.*)", query.text)
    if not match:
        raise query.error("an audit's first line is `-- fail: why it matters` or `-- warn: why it matters`")
    if not query.tables:
        raise query.error("reads no table; an audit is a SELECT of offending rows")
    bound.check(query)
    severity = "error" if match[1] == "fail" else "warn"
    return Audit(name, query.file, query.sql, query.normal, query.reads(), severity, match[2].strip())


def _built_in(models: Mapping[str, Query], known: set[str], bound: Bound) -> dict[str, Audit]:
    """Return the audits that the headers of models ask for, by name."""
    found = [audit for name, query in models.items() for audit in read_audits(name, query.file, query.text)]
    check_tables(found, known)
    bound.check_audits(found)
    return {audit.name: audit for audit in found}


def _ordered(queries: Mapping[str, Query]) -> dict[str, Query]:
    done: dict[str, Query] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            raise ModelError(f"{queries[name].file}:1: models read each other in a circle: {circle}.")
        if name in queries and name not in done:
            for upstream in queries[name].reads():
                visit(upstream, (*path, name))
            done[name] = queries[name]

    for name in queries:
        visit(name, ())
    return done
