"""The SELECTs of audits of drift: each reads the profiles of one column, and returns the parts that differ."""

from __future__ import annotations

from etl.contract.audit import PROFILES
from etl.engine.quoting import literal

#: What a smaller share is taken for, of a sample of `size`: the logarithm of an empty bin would be infinite.
_EPSILON = "greatest(1e-4, 0.5 / size)"
#: A value that had less than this share before has no bin of its own: it need not be among the top values.
_OWN_BIN = "0.05"
#: What stands between the parts that are compared, and how they are.
_COMPARING = ",\n-- what is new beside that:\n"


def compared(table: str, column: str, past: int, value: str, name: str, wrong: str, noise: str = "") -> str:
    """Return the SELECT of the new parts whose `value`, under its `name`, is `wrong`: too far from those before.

    `wrong` is a condition on it, on `expected`, the mean of those before, and on `spread`, their standard
    deviation; and on `noise` of the new part, if it is given.
    """
    noisy = ", any_value(noise) as noise" if noise else ""
    return (
        f"{_pairs(table, column, value, past, noise)}{_COMPARING}"
        f"compared as (\n"
        f"    select day, any_value(own) as {name}, avg(past) as expected, stddev_samp(past) as spread{noisy}\n"
        f"    from pairs group by day having count(*) = {past})\n"
        f"select day, {name}, expected{', spread' if 'spread' in wrong else ''} from compared\n"
        f"where {wrong} order by day"
    )


def psi_over(table: str, column: str, past: int, wrong: str) -> str:
    """Return the SELECT of the new parts whose population stability index is `wrong`.

    It is the sum over bins of (own share - share before) * ln(own share / share before). The bins of numbers lie
    between the nine deciles of all earlier quantiles; of the rows whose value is a decile, half are below it.
    Other values have a bin each if their share was at least 5%, the rest have one together. No share counts as
    less than half a row of the new part's sample, or 0.0001. After Siddiqi, Credit Risk Scorecards (2006); by the
    rule of thumb there, less than 0.1 is no change and more than 0.25 a great one.
    """
    return (
        f"{_pairs(table, column, _DISTRIBUTION, past)}{_COMPARING}"
        f"parted as (\n"
        f"    select day, any_value(own) as own, list(past) as past from pairs\n"
        f"    group by day having count(*) = {past}),\n"
        f"{_INDEX}\n"
        f"select day, psi from compared where {wrong} order by day"
    )


def count_of_past(sql: str) -> str:
    """Return the query for how many earlier parts the SELECT of an audit of drift has, of the part with most."""
    pairs = sql.partition(_COMPARING)[0]
    return f"{pairs}\nselect coalesce(max(parts), 0) from (select count(*) as parts from pairs group by day)"


def _pairs(table: str, column: str, value: str, past: int, noise: str = "") -> str:
    """Return the CTEs that every comparison begins with: each new part of a table, with those of before.

    New are the parts that the last run changed which changed any, at most the newest `past` of them: without
    partitions, the table on that night. Before are the `past` partitions, or nights, of earlier dates.
    """
    return (
        f"with profiled as (\n"
        f"    select coalesce(try_cast(partition as date), case partition when '' then batch_date end) as day,\n"
        f"        run_id, {value} as own{f', {noise} as noise' if noise else ''}\n"
        f"    from {PROFILES}\n"
        f"    where table_name = {literal(table)} and column_name = {literal(column)} and rows > 0),\n"
        f"judged as (\n"
        f"    from profiled where day is not null and run_id = (select max(run_id) from profiled)\n"
        f"    order by day desc limit {past}),\n"
        f"pairs as (\n"
        f"    select judged.day, judged.own, earlier.own as past{', judged.noise' if noise else ''}\n"
        f"    from judged join profiled as earlier on earlier.day < judged.day\n"
        f"    where judged.own is not null and earlier.own is not null\n"
        f"    qualify row_number() over (partition by judged.day order by earlier.day desc) <= {past})"
    )


def _share_below(quantiles: str) -> str:
    """Return the SQL of the share of values below `edge`, of which those that are equal count by half.

    Between two quantiles that are 5% apart, it grows evenly.
    """
    sides = []
    for sign in ("<", "<="):
        number = f"len(list_filter({quantiles}, lambda x: x {sign} edge))"
        between = f"(edge - {quantiles}[{number}]) / ({quantiles}[{number} + 1] - {quantiles}[{number}])"
        sides.append(f"(case {number} when 0 then 0 when 21 then 1 else ({number} - 1 + {between}) / 20 end)")
    return f"({' + '.join(sides)}) / 2"


_DISTRIBUTION = (
    "case when len(quantiles) > 0 or cardinality(top) > 0 then {'q': quantiles, 'top': top, 'size': sampled} end"
)
_SHARE_BEFORE = "list_sum(list_transform(past, lambda p: coalesce(p.top[name], 0))) / len(past)"
_OWN, _BEFORE = f"greatest(own[i], {_EPSILON})", f"greatest(past[i], {_EPSILON})"
_INDEX = f"""numbers as (
    select day, own.size as size, own.q::double[] as own, list_transform(past, lambda p: p.q::double[]) as past
    from parted where len(own.q) > 0),
pooled as (
    select day, size, own, past, list_sort(flatten(past)) as pool from numbers),
cut as (
    select day, size, own, past, list_sort(list_distinct(
        list_transform(range(1, 10), lambda tenth: pool[len(pool) * tenth // 10]))) as edges
    from pooled),
below as (
    select day, size, [0.0] || list_transform(edges, lambda edge: {_share_below("own")}) || [1.0] as own,
        [0.0] || list_transform(edges, lambda edge:
            list_avg(list_transform(past, lambda q: {_share_below("q")}))) || [1.0] as past
    from cut),
named as (
    select day, own, past, list_filter(
        list_sort(list_distinct(flatten(list_transform(past, lambda p: map_keys(p.top))))),
        lambda name: {_SHARE_BEFORE} >= {_OWN_BIN}) as names
    from parted where coalesce(len(own.q), 0) = 0),
valued as (
    select day, own.size as size, list_transform(names, lambda name: coalesce(own.top[name], 0)) as own,
        list_transform(names, lambda name: {_SHARE_BEFORE}) as past
    from named),
binned as (
    select day, size, list_transform(range(1, len(own)), lambda i: own[i + 1] - own[i]) as own,
        list_transform(range(1, len(past)), lambda i: past[i + 1] - past[i]) as past
    from below
    union all
    select day, size, list_append(own, 1 - coalesce(list_sum(own), 0)),
        list_append(past, 1 - coalesce(list_sum(past), 0))
    from valued),
compared as (
    select day, list_sum(list_transform(range(1, len(own) + 1), lambda i:
        ({_OWN} - {_BEFORE}) * ln({_OWN} / {_BEFORE}))) as psi
    from binned)"""
