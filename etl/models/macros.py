"""Macros in sql/macros/*.sql: what each of them is, and what a SELECT that uses it reads and depends on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ModelError
from etl.models.query import Query, explained, parse
from etl.project.files import project_files

if TYPE_CHECKING:
    import duckdb

FOLDER = "macros"
_CREATE = re.compile(r"create\s+(?:or\s+replace\s+)?(?:macro|function)\s+([a-z_][a-z0-9_]*)\s*(?=\()", re.I)
_BODY = re.compile(r"\s*as\s+(table\s+)?", re.I)


@dataclass(frozen=True, kw_only=True)
class MacroText:
    """One macro as it is written; `body` and `defaults` (those of its parameters) are SELECTs in its place."""

    name: str
    body: Query
    defaults: Query | None
    #: The statement that makes it, and the line where that begins.
    sql: str
    line: int
    #: What it is without comments and spacing.
    normal: str

    @property
    def queries(self) -> tuple[Query, ...]:
        """All that is SQL in it."""
        return (self.body, self.defaults) if self.defaults else (self.body,)

    @property
    def calls(self) -> set[str]:
        """The functions that it calls."""
        return {name for query in self.queries for name in (*query.functions, *query.table_functions)}


def read_macros(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, MacroText]:
    """Return the macros of a project by name, each after those that it uses. None is made yet.

    Raises ModelError naming file and line for a text that is not `create macro`, for a name that is there
    already or is DuckDB's own, for a circle, and for what no model may do.
    """
    found: dict[str, MacroText] = {}
    for path in project_files(folder / FOLDER, ".sql", below=False):
        file = f"{folder.name}/{FOLDER}/{path.name}"
        for macro in _read(con, file, _text(path, file)):
            if macro.name in found:
                raise _error(
                    macro, f"{found[macro.name].body.file} already makes a macro {macro.name}. Rename one of them"
                )
            found[macro.name] = macro
    _check_names(con, found)
    return _ordered(found)


def used(calls: Iterable[str], macros: Mapping[str, MacroText]) -> dict[str, MacroText]:
    """Return the macros among `calls`, and those that these use, each after those that it uses."""
    found: set[str] = set()
    left = set(calls) & macros.keys()
    while left:
        name = left.pop()
        found.add(name)
        left |= (macros[name].calls & macros.keys()) - found
    return {name: macro for name, macro in macros.items() if name in found}


def make_macro(con: duckdb.DuckDBPyConnection, macro: MacroText) -> None:
    """Make a macro where the tables that it reads are. Raises ModelError for what DuckDB cannot bind."""
    with explained(macro.body.file, 2 - macro.line):
        con.execute(macro.sql)


def _text(path: Path, file: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: the file is not UTF-8 text: {error}.") from error


def _read(con: duckdb.DuckDBPyConnection, file: str, text: str) -> Iterator[MacroText]:
    with explained(file):
        statements = [statement.query for statement in con.extract_statements(text)]
    start = 0
    for statement in statements:
        start = text.index(statement, start)
        yield _macro(con, file, text, _tokens(text, start, start + len(statement)))
        start += len(statement)


def _tokens(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return where the words and marks of a part of a text are, but for comments and the last semicolons."""
    import duckdb

    part = text[start:end]
    data = part.encode()
    places = [(len(data[:at].decode()), kind) for at, kind in duckdb.tokenize(part)]
    ends = [at for at, _ in places[1:]] + [len(part)]
    found = []
    for (at, kind), stop in zip(places, ends, strict=True):
        if kind != duckdb.token_type.comment:
            found.append((start + at, start + at + len(part[at:stop].rstrip())))
    while found and text[found[-1][0] : found[-1][1]] == ";":
        found.pop()
    return found


def _macro(con: duckdb.DuckDBPyConnection, file: str, text: str, tokens: list[tuple[int, int]]) -> MacroText:
    start, end = tokens[0][0], tokens[-1][1]
    line = text.count("\n", 0, start) + 1
    head = _CREATE.match(text, start, end)
    closed = _closing(text, tokens, head.end()) if head else 0
    body = _BODY.match(text, closed, end) if closed else None
    if head is None or body is None:
        raise ModelError(
            f"{file}:{line}: the statement is not a macro. Write `create macro name(...) as ...` or `create macro "
            "name(...) as table select ...`, with a name in lower case and without a schema."
        )
    at = body.end()
    parts = [text[a:b] for a, b in tokens if a >= head.end()]
    (query,) = parse(con, {file: _in_place(text, at, end, "" if body[1] else "select ")}).values()
    if not body[1] and len(query.tree.get("select_list", [])) != 1:
        raise ModelError(f"{file}:{line}: the macro has several forms. Give each of them its own name.")
    defaults = _defaults(con, file, text, [token for token in tokens if head.end() < token[0] < closed - 1])
    normal = f"macro {head[1].lower()}{' '.join(parts[: _count(tokens, head.end(), at)])} {query.normal}"
    sql = f"create or replace macro {head[1].lower()}{text[head.end() : end]}"
    return MacroText(name=head[1].lower(), body=query, defaults=defaults, sql=sql, line=line, normal=normal)


def _count(tokens: list[tuple[int, int]], start: int, end: int) -> int:
    return sum(start <= at < end for at, _ in tokens)


def _closing(text: str, tokens: list[tuple[int, int]], start: int) -> int:
    """Return the place after the bracket that closes the one at `start`; 0 if none does."""
    depth = 0
    for begin, end in tokens:
        if begin >= start:
            word = text[begin:end]
            depth += word.count("(") - word.count(")") if word[0] in "()" else 0
            if depth == 0:
                return end
    return 0


def _defaults(con: duckdb.DuckDBPyConnection, file: str, text: str, tokens: list[tuple[int, int]]) -> Query | None:
    """Return the default values of parameters as one SELECT, whose lines are those of the file."""
    values, depth, is_value = "", 0, False
    for begin, end in tokens:
        word = text[begin:end]
        depth += word.count("(") + word.count("[") - word.count(")") - word.count("]") if word[0] in "()[]" else 0
        if depth == 0 and word == ",":
            is_value = False
        elif is_value:
            values += f" {word}"
        elif word in (":=", "=>"):
            is_value, values = True, values + ("," if values else "")
    line = text.count("\n", 0, tokens[0][0]) if tokens else 0
    return next(iter(parse(con, {file: "\n" * line + f"select {values}"}).values())) if values else None


def _in_place(text: str, start: int, end: int, begin: str) -> str:
    """Return a part of a text as one of its own, in which all has the line that it has in the text."""
    return re.sub(r"[^\n]", "", text[:start]) + begin + text[start:end]


def _check_names(con: duckdb.DuckDBPyConnection, macros: Mapping[str, MacroText]) -> None:
    if macros:
        query = "select function_name from duckdb_functions() where internal and list_contains($1, function_name)"
        for (name,) in con.execute(query, [list(macros)]).fetchall():
            raise _error(macros[name], f"DuckDB has a function {name}() already. Rename the macro")


def _ordered(macros: Mapping[str, MacroText]) -> dict[str, MacroText]:
    done: dict[str, MacroText] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            raise _error(macros[name], f"macros use each other in a circle: {circle}")
        if name not in done:
            for other in sorted(macros[name].calls & macros.keys()):
                visit(other, (*path, name))
            done[name] = macros[name]

    for name in macros:
        visit(name, ())
    return done


def _error(macro: MacroText, what: str) -> ModelError:
    return ModelError(f"{macro.body.file}:{macro.line}: {what}.")
