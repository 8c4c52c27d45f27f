"""One SQL file, parsed by DuckDB: the tables that it reads, and what must not be in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from etl.errors import ModelError, sentence, unknown
from etl.models.trees import in_order
from etl.models.variables import READ

if TYPE_CHECKING:
    import duckdb

# what reads no table of its own; any other table function could hide a dependency
_TABLE_FUNCTIONS = {"generate_series", "range", "unnest", "repeat", "generate_subscripts"}
_VOLATILE = {
    "now", "current_date", "current_time", "current_timestamp", "get_current_timestamp", "get_current_time",
    "localtime", "localtimestamp", "transaction_timestamp", "today", "random", "setseed", "uuid", "uuidv4",
    "uuidv7", "gen_random_uuid", "nextval", "currval", "setval", "txid_current", "current_transaction_id",
    "current_connection_id", "current_query", "current_query_id", "current_localtime", "current_localtimestamp",
}  # fmt: skip

# functions without brackets, which the parser takes for columns
_VOLATILE_WORDS = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}


class Query:
    """One SQL file, parsed; its faults are ModelErrors with file and line.

    `normal` is its text without comments, spacing and case; `sql` is the statement alone, to stand in another.
    """

    def __init__(self, file: str, text: str, tree: dict[str, Any]) -> None:
        self.file, self.text = file, text
        if tree["error"]:
            raise self.error(self._parse_error(tree), int(tree.get("position") or 0))
        if len(tree["statements"]) != 1:
            raise self.error(
                f"the file has {len(tree['statements'])} statements. A model or audit is exactly one SELECT"
            )
        self.tree = tree["statements"][0]["node"]
        self.tables = list(_tables(self.tree, frozenset()))
        #: The functions that are called, macros among them, and the project's variables that are read.
        self.functions: set[str] = set()
        self.variables: dict[str, int] = {}
        self.table_functions: dict[str, int] = {}
        self.more_reads: set[str] = set()
        #: The features that its rows get, by table.
        self.features: tuple[str, ...] = ()
        self.is_audit = False
        #: The macros which it uses, as names and the statements that make them.
        self.macros: tuple[tuple[str, str], ...] = ()
        #: Whether one of these picks one row of several.
        self.uses_distinct_on = False
        for node in _nodes(self.tree):
            self._look_at(node)
        self.normal = ""
        self.sql = _statement(text)

    def _look_at(self, node: Mapping[str, Any]) -> None:
        if problem := _refused(node):
            raise self.error(problem, _location(node))
        name = str(node.get("function_name", "")).lower()
        self.functions |= {name} if name else set()
        if name == "getvariable":
            given = node["arguments"][0]["expression"].get("literal", {}) if node["arguments"] else {}
            value = given.get("text")
            if given.get("kind") != "STRING" or not isinstance(value, str):
                raise self.error("getvariable() takes the name of a variable in quotes", _location(node))
            if not READ.match(self.text.encode()[_location(node) :].decode()):
                raise self.error(f"write getvariable('{value}'), without other characters in it", _location(node))
            self.variables[value] = _location(node)
        if node.get("type") == "TABLE_FUNCTION":
            function = str(node["function"]["function_name"]).lower()
            if function not in _TABLE_FUNCTIONS:
                self.table_functions[function] = _location(node)

    def check_functions(self, macros: set[str]) -> None:
        """Raise for a table function that is not a macro: it hides what the SELECT depends on."""
        for name, position in self.table_functions.items():
            if name not in macros:
                raise self.error(f"{name}() hides what a model depends on. Read a raw table or a model", position)

    def check_variables(self, known: Mapping[str, str]) -> None:
        """Raise for a variable that [etl.vars] does not have."""
        for name, position in self.variables.items():
            if name not in known:
                what = unknown(f"there is no variable {name}", name, known, "Set it in [etl.vars] of luigi.cfg")
                raise self.error(what, position)

    def reads(self) -> tuple[str, ...]:
        """Return the names of the tables that it reads, through macros too."""
        return tuple(sorted({name for name, _ in self.tables} | self.more_reads))

    def check_tables(self, known: set[str]) -> None:
        """Raise for a table that is neither raw nor made by a model."""
        for name, position in self.tables:
            if name not in known:
                instead = "Tables are raw.<source> or <schema>.<model>"
                raise self.error(unknown(f"there is no table {name}", name, known, instead), position)

    def error(self, what: str, position: int = 0) -> ModelError:
        """Return what is wrong at a place of the text, in bytes."""
        return self.error_at(self.text.encode()[:position].count(b"\n") + 1, what)

    def error_at(self, line: int, what: str) -> ModelError:
        """Return what is wrong in a line."""
        return ModelError(f"{self.file}:{line}: {sentence(what)}")

    def has_distinct_on(self) -> bool:
        """Return whether some `distinct on` picks one row of several."""
        return self.uses_distinct_on or any(node.get("distinct_on_targets") for node in _nodes(self.tree))

    def _parse_error(self, tree: dict[str, Any]) -> str:
        if tree["error_type"] == "not implemented":
            return "the text is not a SELECT. A model or audit is exactly one SELECT"
        return str(tree["error_message"])


def parse(con: duckdb.DuckDBPyConnection, texts: Mapping[str, str]) -> dict[str, Query]:
    """Parse the texts of files, by file, all at once: DuckDB takes longer for a call than for a text.

    Raises ModelError for one that is not exactly one SELECT, or has in it what a model must not have.
    """
    trees = con.execute("select json_serialize_sql(unnest($1::varchar[]))", [list(texts.values())]).fetchall()
    queries = {
        file: Query(file, text, json.loads(tree))
        for (file, text), (tree,) in zip(texts.items(), trees, strict=True)
    }
    settled = [json.dumps(in_order(json.loads(tree))) for (tree,) in trees]
    normal = con.execute("select json_deserialize_sql(unnest($1::json[]))", [settled]).fetchall()
    for query, (text,) in zip(queries.values(), normal, strict=True):
        query.normal = str(text)
    return queries


@contextmanager
def explained(file: str, first_line: int = 1) -> Iterator[None]:
    """Turn what DuckDB says of a text that begins in the given line of its own, into a ModelError of the file."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        number = re.match(r"\d+", str(error).partition("\n\nLINE ")[2])
        line = int(number[0]) - first_line + 1 if number else 1
        message = message_of(error)
        raise ModelError(f"{file}:{line}: {sentence(message)}") from error


def message_of(error: Exception) -> str:
    """Return what DuckDB says, in one line and without a stop, with the name that it takes for the one meant."""
    message = str(error).partition("\n\nLINE ")[0]
    message = re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", message).replace("\n", " ").rstrip(".")
    hint = re.search(r'Candidate bindings:[ :]*"([^"]+)"', message)
    return f"{message[: hint.start()].rstrip(' !')}. Did you mean {hint[1].split('.')[-1]}?" if hint else message


def _statement(text: str) -> str:
    """Return a text of one statement without the semicolon and the comments after it."""
    import duckdb

    tokens = [(start, kind) for start, kind in duckdb.tokenize(text) if kind != duckdb.token_type.comment]
    data = text.encode()
    while tokens and data[tokens[-1][0] :].startswith(b";"):
        data = data[: tokens.pop()[0]]
    return data.decode().rstrip()


def first_word(text: str) -> int:
    """Return where the first word of a text stands, behind the comments above it."""
    import duckdb

    data = text.encode()
    tokens = (start for start, kind in duckdb.tokenize(text) if kind != duckdb.token_type.comment)
    return len(data[: next(tokens, len(data))].decode())


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
    left = [tree]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield item
            left += [value for value in item.values() if isinstance(value, dict | list)]
        elif isinstance(item, list):
            left += item


def _refused(node: Mapping[str, Any]) -> str:
    if node.get("type") == "SHOW_REF":
        return "describe, summarize and show hide what a model depends on. Select from a raw table or a model"
    name = str(node.get("function_name", "")).lower()
    # age() of one timestamp is that until today
    if name in _VOLATILE or (name == "age" and len(node.get("arguments", [])) == 1):
        return f"{node['function_name']}() gives another result each night. Take the value from the data"
    names = node.get("column_names") or [""]
    if node.get("type") == "COLUMN_REF" and len(names) == 1 and names[0].lower() in _VOLATILE_WORDS:
        return f"{names[0]} gives another result each night. Take the value from the data"
    if node.get("sample"):
        return "a sample gives another result each night. Select the rows by a condition"
    return ""


def _location(node: Mapping[str, Any]) -> int:
    position = int(node.get("query_location", 0))
    return position if position < 1 << 62 else 0
