"""Clauses: a SELECT with all that is around its expressions, as SQL of Spark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from etl.models.spark_sql.expressions import Expressions
from etl.models.spark_sql.scope import Scope
from etl.models.spark_sql.types import quoted, table_name
from etl.models.spark_sql.typing_sql import Types
from etl.models.spark_sql.values import Refusal, Value, shown
from etl.models.spark_sql.windows import check_grouped, ordered

#: The clauses of a SELECT that were compared.
CLAUSES = {
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "qualify",
    "order",
    "limit",
    "with_",
    "distinct",
}
#: The set operations that were compared, as sqlglot names them, and whether `all` of them is on the list too.
SETS = {exp.Union: "union", exp.Except: "except", exp.Intersect: "intersect"}
_JOINS = {"", "INNER", "OUTER", "CROSS", "SEMI", "ANTI"}
_SIDES = {"", "LEFT", "RIGHT", "FULL"}
_KEEPS = quoted("etl__keeps")


@dataclass
class Clauses:
    """Translates queries; `types` knows the tables."""

    types: Types

    def query(self, node: exp.Expression, ctes: str = "", outer: Scope | None = None) -> str:
        """Return a query as SQL of Spark. Raises Refusal for what is not on the list."""
        return self._query(node, ctes, outer)[0]

    def _query(self, node: exp.Expression, ctes: str, outer: Scope | None) -> tuple[str, str]:
        """Return a query, and the type of its first column."""
        if isinstance(node, exp.Subquery) and not (set(_given(node)) - {"this", "alias"}):
            return self._query(node.this, ctes, outer)
        if not isinstance(node, exp.Select | exp.SetOperation):
            raise Refusal(node, f"{shown(node)} ({type(node).__name__})", "Write a SELECT")
        before, ctes = self._with(node, ctes, outer)
        make = self._set if isinstance(node, exp.SetOperation) else self._select
        sql, type_ = make(node, ctes, outer)
        return before + sql, type_

    def _with(self, node: exp.Expression, ctes: str, outer: Scope | None) -> tuple[str, str]:
        """Return the CTEs of a query for Spark, and with those around it for DuckDB."""
        held = node.args.get("with_")
        if held is None:
            return "", ctes
        if held.args.get("recursive"):
            raise Refusal(held, "with recursive")
        made = []
        for cte in held.expressions:
            if more := set(_given(cte)) - {"this", "alias"}:
                raise Refusal(cte, f"a CTE with {sorted(more)[0]}")
            made.append(f"{self._alias(cte)} as ({self.query(cte.this, ctes, outer)})")
            text = cte.sql(dialect="duckdb", comments=False)
            ctes = f"{ctes[:-1]}, {text} " if ctes else f"with {text} "
        return f"with {', '.join(made)} ", ctes

    def _set(self, node: exp.SetOperation, ctes: str, outer: Scope | None) -> tuple[str, str]:
        if more := set(_given(node)) - {"this", "expression", "distinct", "with_", "order"}:
            raise Refusal(node, f"a set operation with {sorted(more)[0]}")
        sides: list[Any] = [node.left, node.right]
        found = [self.types.columns(f"{ctes}{side.sql(dialect='duckdb', comments=False)}") for side in sides]
        kinds = [[type for _, type in columns or ()] for columns in found]
        if not kinds[0] or kinds[0] != kinds[1]:
            what = f"the types of its columns differ: {', '.join(kinds[0])} and {', '.join(kinds[1])}"
            raise Refusal(node, f"{SETS[type(node)]} of two queries, since {what}", "Cast them to the same types")
        if node.args.get("distinct"):
            check_grouped(node, [Value("", kind) for kind in kinds[0]])
        word = f"{SETS[type(node)]} {'' if node.args.get('distinct') else 'all'}"
        parts = [f"({self.query(side, ctes, outer)})" for side in sides]
        return f" {word} ".join(parts), kinds[0][0]

    def _select(self, node: exp.Select, ctes: str, outer: Scope | None) -> tuple[str, str]:
        if more := [name for name in _given(node) if name not in CLAUSES]:
            raise Refusal(node, f"the clause {more[0]}")
        reads, tables = self._from(node, ctes, outer)
        aliases = {one.alias.lower(): one.this for one in node.expressions if isinstance(one, exp.Alias)}
        scope = Scope(self.types, reads, ctes, outer, aliases=aliases)
        made = Expressions(self.types, scope, lambda inner, around: self._query(inner, ctes, around))
        items, first = self._items(node, made)
        is_distinct = node.args.get("distinct")
        if is_distinct is not None:
            self._check_distinct(node, is_distinct, made)
        rows = [tables, *self._rows(node, made)]
        if qualify := node.args.get("qualify"):
            return self._qualified(node, qualify, made, items, rows), first
        sql = " ".join([f"select {'distinct ' if is_distinct else ''}{', '.join(items)}", *rows])
        return sql, first

    def _check_distinct(self, node: exp.Select, distinct: exp.Expression, made: Expressions) -> None:
        if distinct.args.get("on"):
            raise Refusal(
                node, "distinct on", "Write qualify row_number() over (partition by ... order by ...) = 1"
            )
        text = _bare(node).sql(dialect="duckdb", comments=False)
        found = self.types.columns(f"{made.scope.ctes}{text}")
        if found is None:
            raise Refusal(node, "distinct in a subquery that reads columns from around it")
        check_grouped(node, [Value("", type) for _, type in found])

    def _qualified(
        self, node: exp.Select, qualify: exp.Expression, made: Expressions, items: list[str], rows: list[str]
    ) -> str:
        """Return a SELECT of which a condition on windows keeps rows: that is a column first."""
        text = _bare(node).sql(dialect="duckdb", comments=False)
        names = self.types.columns(f"{made.scope.ctes}{text}")
        if names is None or node.args.get("distinct") or node.args.get("limit"):
            raise Refusal(node, "qualify with distinct, limit or columns from around it", "Write a subquery")
        inner = " ".join([f"select {', '.join(items)}, {made.value(qualify.this).text} as {_KEEPS}", *rows])
        return f"select {', '.join(quoted(name) for name, _ in names)} from ({inner}) where {_KEEPS}"

    def _items(self, node: exp.Select, made: Expressions) -> tuple[list[str], str]:
        """Return what is selected, each with the name that DuckDB gives it, and the type of the first."""
        names = self._names(node, made)
        items, first = [], ""
        for number, item in enumerate(node.expressions):
            if item.is_star:
                items.append(self._star(item))
                continue
            value = made.value(_inner(item))
            if value.is_null:
                value = Value("cast(null as int)", "INTEGER")
            first = first or value.type
            name = item.alias or (names[number] if names else item.output_name)
            items.append(f"{value.text} as {quoted(name)}" if name else value.text)
        return items, first

    def _star(self, item: exp.Expression) -> str:
        star = item.this if isinstance(item, exp.Column) else item
        if set(_given(star)):
            raise Refusal(item, shown(item), "Name the columns")
        return f"{quoted(item.table)}.*" if isinstance(item, exp.Column) and item.table else "*"

    def _names(self, node: exp.Select, made: Expressions) -> list[str]:
        if any(item.is_star for item in node.expressions) or made.scope.outer:
            return []
        found = self.types.columns(f"{made.scope.ctes}{_bare(node).sql(dialect='duckdb', comments=False)}")
        return [name for name, _ in found] if found and len(found) == len(node.expressions) else []

    def _from(self, node: exp.Select, ctes: str, outer: Scope | None) -> tuple[str, str]:
        """Return what a SELECT reads, for DuckDB and for Spark."""
        base = node.args.get("from_")
        if base is None:
            return "", ""
        joins = node.args.get("joins") or []
        # on sees both sides, also where the rows are those of one
        seen = Scope(self.types, _read([base, *map(_two_sided, joins)]), ctes, outer)
        made = Expressions(self.types, seen, lambda inner, around: self._query(inner, ctes, around))
        tables = f"from {self._table(base.this, ctes)}"
        return _read([base, *joins]), tables + "".join(self._join(one, made, ctes) for one in joins)

    def _join(self, node: exp.Join, made: Expressions, ctes: str) -> str:
        kind, side = str(node.args.get("kind") or "").upper(), str(node.args.get("side") or "").upper()
        more = set(_given(node)) - {"this", "kind", "side", "on", "using"}
        if more or kind not in _JOINS or side not in _SIDES:
            raise Refusal(node, shown(node).split(" ON ")[0])
        table, on, using = self._table(node.this, ctes), node.args.get("on"), node.args.get("using") or []
        if on is None and not using:
            return f" cross join {table}"
        word = " ".join(part.lower() for part in (side, kind) if part)
        if on is not None:
            return f" {word} join {table} on {made.value(on).text}"
        return f" {word} join {table} using ({', '.join(quoted(name.name) for name in using)})"

    def _table(self, node: exp.Expression, ctes: str) -> str:
        if isinstance(node, exp.Table) and not (set(_given(node)) - {"this", "db", "alias"}):
            if not isinstance(node.this, exp.Identifier):
                raise Refusal(node, f"{shown(node)} in from")
            name = f"{node.db}.{node.name}" if node.db else node.name
            table = quoted(table_name(name.lower()) if node.db else name)
            alias = self._alias(node) if node.alias else quoted(node.name)
            return table if alias == table else f"{table} as {alias}"
        if isinstance(node, exp.Subquery) and not (set(_given(node)) - {"this", "alias"}):
            alias = f" as {self._alias(node)}" if node.alias else ""
            return f"({self.query(node.this, ctes)}){alias}"
        raise Refusal(node, f"{shown(node)} in from", "Read tables and subqueries")

    def _alias(self, node: exp.Expression) -> str:
        held = node.args["alias"]
        names = [quoted(column.name) for column in held.args.get("columns") or ()]
        return quoted(held.name) + (f"({', '.join(names)})" if names else "")

    def _rows(self, node: exp.Select, made: Expressions) -> list[str]:
        """Return the clauses that decide on rows: where, group by, having, limit."""
        parts = []
        if where := node.args.get("where"):
            parts.append(f"where {made.value(where.this).text}")
        if group := node.args.get("group"):
            parts.append(self._group(node, group, made))
        if having := node.args.get("having"):
            parts.append(f"having {made.value(having.this).text}")
        if limit := node.args.get("limit"):
            parts.append(self._limit(node, limit, made))
        return parts

    def _group(self, node: exp.Select, group: exp.Expression, made: Expressions) -> str:
        if more := set(_given(group)) - {"expressions", "all"}:
            raise Refusal(group, f"group by {sorted(more)[0]}")
        if group.args.get("all"):
            items = [_inner(one) for one in node.expressions]
            found = [one for one in items if not one.find(exp.AggFunc, exp.Window)]
        else:
            found = [self._grouped(node, one) for one in group.expressions]
        given = made.values([one for one in found if not isinstance(one, exp.Literal)])
        check_grouped(node, given)
        if not given:
            # groups by nothing but constants: one row, or none
            raise Refusal(node, "group by without a column")
        return "group by " + ", ".join(value.text for value in given)

    def _grouped(self, node: exp.Select, one: exp.Expression) -> exp.Expression:
        """Return what rows are grouped by, if it is named by its number."""
        if isinstance(one, exp.Literal) and not one.is_string and int(one.name) <= len(node.expressions):
            return _inner(node.expressions[int(one.name) - 1])
        return one

    def _by(self, node: exp.Select, one: exp.Expression, made: Expressions) -> exp.Expression:
        """Return what rows are ordered by: an alias goes before a column of the same name."""
        column = one.this
        if isinstance(column, exp.Literal):
            item = node.expressions[int(column.name) - 1]
            column = exp.column(item.alias, quoted=True) if isinstance(item, exp.Alias) else item
        is_alias = isinstance(column, exp.Column) and not column.table
        item = made.scope.aliases.get(column.name.lower()) if is_alias else None
        if item is None:
            self._check_hidden(one, column, made)
        elif made.scope.type_of(column) is None:
            column = item
        return exp.Ordered(**{**one.args, "this": column.copy()})

    def _check_hidden(self, node: exp.Expression, value: exp.Expression, made: Expressions) -> None:
        """Raise Refusal for a column that an alias of another value hides: Spark reads the alias."""
        for column in value.find_all(exp.Column):
            hides = None if column.table else made.scope.aliases.get(column.name.lower())
            if hides is not None and not (isinstance(hides, exp.Column) and hides.name == column.name):
                raise Refusal(node, f"order by {shown(value)}, where {column.name} is an alias too", "Rename it")

    def _limit(self, node: exp.Select, limit: exp.Expression, made: Expressions) -> str:
        order, count = node.args.get("order"), limit.args.get("expression")
        number = count.name if isinstance(count, exp.Literal) else ""
        if order is None or not number.isdigit() or set(_given(limit)) - {"expression"}:
            raise Refusal(node, shown(limit), "Write order by, and limit with a number")
        found = [self._by(node, one, made) for one in order.expressions]
        return f"order by {ordered(made, found)} limit {number}"


def _inner(item: exp.Expression) -> exp.Expression:
    found = item.this if isinstance(item, exp.Alias) else item
    assert isinstance(found, exp.Expression)
    return found


def _read(nodes: Sequence[exp.Expression]) -> str:
    """Return what a SELECT reads, as DuckDB writes it."""
    parts = [node.sql(dialect="duckdb", comments=False) for node in nodes]
    return " ".join(part.strip() if not part.startswith(",") else part for part in parts)


def _two_sided(join: exp.Expression) -> exp.Expression:
    """Return a join of which the columns of both sides are seen."""
    found = join.copy()
    if found.args.get("kind") in ("SEMI", "ANTI"):
        found.set("kind", None)
    return found


def _given(node: exp.Expression) -> list[str]:
    """Return the parts that a node has."""
    return [name for name, value in node.args.items() if value]


def _bare(node: exp.Select) -> exp.Select:
    """Return a SELECT without its own CTEs."""
    found = node.copy()
    found.set("with_", None)
    return found
