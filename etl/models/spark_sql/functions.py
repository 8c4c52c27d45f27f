"""The functions and operators of the list: DuckDB's SQL, the kinds of values that were compared, Spark's SQL."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

_NUMBERS = "int,int int,huge huge,int huge,huge int,flt flt,int flt,flt dec,flt flt,dec"
_DECIMALS = "int,dec dec,int dec,dec"
_PLAIN = "int dec str date ts bool"


@dataclass(frozen=True)
class Entry:
    """A function or an operator.

    `duckdb` has `_0`, `_1` ... for values, or `'$0'` for a literal that is written as it is. In `spark`, `{0}` is
    a value, `{0:R}` is one as the type of the result, `{0:D}` as DOUBLE, `{R}` is that type, and `{W}` stands
    behind each call of an aggregate: its filter and its window.
    """

    duckdb: str
    #: The kinds of `_0,_1`, with spaces between the combinations that were compared.
    kinds: str
    spark: str
    _: KW_ONLY
    #: Whether values are compared to 9 digits, since the order of rows decides on the last ones.
    is_rounded: bool = False
    #: Whether it stands alone, before `over` only, or in both places.
    alone: bool = True
    in_window: bool = True
    #: Whether its window may have a frame: Spark has its own for the rest.
    in_frame: bool = True

    @property
    def is_aggregate(self) -> bool:
        """Whether it sees more than one row."""
        return "{W}" in self.spark


def _halves(value: str) -> str:
    """Return a double without a fraction, a half away from zero, as C does it."""
    whole = f"floor(abs({value}))"
    up = f"cast({whole} as double) + case when abs({value}) - {whole} >= 0.5e0 then 1e0 else 0e0 end"
    return f"case when abs({value}) < 4503599627370496e0 then signum({value}) * ({up}) else {value} end"


def _rounded(digits: int) -> str:
    """Return a double with so many digits: what it is in binary decides, and a half goes away from zero.

    format_number() does so but for halves, which it makes even; of these, so many bits hold the fraction. What has
    no fraction, DuckDB multiplies and divides again.
    """
    part = "(abs({0}) - floor(abs({0})))"
    raised = f"floor({part} * 1e{digits} + 0.5e0)"
    whole = "cast(floor(abs({0})) as decimal(20,0))"
    half = f"signum({{0}}) * cast({whole} + cast({raised} as decimal(10,0)) * {10**-digits:.{digits}f} as double)"
    other = f"cast(replace(format_number({{0}}, {digits}), ',', '') as double)"
    scaled = f"{{0}} * {2 ** (digits + 1)}e0"
    return (
        f"case when isnan({{0}}) or abs({{0}} * 1e{digits}) = double('Infinity') then {{0}} "
        f"when abs({{0}}) >= 4503599627370496e0 then {{0}} * 1e{digits} / 1e{digits} "
        f"when {scaled} = floor({scaled}) then {half} else {other} end"
    )


_ZERO = "case when cast({1:D} as string) = '-0.0' then double('-Infinity') else double('Infinity') end"

ARITHMETIC = [
    *(
        Entry(f"_0 {sign} _1", f"{_NUMBERS} {_DECIMALS}", f"cast({{0:R}} {sign} {{1:R}} as {{R}})")
        for sign in "+-"
    ),
    Entry("_0 * _1", _NUMBERS, "cast({0:R} * {1:R} as {R})"),
    Entry("_0 * _1", _DECIMALS, "cast({0} * {1} as {R})"),
    Entry(
        "_0 / _1",
        f"{_NUMBERS} {_DECIMALS}",
        f"case when {{1:D}} = 0e0 then {{0:D}} * {_ZERO} else {{0:D}} / {{1:D}} end",
    ),
    Entry("_0 % _1", "int,int", "case when {1} <> 0 then cast({0} as {R}) % cast({1} as {R}) end"),
    Entry("_0 // _1", "int,int", "case when {1} <> 0 then cast({0} div {1} as {R}) end"),
    # Spark's own minus keeps 34 digits
    Entry("-_0", "huge dec", "cast(cast(0 as {R}) - {0} as {R})"),
    Entry("-_0", "int flt", "-{0}"),
    Entry("abs(_0)", "huge dec", "case when {0} < 0 then cast(cast(0 as {R}) - {0} as {R}) else {0} end"),
    Entry("abs(_0)", "int flt", "abs({0})"),
    Entry(
        "floor(_0)", "flt", "case when abs({0}) < 4503599627370496e0 then cast(floor({0}) as double) else {0} end"
    ),
    Entry(
        "ceil(_0)", "flt", "case when abs({0}) < 4503599627370496e0 then cast(ceil({0}) as double) else {0} end"
    ),
    *(Entry(sql, "flt", _halves("{0}")) for sql in ("round(_0)", "round(_0, 0)")),
    Entry("round(_0)", "dec", "cast(round({0}, 0) as {R})"),
    *(Entry(f"round(_0, {n})", "flt", _rounded(n)) for n in range(1, 7)),
    *(Entry(f"round(_0, {n})", "dec", f"cast(round({{0}}, {n}) as {{R}})") for n in range(7)),
]

LOGIC = [
    Entry("_0 and _1", "bool,bool", "{0} and {1}"),
    Entry("_0 or _1", "bool,bool", "{0} or {1}"),
    Entry("not _0", "bool", "not {0}"),
    Entry("_0 is null", f"{_PLAIN} huge flt tz", "{0} is null"),
    Entry("isnan(_0)", "flt", "case when {0} is not null then isnan({0}) end"),
    Entry("isinf(_0)", "flt", "abs({0}) = double('Infinity')"),
    Entry(
        "isfinite(_0)",
        "flt",
        "case when {0} is not null then not isnan({0}) and abs({0}) < double('Infinity') end",
    ),
    Entry("nullif(_0, _1)", "int,int str,str date,date bool,bool", "nullif({0}, {1})"),
]

_BEFORE, _BEHIND = r"^\\p{Zs}+", r"\\p{Zs}+\\z"

_NEW = "[\u1c89\ua7cb\ua7cc\ua7ce\ua7d2\ua7d4\ua7da\ua7dc\U00010d50-\U00010d65\U00016ea0-\U00016eb8]"

TEXT = [
    Entry("length(_0)", "str", "cast(length({0}) as bigint)"),
    # DuckDB takes away every kind of space that Unicode calls a separator
    Entry("trim(_0)", "str", f"regexp_replace({{0}}, '{_BEFORE}|{_BEHIND}', '')"),
    Entry("ltrim(_0)", "str", f"regexp_replace({{0}}, '{_BEFORE}', '')"),
    Entry("rtrim(_0)", "str", f"regexp_replace({{0}}, '{_BEHIND}', '')"),
    # letter by letter, as DuckDB does it; a few that Unicode has had since 2024 only Spark knows
    Entry(
        "lower(_0)",
        "str",
        f"case when {{0}} rlike '{_NEW}' then raise_error('a letter that DuckDB does not know') "
        "else lower(translate({0}, '\u0130\u03a3', 'i\u03c3')) end",
    ),
    Entry("_0 || _1", "str,str", "{0} || {1}"),
    Entry("left(_0, '#0')", "str", "left({0}, {#0})"),
    Entry("right(_0, '#0')", "str", "right({0}, {#0})"),
    Entry("substring(_0, '#1', '#0')", "str", "substring({0}, {#1}, {#0})"),
    Entry("starts_with(_0, _1)", "str,str", "startswith({0}, {1})"),
    Entry("ends_with(_0, _1)", "str,str", "endswith({0}, {1})"),
    Entry("contains(_0, _1)", "str,str", "contains({0}, {1})"),
    Entry("replace(_0, '$sought', '$1')", "str", "replace({0}, {$sought}, {$1})"),
    Entry("_0 like '$like'", "str", "{0} like {$like}"),
    Entry("_0 not like '$like'", "str", "{0} not like {$like}"),
    Entry("regexp_matches(_0, '$re')", "str", "regexp_like({0}, {$re})"),
    Entry("regexp_replace(_0, '$sub', '$0', 'g')", "str", "regexp_replace({0}, {$sub}, {$0})"),
]

TIME = [
    *(
        Entry(f"extract({part} from _0)", "date ts", f"cast(extract({part} from {{0}}) as bigint)")
        for part in ("year", "month", "day", "quarter", "doy")
    ),
    *(
        Entry(f"{part}(_0)", "date ts", f"cast({spark}({{0}}) as bigint)")
        for part, spark in {
            "year": "year",
            "month": "month",
            "day": "day",
            "quarter": "quarter",
            "dayofyear": "dayofyear",
        }.items()
    ),
    Entry("isodow(_0)", "date ts", "cast(weekday({0}) + 1 as bigint)"),
    Entry("dayofweek(_0)", "date ts", "cast(dayofweek({0}) - 1 as bigint)"),
    *(Entry(f"extract({part} from _0)", "ts", f"cast({part}({{0}}) as bigint)") for part in ("hour", "minute")),
    *(Entry(f"{part}(_0)", "ts", f"cast({part}({{0}}) as bigint)") for part in ("hour", "minute")),
    *(
        Entry(f"date_trunc('{part}', _0)", "date ts", f"cast(trunc(cast({{0}} as date), '{part}') as {{R}})")
        for part in ("year", "quarter", "month", "week")
    ),
    Entry("date_trunc('day', _0)", "date ts", "cast(cast({0} as date) as {R})"),
    *(
        Entry(
            f"date_trunc('{part}', _0)", "ts", f"cast(cast({{0}} as date) as {{R}}) + make_dt_interval(0, {since})"
        )
        for part, since in {"hour": "hour({0})", "minute": "hour({0}), minute({0})"}.items()
    ),
    Entry("date_diff('day', _0, _1)", "date,date", "cast(datediff({1}, {0}) as bigint)"),
    Entry("_0 - _1", "date,date", "cast(datediff({0}, {1}) as bigint)"),
    Entry("_0 + _1", "date,int", "date_add({0}, cast({1} as int))"),
    Entry("_0 - _1", "date,int", "date_sub({0}, cast({1} as int))"),
    *(Entry(f"_0 {sign} _1", "date,iv ts,iv", f"cast({{0}} as timestamp_ntz) {sign} {{1}}") for sign in "+-"),
    Entry("last_day(_0)", "date", "last_day({0})"),
    Entry("strftime(_0, '%Y-%m-%d')", "date ts", "date_format({0}, 'yyyy-MM-dd')"),
    Entry("strftime(_0, '%Y-%m')", "date ts", "date_format({0}, 'yyyy-MM')"),
]

AGGREGATES = [
    Entry("count(*)", "", "count(1){W}"),
    Entry("count(_0)", f"{_PLAIN} huge flt tz", "count({0}){W}"),
    Entry("count(distinct _0)", f"{_PLAIN} huge", "count(distinct {0}){W}", in_window=False),
    *(Entry(f"{name}(_0)", f"{_PLAIN} huge flt tz", f"{name}({{0}}){{W}}") for name in ("min", "max")),
    Entry("sum(_0)", "int huge", "sum(cast({0} as decimal(38,0))){W}"),
    Entry("sum(_0)", "dec", "cast(sum(cast({0} as {R})){W} as {R})"),
    Entry("sum(_0)", "flt", "sum({0}){W}", is_rounded=True),
    Entry("avg(_0)", "flt", "avg({0}){W}", is_rounded=True),
    Entry(
        "avg(_0)",
        "int",
        "cast(sum(cast({0} as decimal(38,0))){W} as double) / nullif(count({0}){W}, 0)",
        is_rounded=True,
    ),
    Entry(
        "avg(_0)",
        "dec",
        "cast(sum(cast({0} as {S})){W} as double) / nullif(count({0}){W}, 0)",
        is_rounded=True,
    ),
    Entry("bool_and(_0)", "bool", "bool_and({0}){W}", in_window=False),
    Entry("bool_or(_0)", "bool", "bool_or({0}){W}", in_window=False),
    *(
        Entry(
            f"quantile_cont(_0, {p})",
            "int flt",
            f"percentile({{0}}, {p}e0){{W}}",
            is_rounded=True,
            in_window=False,
        )
        for p in ("0.25", "0.5", "0.75", "0.9", "0.95", "0.99")
    ),
    Entry("median(_0)", "int flt", "percentile({0}, 0.5e0){W}", is_rounded=True, in_window=False),
]

#: Nothing of these is without a window.
WINDOWS = [
    *(
        Entry(f"{name}()", "", f"cast({name}(){{W}} as bigint)", alone=False, in_frame=False)
        for name in ("row_number", "rank", "dense_rank")
    ),
    *(
        Entry(f"{name}(_0)", f"{_PLAIN} huge flt tz", f"{name}({{0}}){{W}}", alone=False, in_frame=False)
        for name in ("lag", "lead")
    ),
    *(
        Entry(
            f"{name}(_0, '#1')",
            f"{_PLAIN} huge flt tz",
            f"{name}({{0}}, {{#1}}){{W}}",
            alone=False,
            in_frame=False,
        )
        for name in ("lag", "lead")
    ),
    *(
        Entry(f"{name}(_0)", f"{_PLAIN} huge flt tz", f"{name}({{0}}){{W}}", alone=False)
        for name in ("first_value", "last_value")
    ),
]

#: All of them.
ENTRIES: list[Entry] = [*ARITHMETIC, *LOGIC, *TEXT, *TIME, *AGGREGATES, *WINDOWS]
