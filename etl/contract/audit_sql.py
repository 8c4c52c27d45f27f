"""The longer SELECTs of built-in kinds of audits: of groups of rows that are too few, or do not add up."""

from __future__ import annotations

from collections.abc import Sequence

from etl.engine.quoting import identifier, qualified

# beyond 9 significant digits, sums of floats depend on the order of the rows
_TOLERANCE = "1e-9"
#: How many days before the newest one tell how many rows are usual.
USUAL_DAYS = 7


def odd_partitions(table: str, by: str, share: str, number: int) -> str:
    """Return the SELECT of those of the newest `number` dates whose rows are too far from the mean of before.

    That is the mean of as many dates before each one; a date without any before it is not judged.
    """
    earlier = f"(order by {identifier(by)} rows between {number} preceding and 1 preceding)"
    return (
        f"with counted as (\n"
        f"    select {identifier(by)}::date as {identifier(by)}, count(*) as rows from {qualified(table)}\n"
        f"    where {identifier(by)} is not null group by all),\n"
        f"judged as (\n"
        f"    select *, avg(rows) over {earlier} as expected_rows from counted\n"
        f"    order by {identifier(by)} desc limit {number})\n"
        f"from judged where abs(rows - expected_rows) > {share} * expected_rows"
    )


def seldom_filled(table: str, column: str, percent: str, by: str) -> str:
    """Return the SELECT of the groups, or of the whole table, of which too few rows have a value."""
    filled, group = f"count({identifier(column)})", identifier(by) if by else ""
    return (
        f"select {f'{group}, ' if by else ''}count(*) as rows, {filled} as filled_rows from {qualified(table)}\n"
        f"{f'group by {group} ' if by else ''}having {filled} * 100 < {percent} * count(*)"
    )


def stale_or_thin(table: str, date: str, night: str, days: int, share: str) -> str:
    """Return the SELECT of the newest date up to the night, if it is too old or has too few rows.

    Usual is the median of the dates with rows before it. A date in the future is an error in the data, and must
    not hide that nothing new came.
    """
    return (
        f"with days as (\n"
        f"    select {date} as day, count(*) as rows from {qualified(table)} where {date} <= {night}\n"
        f"    group by all order by day desc limit {USUAL_DAYS + 1}),\n"
        f"found as (\n"
        f"    select max(day) as newest, {night} as batch_date, max_by(rows, day) as rows,\n"
        f"        (select median(rows) from (from days order by day desc offset 1)) as expected_rows from days)\n"
        f"from found where newest is null or newest < {night} - {days} or rows < {share} * expected_rows"
    )


def sums_that_differ(table: str, column: str, other: str, value: str, by: Sequence[str]) -> str:
    """Return the SELECT of the groups, or of the totals, whose sums differ in two tables."""
    return (
        f"with own as ({_sums(table, column, by)}),\n"
        f"other as ({_sums(other, value, by)})\n"
        f"select {_groups(by)}{_sum('own')} as own_sum, {_sum('other')} as other_sum\n"
        f"from own {_joined(by)}\n"
        f"where {_sum('own')} is distinct from {_sum('other')} and case\n"
        f"    when 'DOUBLE' not in (typeof(own.summed), typeof(other.summed)) then true\n"
        f"    else abs({_sum('own')}::double - {_sum('other')}::double) > {_size()}\n"
        f"end"
    )


def _sums(table: str, value: str, by: Sequence[str]) -> str:
    columns = "".join(f"{identifier(name)}, " for name in by)
    group = f" group by {', '.join(map(identifier, by))}" if by else ""
    totals = f"sum({value}) as summed, sum(abs({value}::double)) as summed_sizes"
    return f"select {columns}{totals} from {qualified(table)}{group}"


def _sum(side: str) -> str:
    # a group that one table lacks adds nothing
    return f"coalesce({side}.summed, 0)"


def _size() -> str:
    """Return what a difference of floats may be; of NaN or infinite sums, nothing."""
    size = "greatest(coalesce(own.summed_sizes, 0), coalesce(other.summed_sizes, 0))"
    return f"case when isfinite({size}) then {_TOLERANCE} * {size} else 0 end"


def _groups(by: Sequence[str]) -> str:
    return "".join(f"coalesce(own.{n}, other.{n}) as {n}, " for n in map(identifier, by))


def _joined(by: Sequence[str]) -> str:
    if not by:
        return "cross join other"
    conditions = [f"own.{n} is not distinct from other.{n}" for n in map(identifier, by)]
    return f"full join other on {' and '.join(conditions)}"
