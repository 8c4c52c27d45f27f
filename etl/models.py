"""The project's SQL as data: models and audits, their dependencies from DuckDB's own parser, their order."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import ModelError

if TYPE_CHECKING:
    import duckdb

MATERIALIZED = ("table", "view")
_AUDITS = "audits"
_RESERVED_SCHEMAS = ("raw", "etl", "main", "information_schema", "pg_catalog", "temp", "system")
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_HEADER_KEYS = ("materialized",)
# what reads no table of its own; any other table function could hide a dependency
_TABLE_FUNCTIONS = {"generate_series", "range", "unnest", "repeat", "generate_subscripts"}
_VOLATILE = {
    "now", "current_date", "current_time", "current_timestamp", "get_current_timestamp", "get_current_time",
    "localtime", "localtimestamp", "transaction_timestamp", "today", "random", "setseed", "uuid", "uuidv4",
    "uuidv7", "gen_random_uuid", "nextval", "currval", "setval", "txid_current", "current_transaction_id",
    "current_connection_id", "current_query", "current_query_id",
}  # fmt: skip

# functions without brackets, which the parser takes for columns
_VOLATILE_WORDS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}


@dataclass(frozen=True)
class Model:
    """One SELECT in sql/<schema>/<table>.sql; `normal` is its text without comments, spacing and case."""

    name: str
    file: str
    sql: str
    normal: str
    reads: tuple[str, ...]
    materialized: str = "table"


@dataclass(frozen=True)
class Audit:
    """One SELECT of offending rows in sql/audits/; `severity` is error or warn, `why` its first line."""

    name: str
    file: str
    sql: str
    normal: str
    reads: tuple[str, ...]
    severity: str
    why: str


@dataclass(frozen=True)
class Models:
    """All models by name, each after those that it reads, and all audits by name."""

    models: dict[str, Model]
    audits: dict[str, Audit]

    def to_json(self) -> str:
        """Return text that from_json() reads without importing duckdb."""
        return json.dumps([[asdict(item) for item in kind.values()] for kind in (self.models, self.audits)])

    @classmethod
    def from_json(cls, text: str) -> Models:
        """Return what to_json() wrote."""
        models, audits = json.loads(text)
        return cls(
            {row["name"]: Model(**{**row, "reads": tuple(row["reads"])}) for row in models},
            {row["name"]: Audit(**{**row, "reads": tuple(row["reads"])}) for row in audits},
        )


def models_key(folder: Path, tables: Sequence[str]) -> str:
    """Return a text that changes when a file under sql/, the raw tables, DuckDB or this module changes."""
    digest = hashlib.sha256(f"{version('duckdb')} {sorted(tables)}".encode() + Path(__file__).read_bytes())
    for path in sorted(folder.rglob("*.sql")):
        digest.update(f"\0{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def read_models(folder: Path, tables: Sequence[str]) -> Models:
    """Read every .sql file of `folder`; `tables` are those that exist without a model (raw.*).

    Raises ModelError naming file and line for text that is not exactly one SELECT, a table that nobody
    makes, and a circle of models.
    """
    import duckdb

    if not folder.is_dir():
        raise ModelError(f"the folder of the models, {folder}, does not exist; see [etl] sql in luigi.cfg.")
    models: dict[str, Model] = {}
    audits: dict[str, Audit] = {}
    with duckdb.connect(":memory:") as con:
        for path in sorted(folder.rglob("*.sql")):
            file = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            name = _name(path.relative_to(folder), file)
            query = _Query(con, file, _text(path, file))
            if name.startswith(f"{_AUDITS}."):
                audits[name] = _audit(name, query)
            else:
                models[name] = _model(name, query)
            query.check_tables({*tables, *models, *_names(folder)})
    return Models(_ordered(models), audits)


def _text(path: Path, file: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: is not UTF-8 text: {error}.") from error


def _names(folder: Path) -> Iterator[str]:
    return (f"{path.parent.name}.{path.stem}" for path in folder.glob("*/*.sql") if path.parent.name != _AUDITS)


def _name(path: Path, file: str) -> str:
    if len(path.parts) != 2 or not all(_NAME.fullmatch(part) for part in (path.parts[0], path.stem)):
        raise ModelError(f"{file}: a model is sql/<schema>/<table>.sql, both names lower case with underscores.")
    if path.parts[0] in _RESERVED_SCHEMAS:
        raise ModelError(f"{file}: the schema '{path.parts[0]}' is not for models; choose another folder.")
    return f"{path.parts[0]}.{path.stem}"


class _Query:
    """One SQL file, parsed; its faults are ModelErrors with file and line."""

    def __init__(self, con: duckdb.DuckDBPyConnection, file: str, text: str) -> None:
        self.file, self.text = file, text
        tree = json.loads(con.execute("select json_serialize_sql(?::varchar)", [text]).fetchall()[0][0])
        if tree["error"]:
            raise self.error(self._parse_error(tree), int(tree.get("position") or 0))
        if len(tree["statements"]) != 1:
            raise self.error(f"has {len(tree['statements'])} statements; a model or audit is exactly one SELECT")
        self.tables = list(_tables(tree["statements"][0]["node"], frozenset()))
        for node in _nodes(tree["statements"][0]["node"]):
            if problem := _refused(node):
                raise self.error(problem, _location(node))
        row = con.execute("select json_deserialize_sql(json_serialize_sql(?::varchar))", [text]).fetchall()[0]
        self.normal = str(row[0])
        # without what follows the statement, so that it can stand inside another
        self.sql = con.extract_statements(text)[0].query.rstrip().rstrip(";")

    def reads(self) -> tuple[str, ...]:
        return tuple(sorted({name for name, _ in self.tables}))

    def check_tables(self, known: set[str]) -> None:
        """Raise for a table that is neither raw nor made by a model."""
        for name, position in self.tables:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else "tables are raw.<source> or <schema>.<model>"
                raise self.error(f"there is no table {name}; {hint}", position)

    def error(self, what: str, position: int = 0) -> ModelError:
        line = self.text.encode()[:position].count(b"\n") + 1
        return ModelError(f"{self.file}:{line}: {what}{'' if what.endswith('?') else '.'}")

    def _parse_error(self, tree: dict[str, Any]) -> str:
        if tree["error_type"] == "not implemented":
            return "is not a SELECT; a model or audit is exactly one SELECT"
        return str(tree["error_message"])


def _model(name: str, query: _Query) -> Model:
    header = _header(query)
    materialized = header.get("materialized", "table")
    if materialized not in MATERIALIZED:
        raise query.error(f"materialized: {materialized} is not one of {', '.join(MATERIALIZED)}")
    return Model(name, query.file, query.sql, query.normal, query.reads(), materialized)


def _audit(name: str, query: _Query) -> Audit:
    match = re.match(r"-- (fail|warn): (\S.*)", query.text)
    if not match:
        raise query.error("an audit's first line is `-- fail: why it matters` or `-- warn: why it matters`")
    if not query.tables:
        raise query.error("reads no table; an audit is a SELECT of offending rows")
    severity = "error" if match[1] == "fail" else "warn"
    return Audit(name, query.file, query.sql, query.normal, query.reads(), severity, match[2].strip())


def _header(query: _Query) -> dict[str, str]:
    found = {}
    for number, line in enumerate(query.text.splitlines(), 1):
        if not line.startswith("--"):
            break
        if match := re.fullmatch(r"-- ([a-z_]+): (\S.*)", line.rstrip()):
            key = match[1]
            close = difflib.get_close_matches(key, _HEADER_KEYS, n=1)
            if key in _HEADER_KEYS:
                found[key] = match[2]
            elif close:
                raise ModelError(f"{query.file}:{number}: no header key '{key}'; did you mean '{close[0]}'?")
    return found


def _tables(node: Any, ctes: frozenset[str]) -> Iterator[tuple[str, int]]:
    """Yield the tables that a parse tree reads, with their place; a CTE hides a table only where it is seen."""
    if isinstance(node, list):
        for item in node:
            yield from _tables(item, ctes)
    elif isinstance(node, dict):
        entries = (node.get("cte_map") or {}).get("map", [])
        inner = ctes | {entry["key"].lower() for entry in entries}
        if node.get("type") == "BASE_TABLE":
            path = [part.lower() for part in node["qualified_name"]["path"]]
            if len(path) > 1 or path[0] not in inner:
                yield ".".join(path), _location(node)
        for value in node.values():
            yield from _tables(value, inner)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)


def _refused(node: Mapping[str, Any]) -> str:
    function = str((node.get("function") or {}).get("function_name", "")).lower()
    if node.get("type") == "TABLE_FUNCTION" and function not in _TABLE_FUNCTIONS:
        return f"{function}() hides what a model depends on; read a raw table or a model"
    if node.get("type") == "SHOW_REF":
        return "describe, summarize and show hide what a model depends on; select from a raw table or a model"
    name = str(node.get("function_name", "")).lower()
    # age() of one timestamp is that until today
    if name in _VOLATILE or (name == "age" and len(node.get("arguments", [])) == 1):
        return f"{node['function_name']}() gives another result each night; take the value from the data"
    names = node.get("column_names") or [""]
    if node.get("type") == "COLUMN_REF" and len(names) == 1 and names[0].lower() in _VOLATILE_WORDS:
        return f"{names[0]} gives another result each night; take the value from the data"
    if node.get("sample"):
        return "a sample gives another result each night; select the rows by a condition"
    return ""


def _location(node: Mapping[str, Any]) -> int:
    position = int(node.get("query_location", 0))
    return position if position < 1 << 62 else 0


def _ordered(models: dict[str, Model]) -> dict[str, Model]:
    done: dict[str, Model] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            raise ModelError(f"{models[name].file}:1: models read each other in a circle: {circle}.")
        if name in models and name not in done:
            for upstream in models[name].reads:
                visit(upstream, (*path, name))
            done[name] = models[name]

    for name in models:
        visit(name, ())
    return done
