"""The audits of drift: what is new in a table beside its profiles of before, by the size of the difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from etl.contract.audit import Audit
from etl.contract.audit_grammar import COLUMN, AuditKind, Make, built_in, names, share
from etl.contract.drift_sql import compared, psi_over
from etl.contract.drift_training import GRAMMAR, PATTERN, within
from etl.engine.quoting import identifier, literal

#: The most earlier profiles that can be compared with.
MOST_PAST = 366
_NUMBER = r"\d+(?:\.\d+)?"
_VALUE = r"(?:'(?P<quoted>(?:[^']|'')*)'|(?P<plain>[^'\s]+))"


def _drift(match: re.Match[str]) -> Iterator[Make]:
    if match["within"]:
        yield from within(match)
        return
    (column,), past = names(match["column"]), int(match["past"])
    if not 1 <= past <= MOST_PAST:
        raise ValueError(f"the last {past} is outside 1 to {MOST_PAST} earlier profiles")
    make = next(make for limit, make in _MEASURES.items() if match[limit] is not None)
    if match["other"] and {column.lower()} == {name.lower() for name in names(match["other"])}:
        raise ValueError(f"the correlation of {column} with itself is always 1")
    yield lambda table: make(match, table, column, past)


def _psi(match: re.Match[str], table: str, column: str, past: int) -> Audit:
    sql = psi_over(table, column, past, f"psi > {Decimal(match['psi_limit'])}")
    return _made(table, f"{column},psi", sql, past, typed=(("binned", table, column),), of_values=True)


def _nulls(match: re.Match[str], table: str, column: str, past: int) -> Audit:
    wrong = f"abs(null_share - expected) > {share(match['nulls_limit'])}"
    sql = compared(table, column, past, "nulls / rows", "null_share", wrong)
    return _made(table, f"{column},nulls", sql, past, typed=(("any", table, column),))


def _distinct(match: re.Match[str], table: str, column: str, past: int) -> Audit:
    wrong = f"abs(approx_distinct - expected) > {share(match['distinct_limit'])} * expected"
    sql = compared(table, column, past, "approx_distinct", "approx_distinct", wrong)
    return _made(table, f"{column},distinct", sql, past, typed=(("any", table, column),))


def _mean(match: re.Match[str], table: str, column: str, past: int) -> Audit:
    # means that were all the same leave room for the last digits of the new one, and of the sum that it is of
    least = "1e-9 * greatest(abs(expected), noise)"
    wrong = f"abs(mean - expected) > {Decimal(match['mean_limit'])} * greatest(spread, {least})"
    sql = compared(table, column, past, "mean", "mean", wrong, "coalesce(std, 0)")
    return _made(table, f"{column},mean", sql, past, typed=(("number", table, column),), of_values=True)


def _category(match: re.Match[str], table: str, column: str, past: int) -> Audit:
    value = match["plain"] if match["quoted"] is None else match["quoted"].replace("''", "'")
    own = identifier(column)
    measure = (
        f"share of {value} of {column}",
        f"count(*) filter ({own} = {literal(value)}) / nullif(count({own}), 0)",
    )
    wrong = f"abs(share - expected) > {share(match['category_limit'])}"
    sql = compared(table, "", past, f"measures[{literal(measure[0])}]", "share", wrong)
    typed = (("values", table, column, value),)
    key = f"{column},share_of_{value}"
    return _made(table, key, sql, past, typed=typed, of_values=True, measures=(measure,))


def _correlation(match: re.Match[str], table: str, column: str, past: int) -> Audit:
    (other,) = names(match["other"])
    x, y = (f"try_cast({identifier(name)} as double)" for name in (column, other))
    measure = (
        f"correlation of {column} with {other}",
        # the squares of greater numbers are more than a DOUBLE holds
        f"corr({x}, {y}) filter (abs({x}) < 1e75 and abs({y}) < 1e75)",
    )
    wrong = f"abs(correlation - expected) > {Decimal(match['correlation_limit'])}"
    sql = compared(table, "", past, f"measures[{literal(measure[0])}]", "correlation", wrong)
    typed, key = (("number", table, column), ("number", table, other)), f"{column},correlation,{other}"
    return _made(table, key, sql, past, typed=typed, of_values=True, measures=(measure,))


def _made(
    table: str,
    key: str,
    sql: str,
    past: int,
    *,
    typed: tuple[tuple[str, ...], ...],
    of_values: bool = False,
    measures: tuple[tuple[str, str], ...] = (),
) -> Audit:
    columns = [part[2] for part in typed]
    more = {"typed": typed, "past": past, "of_values": of_values, "measures": measures}
    return built_in("drift", table, sql, columns, key=key, **more)


def _percent(name: str) -> str:
    return rf"(?P<{name}>{_NUMBER})\s*%"


#: By the group of the pattern that has the limit.
_MEASURES: Mapping[str, Callable[[re.Match[str], str, str, int], Audit]] = {
    "psi_limit": _psi,
    "nulls_limit": _nulls,
    "distinct_limit": _distinct,
    "mean_limit": _mean,
    "category_limit": _category,
    "correlation_limit": _correlation,
}

#: What a header or a contract asks for by `drift: ...`.
DRIFT = AuditKind(
    grammar="dep_delay by psi 0.2 against the last 28; or by nulls 5%, by distinct 30%, by mean 3 (standard "
    "deviations of the earlier means), by share of JFK 10%, by correlation with air_time 0.2; or "
    f"{GRAMMAR}",
    pattern=rf"{PATTERN}|(?P<column>{COLUMN})\s+by\s+(?:psi\s+(?P<psi_limit>{_NUMBER})|nulls\s+{_percent('nulls_limit')}"
    rf"|distinct\s+{_percent('distinct_limit')}|mean\s+(?P<mean_limit>{_NUMBER})"
    rf"|share\s+of\s+{_VALUE}\s+{_percent('category_limit')}"
    rf"|correlation\s+with\s+(?P<other>{COLUMN})\s+(?P<correlation_limit>{_NUMBER}))"
    r"\s+against\s+the\s+last\s+(?P<past>\d{1,6})",
    make=_drift,
    after_column=" ",
    of_table=True,
)
