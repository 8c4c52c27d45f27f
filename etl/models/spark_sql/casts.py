"""The casts of the list, from one kind to another, as SQL of Spark. What is not here is refused."""

from __future__ import annotations

from etl.models.spark_sql.types import kind_of, scale_of, spark_type

#: A DOUBLE is exact up to this number.
_EXACT = 2**53

#: `{0}` is the value, `{T}` the type; DuckDB rounds where Spark cuts.
CASTS: dict[tuple[str, str], str] = {
    ("int", "int"): "cast({0} as {T})",
    ("int", "huge"): "cast({0} as {T})",
    ("huge", "int"): "cast({0} as {T})",
    ("int", "dec"): "cast({0} as {T})",
    ("huge", "dec"): "cast({0} as {T})",
    ("dec", "dec"): "cast({0} as {T})",
    ("dec", "int"): "cast(round({0}, 0) as {T})",
    ("int", "flt"): "cast({0} as {T})",
    ("flt", "int"): "cast(rint({0}) as {T})",
    ("bool", "int"): "cast({0} as {T})",
    ("bool", "str"): "cast({0} as {T})",
    ("int", "str"): "cast({0} as {T})",
    ("huge", "str"): "cast({0} as {T})",
    ("dec", "str"): "cast({0} as {T})",
    ("date", "ts"): "cast({0} as {T})",
    ("ts", "date"): "cast({0} as {T})",
    # beyond these years the two write other texts
    ("date", "str"): "case when year({0}) between 1 and 9999 then cast({0} as {T}) "
    "when {0} is not null then raise_error('a year that Spark writes in another way than DuckDB') end",
}

#: The casts that DuckDB makes unasked.
_UNASKED = {("int", "huge"), ("int", "dec"), ("huge", "dec"), ("int", "flt"), ("date", "ts"), ("dec", "dec")}


def cast(value: str, source: str, target: str) -> str | None:
    """Return a value of one type of DuckDB as one of another; None if that cast is not on the list."""
    kinds = kind_of(source), kind_of(target)
    if source == target:
        return value
    if kinds in (("dec", "flt"), ("huge", "flt")):
        return _as_double(value, scale_of(source))
    if kinds not in CASTS:
        return None
    return CASTS[kinds].format(value, T=spark_type(target))


def unasked(value: str, source: str, target: str) -> str | None:
    """Return a value cast as DuckDB does it unasked; None if it never does, or the cast is not on the list."""
    kinds = kind_of(source), kind_of(target)
    is_one = source == target or kinds[0] == kinds[1] == "int" or kinds in _UNASKED
    is_one = is_one or kinds in (("dec", "flt"), ("huge", "flt"))
    return cast(value, source, target) if is_one else None


def _as_double(value: str, scale: int) -> str:
    """Return a decimal as a double, by DuckDB's steps: its digits, divided; large ones in two parts."""
    if not scale:
        return f"cast({value} as double)"
    ten = f"{10**scale}"
    digits = f"cast(cast({value} * {ten} as decimal(38,0)) as double) / {ten}e0"
    whole = f"case when {value} < 0 then ceil({value}) else floor({value}) end"
    rest = f"cast(cast(({value} - {whole}) * {ten} as decimal(38,0)) as double) / {ten}e0"
    is_exact = f"abs({value}) <= {_EXACT // 10**scale}"
    return f"case when {is_exact} then {digits} else cast({whole} as double) + {rest} end"
