"""Expressions: each as SQL of Spark with its type in DuckDB, or a refusal that names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from etl.models.spark_sql import literals
from etl.models.spark_sql.casts import cast, unasked
from etl.models.spark_sql.patterns import Found, entries_like
from etl.models.spark_sql.types import kind_of, quoted, scale_of, spark_type, text
from etl.models.spark_sql.typing_sql import Types
from etl.models.spark_sql.values import Refusal, Value, is_asked_of_rows, shown
from etl.models.spark_sql.windows import window

if TYPE_CHECKING:
    from etl.models.spark_sql.scope import Scope

#: Comparisons, as Spark writes them; both sides become one type first.
COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "{0} = {1}",
    exp.NEQ: "{0} <> {1}",
    exp.LT: "{0} < {1}",
    exp.LTE: "{0} <= {1}",
    exp.GT: "{0} > {1}",
    exp.GTE: "{0} >= {1}",
    exp.NullSafeEQ: "{0} <=> {1}",
    exp.NullSafeNEQ: "not ({0} <=> {1})",
    exp.Between: "{0} between {1} and {2}",
}
#: Functions of any number of values of one type, that skip nulls.
CHOICES: dict[type[exp.Expression], str] = {
    exp.Coalesce: "coalesce",
    exp.Greatest: "greatest",
    exp.Least: "least",
}
#: The places in the SQL of an entry, see Entry.
_PLACES = re.compile(r"\{(?:([RSW])|(\d)(?::([RD]))?|([#$]\w+))\}")
#: The parts of an expression that what translates it looks at, and those that say what is so anyway.
_PARTS = {
    *(
        "this",
        "expression",
        "expressions",
        "low",
        "high",
        "ifs",
        "default",
        "true",
        "false",
        "query",
        "to",
        "unit",
    ),
    *("table", "db", "is_string", "ignore_nulls", "partition_by", "order", "spec", "over", "symmetric"),
}
#: Some entries write a value more than once: nested in each other, they grow without end.
_LONGEST = 50_000
_UNITS = ("second", "minute", "hour", "day", "week", "month", "year")
_CAST_TO = "Cast to a type by steps that are on the list, or leave the model to DuckDB: remove `-- engine: spark`"


@dataclass
class Expressions:
    """Translates the expressions of one scope."""

    types: Types
    scope: Scope
    #: Translates a subquery: its text, and the type of its one column.
    subquery: Callable[[exp.Expression, Scope], tuple[str, str]]

    def value(self, node: exp.Expression) -> Value:
        """Return an expression in Spark. Raises Refusal for what is not on the list."""
        for kind, make in _MAKERS.items():
            if isinstance(node, kind):
                if more := {name for name, given in node.args.items() if given} - _PARTS:
                    raise Refusal(node, f"{shown(node)} ({', '.join(sorted(more))})")
                return make(self, node)
        return self.entry(node)

    def values(self, nodes: Sequence[exp.Expression]) -> list[Value]:
        """Return each of some expressions."""
        return [self.value(node) for node in nodes]

    def entry(self, node: exp.Expression, behind: str = "") -> Value:
        """Return a function or an operator of the list; `behind` is the filter and the window of an aggregate."""
        found = entries_like(node)
        kinds = ""
        for one in found:
            given = [self.value(one.parts[name]) for name in sorted(one.parts) if name.startswith("_")]
            kinds = ",".join("iv" if value.kind == "iv" else value.kind for value in given)
            if kinds in one.entry.kinds.split(" ") or (not kinds and not one.entry.kinds):
                return self._made(node, one, given, behind)
        if found:
            what = f"{shown(node)} of {', '.join(value.type for value in given) or 'nothing'}"
            raise Refusal(node, what, "It is on the list for other types: cast its values")
        raise Refusal(node, _named(node))

    def _made(self, node: exp.Expression, found: Found, given: Sequence[Value], behind: str) -> Value:
        sql = found.entry.duckdb
        for mark, literal in found.parts.items():
            if not mark.startswith("_"):
                sql = sql.replace(f"'{mark}'", literal.sql(dialect="duckdb"))
        for number, value in enumerate(given):
            # a literal takes the type of what stands beside it
            if value.literal is not None and len(given) > 1:
                sql = sql.replace(f"_{number}", value.literal)
        is_over = " over (" in behind
        if not (found.entry.in_window if is_over else found.entry.alone):
            raise Refusal(node, f"{shown(node)} {'with' if is_over else 'without'} a window")
        sql += "" if found.entry.alone else " over ()"
        type = self.types.one(sql, [value.type for value in given])
        if type is None or (spark_type(type) is None and type != "INTERVAL"):
            raise Refusal(node, f"{shown(node)}, which is {type or 'of no type that is known'}")
        made = self._text(node, found, given, type, behind)
        if len(made) > _LONGEST:
            raise Refusal(node, f"{shown(node)}, so deeply nested", "Name its parts in a CTE")
        return Value(f"({made})", type)

    def _text(self, node: exp.Expression, found: Found, given: Sequence[Value], type: str, behind: str) -> str:
        summed = f"decimal(38,{scale_of(given[0].type)})" if given else ""
        wanted = {"R": type, "D": "DOUBLE"}

        def put(match: re.Match[str]) -> str:
            if match[4]:
                return _marked(node, match[4], found.parts[match[4]])
            if match[1]:
                return {"R": spark_type(type) or "", "S": summed, "W": behind}[match[1]]
            value = given[int(match[2])]
            return value.text if not match[3] else self.as_type(node, value, wanted[match[3]])

        return _PLACES.sub(put, found.entry.spark)

    def as_type(self, node: exp.Expression, value: Value, type: str) -> str:
        """Return a value as DuckDB makes it of a type unasked. Raises Refusal if that is not on the list."""
        if value.is_null:
            return f"cast(null as {spark_type(type)})"
        if value.kind == "str" and value.literal is not None and kind_of(type) in ("date", "ts"):
            return _moment(node, value.literal, type).text
        made = unasked(value.text, value.type, type)
        if made is None:
            raise Refusal(node, f"{shown(node)}, which makes {type} of {value.type} unasked", _CAST_TO)
        return made

    def common(self, node: exp.Expression, given: Sequence[Value]) -> str:
        """Return the type in which DuckDB compares values, or chooses one of them."""
        type = self.types.common([value.type for value in given], [value.literal for value in given])
        if type is None or spark_type(type) is None:
            raise Refusal(node, f"{shown(node)} of {', '.join(value.type for value in given)}")
        return type

    def alike(self, node: exp.Expression, nodes: Sequence[exp.Expression]) -> tuple[list[str], str]:
        """Return values as one type, and that."""
        given = self.values(nodes)
        type = self.common(node, given)
        return [self.as_type(node, value, type) for value in given], type


def _moment(node: exp.Expression, literal: str, type: str) -> Value:
    value = literal[1:-1]
    if type == "DATE" and literals.is_date(value):
        return Value(f"date {text(value)}", type)
    if type == "TIMESTAMP" and (literals.is_date(value) or literals.is_time(value)):
        return Value(f"timestamp_ntz {text(value)}", type)
    raise Refusal(node, f"the text {literal} as {type}", "Write it as 2024-03-01, or 2024-03-01 12:00:00")


def _marked(node: exp.Expression, mark: str, literal: exp.Expression) -> str:
    """Return the literal at a mark of an entry, as SQL of Spark."""
    if mark.startswith("#"):
        return str(literal.name)
    made = literals.MARKS[mark](literal.name)
    if made is None:
        raise Refusal(node, f"{shown(node)}, since the text {literal.sql()} may mean another thing there")
    return made


def _named(node: exp.Expression) -> str:
    if isinstance(node, exp.Anonymous):
        return f"the function {node.name}()"
    if isinstance(node, exp.Func):
        return f"the function in {shown(node)}"
    return f"{shown(node)} ({type(node).__name__})"


def _column(made: Expressions, node: exp.Column) -> Value:
    if isinstance(node.this, exp.Star):
        raise Refusal(node, shown(node))
    type = made.scope.type_of(node)
    if type is None:
        alias = made.scope.aliases.get(node.name.lower()) if not node.table else None
        if alias is None or alias is node:
            raise Refusal(node, f"the column {shown(node)}, whose type is not known here")
        return made.value(alias)
    if spark_type(type) is None:
        raise Refusal(node, f"the column {shown(node)} of type {type}", "Leave it out, or cast it in a view below")
    parts = [part for part in (node.table, node.name) if part]
    return Value(".".join(map(quoted, parts)), type)


def _literal(made: Expressions, node: exp.Literal) -> Value:
    if node.is_string:
        return Value(text(node.name), "VARCHAR", node.sql(dialect="duckdb"))
    type = made.types.one(node.name, [])
    if type == "DOUBLE":
        return Value(f"double('{node.name}')", type, node.name)
    if type is None or kind_of(type) not in ("int", "huge", "dec"):
        raise Refusal(node, f"the number {node.name}")
    return Value(f"cast('{node.name}' as {spark_type(type)})", type, node.name)


def _cast(made: Expressions, node: exp.Cast) -> Value:
    type = made.types.one(f"cast(null as {node.to.sql(dialect='duckdb')})", [])
    if type is None or spark_type(type) is None or type == "FLOAT":
        raise Refusal(node, f"a cast to {node.to.sql(dialect='duckdb')}")
    value = made.value(node.this)
    if value.is_null:
        return Value(f"cast(null as {spark_type(type)})", type)
    if value.literal is not None and value.kind == "str" and kind_of(type) in ("date", "ts"):
        return _moment(node, value.literal, type)
    found = cast(value.text, value.type, type)
    if found is None:
        raise Refusal(node, f"the cast of {value.type} to {type}", _CAST_TO)
    return Value(f"({found})", type)


def _compared(made: Expressions, node: exp.Expression) -> Value:
    names = ("this", "low", "high") if isinstance(node, exp.Between) else ("this", "expression")
    if isinstance(node, exp.Between) and node.args.get("symmetric"):
        raise Refusal(node, "between symmetric")
    given, _ = made.alike(node, [node.args[name] for name in names])
    return Value(f"({COMPARISONS[type(node)].format(*given)})", "BOOLEAN")


def _chosen(made: Expressions, node: exp.Expression) -> Value:
    given, common = made.alike(node, [node.this, *node.expressions])
    return Value(f"{CHOICES[type(node)]}({', '.join(given)})" if len(given) > 1 else given[0], common)


def _case(made: Expressions, node: exp.Case | exp.If) -> Value:
    branches = [node] if isinstance(node, exp.If) else node.args["ifs"]
    last = node.args.get("false") if isinstance(node, exp.If) else node.args.get("default")
    results = [branch.args["true"] for branch in branches]
    given, common = made.alike(node, [*results, last or exp.Null()])
    conditions = []
    for branch in branches:
        asked = branch.this
        if isinstance(node, exp.Case) and node.this is not None:
            asked = exp.EQ(this=node.this.copy(), expression=asked.copy())
        found = made.value(asked)
        if found.type != "BOOLEAN":
            raise Refusal(branch, f"{shown(asked)} of {found.type} as a condition", "Write a comparison")
        conditions.append(found.text)
    whens = " ".join(f"when {one} then {then}" for one, then in zip(conditions, given, strict=False))
    return Value(f"(case {whens} else {given[-1]} end)", common)


def _in(made: Expressions, node: exp.In) -> Value:
    query = node.args.get("query")
    if query is None:
        given, _ = made.alike(node, [node.this, *node.expressions])
        return Value(f"({given[0]} in ({', '.join(given[1:])}))", "BOOLEAN")
    if not is_asked_of_rows(node):
        raise Refusal(
            node, f"{shown(node)} elsewhere than in where, between ands", "Write exists, or join the query"
        )
    value = made.value(node.this)
    sql, type = made.subquery(query, made.scope)
    if value.type != type and (value.kind != "int" or kind_of(type) != "int"):
        raise Refusal(node, f"{value.type} in a subquery of {type}", "Cast both to one type")
    return Value(f"({value.text} in ({sql}))", "BOOLEAN")


def _exists(made: Expressions, node: exp.Exists) -> Value:
    return Value(f"exists ({made.subquery(node.this, made.scope)[0]})", "BOOLEAN")


def _scalar(made: Expressions, node: exp.Subquery) -> Value:
    sql, type = made.subquery(node, made.scope)
    return Value(f"({sql})", type)


def _paren(made: Expressions, node: exp.Paren) -> Value:
    return made.value(node.this)


def _interval(made: Expressions, node: exp.Interval) -> Value:
    unit, count = str(node.args.get("unit") or "").lower().rstrip("s"), node.this
    if not isinstance(count, exp.Literal) or not re.fullmatch(r"\d{1,4}", count.name) or unit not in _UNITS:
        raise Refusal(node, shown(node), "Write a whole number and a unit, such as interval 3 days")
    return Value(f"interval '{count.name}' {unit}", "INTERVAL")


def _filter(made: Expressions, node: exp.Filter) -> Value:
    found = made.value(node.expression.this)
    return made.entry(node.this, f" filter (where {found.text})")


def _window(made: Expressions, node: exp.Window) -> Value:
    inner = node.this
    if isinstance(inner, exp.Filter):
        raise Refusal(
            node, f"{shown(node)}, a filter with a window", "Write sum(case when ... then x end) over (...)"
        )
    if node.args.get("spec") and not all(one.entry.in_frame for one in entries_like(inner)):
        raise Refusal(node, f"the frame in {shown(node)}", "Remove it: this function sees its whole partition")
    return made.entry(inner, window(made, node))


def _is(made: Expressions, node: exp.Is) -> Value:
    if isinstance(node.expression, exp.Boolean):
        word = "true" if node.expression.this else "false"
        value = made.value(node.this)
        if value.type == "BOOLEAN":
            return Value(f"({value.text} is {word})", "BOOLEAN")
    return made.entry(node)


_MAKERS: dict[Any, Callable[[Expressions, Any], Value]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: lambda made, node: Value("true" if node.this else "false", "BOOLEAN"),
    exp.Null: lambda made, node: Value("null", "INTEGER", "null"),
    exp.TryCast: lambda made, node: made.entry(node),
    exp.Cast: _cast,
    **dict.fromkeys(COMPARISONS, _compared),
    **dict.fromkeys(CHOICES, _chosen),
    exp.Case: _case,
    exp.If: _case,
    exp.In: _in,
    exp.Exists: _exists,
    exp.Subquery: _scalar,
    exp.Paren: _paren,
    exp.Interval: _interval,
    exp.Filter: _filter,
    exp.Window: _window,
    exp.Is: _is,
}
