"""Windows: what stands behind `over`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from etl.models.spark_sql.values import Maker, Refusal, shown

_ARGS = {"this", "partition_by", "order", "spec", "over"}
_FRAME = {"kind", "start", "start_side", "end", "end_side"}


def window(made: Maker, node: exp.Window) -> str:
    """Return the window of a function. Raises Refusal for a kind of it that is not on the list."""
    if more := [name for name, value in node.args.items() if value and name not in _ARGS]:
        raise Refusal(node, f"{shown(node)} ({more[0]})")
    parts = []
    if given := made.values(node.args.get("partition_by") or []):
        check_grouped(node, given)
        parts.append("partition by " + ", ".join(value.text for value in given))
    if order := node.args.get("order"):
        parts.append("order by " + ordered(made, order.expressions))
    if spec := node.args.get("spec"):
        parts.append(_frame(node, spec))
    return f" over ({' '.join(parts)})"


def check_grouped(node: exp.Expression, given: Sequence[object]) -> None:
    """Raise Refusal for a floating-point number by which rows are grouped: of 0.0 and -0.0 either one is kept."""
    if any(getattr(value, "kind", "") in ("flt", "float") for value in given):
        raise Refusal(
            node, f"a grouping by a floating-point number in {shown(node)}", "Cast it to a DECIMAL below"
        )


def ordered(made: Maker, nodes: Sequence[exp.Expression]) -> str:
    """Return what rows are ordered by, with the place of nulls, which is another one in Spark unsaid."""
    found = []
    for node in nodes:
        value = made.value(node.this)
        way = "desc" if node.args.get("desc") else "asc"
        nulls = "first" if node.args.get("nulls_first") else "last"
        found.append(f"{value.text} {way} nulls {nulls}")
    return ", ".join(found)


def _frame(node: exp.Expression, spec: exp.Expression) -> str:
    more = [name for name, value in spec.args.items() if value and name not in _FRAME]
    kind = str(spec.args.get("kind") or "").lower()
    sides = [
        _side(spec.args.get("start"), spec.args.get("start_side")),
        _side(spec.args.get("end") or "CURRENT ROW", spec.args.get("end_side")),
    ]
    is_counted = any(side[0].isdigit() for side in sides if side)
    if more or kind not in ("rows", "range") or None in sides or (kind == "range" and is_counted):
        raise Refusal(node, f"the frame in {shown(node)}", "Write rows between N preceding and N following")
    return f"{kind} between {sides[0]} and {sides[1]}"


def _side(value: object, side: object) -> str | None:
    if value == "CURRENT ROW":
        return "current row"
    name = value.name if isinstance(value, exp.Literal) else str(value or "")
    if name == "UNBOUNDED" or (name.isdigit() and isinstance(value, exp.Literal)):
        return f"{name.lower()} {str(side).lower()}"
    return None
