"""DuckDB, asked about text: its parse trees, the names it gives, and the kinds of its functions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier
from etl.models.lineage.columns import Expression, Untraceable

if TYPE_CHECKING:
    import duckdb

#: A part of a parse tree.
Node = dict[str, Any]

_COMMENT = re.compile(rb"--[^\n]*|/\*.*?\*/", re.DOTALL)
_NOWHERE = 1 << 62


class Parser:
    """DuckDB's parser, over a connection in memory."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    def trees(self, texts: Mapping[str, str]) -> dict[str, Node | None]:
        """Return the parse tree of each SELECT, all parsed at once; None for another kind of statement."""
        if not texts:
            return {}
        query = "select json_serialize_sql(unnest($1::varchar[]))"
        rows = self.con.execute(query, [list(texts.values())]).fetchall()
        found = [json.loads(tree) for (tree,) in rows]
        return {
            name: None if tree["error"] else tree["statements"][0]["node"]
            for name, tree in zip(texts, found, strict=True)
        }

    def name(self, expression: Node) -> str:
        """Return the name of a column without an alias."""
        names = expression.get("column_names")
        return str(names[-1]) if names else self._text([expression]).removeprefix("SELECT ")

    def expanded(self, star: Node, names: Sequence[str]) -> list[str]:
        """Return those of `names` that `columns(...)` stands for, or `* like ...`."""
        import duckdb

        # where COLUMNS stands alone, DuckDB names its results by what they come from
        columns = ", ".join(f"{identifier(name)} varchar" for name in names)
        try:
            self.con.execute(f"create or replace temp table _columns ({columns})")
            found = self.con.execute(f"{self._text([star])} from _columns").description
        except (duckdb.Error, ValueError) as error:
            raise Untraceable("columns(...) is not understood") from error
        return [column[0] for column in found or ()]

    def is_aggregate(self, function: str) -> bool:
        """Return whether a function makes one value of the rows of a group."""
        return function in self._aggregates

    @cached_property
    def _aggregates(self) -> frozenset[str]:
        query = "select function_name from duckdb_functions() where function_type = 'aggregate'"
        return frozenset(name for (name,) in self.con.execute(query).fetchall()) | {"count_star"}

    @cached_property
    def _template(self) -> Node:
        tree: Node = json.loads(self.con.execute("select json_serialize_sql('select 1')").fetchall()[0][0])
        return tree

    def _text(self, expressions: list[Node]) -> str:
        self._template["statements"][0]["node"]["select_list"] = expressions
        tree = json.dumps(self._template)
        return str(self.con.execute("select json_deserialize_sql(?::json)", [tree]).fetchall()[0][0])


class Written:
    """The text of a model, to show parts of its parse tree as they are written."""

    def __init__(self, sql: str) -> None:
        import duckdb

        self._text = sql.encode()
        for start, kind in duckdb.tokenize(sql):
            if kind == duckdb.token_type.comment and (comment := _COMMENT.match(self._text, start)):
                # lines and places stay
                blank = re.sub(rb"[^\n]", b" ", comment[0])
                self._text = self._text[:start] + blank + self._text[comment.end() :]

    def expression(self, node: Node) -> Expression:
        """Return the text of an expression on one line, and the line that it begins in."""
        start, end = _span(node)
        if start >= _NOWHERE or not self._text:
            return Expression("", 0)
        text = " ".join(self._text[start:end].decode(errors="replace").split())
        return Expression(text, self._text[:start].count(b"\n") + 1)


def _span(node: Any) -> tuple[int, int]:
    """Return where an expression begins and ends; DuckDB knows the places of its parts, not all of its own."""
    spans = []
    left = [node]
    while left:
        item = left.pop()
        if isinstance(item, list):
            left += item
        elif isinstance(item, dict):
            start = int(item.get("query_location", _NOWHERE))
            if start < _NOWHERE:
                spans.append((start, start + int(item.get("query_location_length", 0))))
            # the parts of a window may stand in a WINDOW clause, far away
            if item.get("class") != "WINDOW":
                left += item.values()
    return min((start for start, _ in spans), default=_NOWHERE), max((end for _, end in spans), default=0)
