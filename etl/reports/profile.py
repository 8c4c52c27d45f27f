"""What is told of a profile: as data for programs, and drawn with bars that any terminal has room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from etl.errors import ConfigError, counted, printable, unknown
from etl.ledger import Ledger
from etl.ledger.keys import load_key, transform_key
from etl.ledger.profiles import Profile, Profiles
from etl.reports.chart import share_of

#: The signs of a small bar, by its height.
_HEIGHTS = "▁▂▃▄▅▆▇█"
#: So many bars are drawn, and so wide is a whole one.
_BINS, _WIDTH = 10, 24
#: So many earlier parts are shown.
_PAST = 14
_LONGEST = 20


def newest(ledger: Ledger, table: str) -> list[Profile]:
    """Return the profiles of the newest part of a table: that of its rows, and those of its columns, by name.

    Raises ConfigError for a table that has none: why, or the closest name.
    """
    store, name = Profiles(ledger), table.lower()
    if found := store.newest(name):
        return sorted(found, key=lambda profile: profile.column_name)
    known = {part.table_name for part in store.noted()}
    receipt = ledger.receipt(load_key(name.removeprefix("raw."))) or ledger.receipt(transform_key(name))
    if receipt and receipt.details.get("rows") == 0:
        raise ConfigError(f"{table} has no profile, since it has no rows yet.")
    if receipt:
        raise ConfigError(
            f"{table} has no profile. A table has one once a night has built it with profiled_parts above 0. A "
            "view has no rows of its own: ask for the tables that it reads."
        )
    if not known:
        raise ConfigError("No table has a profile yet. The next night that has something to do takes them.")
    raise ConfigError(unknown(f"There is no profile of {table}", name, known))


def past(ledger: Ledger, table: str, column: str) -> list[Profile]:
    """Return the profiles of a column in all parts of a table, oldest first.

    Raises ConfigError with the closest name for a column that has none.
    """
    names = {profile.column_name.lower(): profile.column_name for profile in newest(ledger, table)[1:]}
    if column.lower() not in names:
        raise ConfigError(unknown(f"There is no profile of a column {column} of {table}", column.lower(), names))
    return Profiles(ledger).trend(table.lower(), names[column.lower()])


def as_data(profile: Profile) -> dict[str, Any]:
    """Return a profile as plain data, without what its column has none of."""
    found = {name: value for name, value in asdict(profile).items() if value not in (None, (), [], {})}
    return {**found, "top": dict(profile.top)} if profile.top else found


def spark(numbers: Sequence[float | None], least: float | None = None) -> str:
    """Return one sign for each number, the higher the greater it is, from the `least` one on; a dot for none."""
    known = [number for number in numbers if number is not None]
    low = min(known, default=0) if least is None else least
    high = max(known, default=low)
    if low == high:
        return "".join("·" if n is None else _HEIGHTS[3] for n in numbers)
    return "".join("·" if n is None else _HEIGHTS[round(share_of(n, low, high) * 7)] for n in numbers)


def shape(profile: Profile) -> str:
    """Return how values are spread, one sign for each tenth of the range of numbers, or for each top value."""
    return spark([share for _, share in _bars(profile)], least=0)


def overview(
    profiles: Sequence[Profile], trends: dict[str, Sequence[float | None]]
) -> tuple[list[str], list[list[str]]]:
    """Return the names and rows of a table of columns: what each holds, how it is spread, and how it went."""
    names = ["column", "nulls", "distinct", "min", "max", "spread", "trend"]
    rows = [
        [
            profile.column_name,
            _percent(_null_share(profile)),
            f"{profile.approx_distinct or 0:,}",
            _short(profile.min),
            _short(profile.max),
            shape(profile),
            spark(trends.get(profile.column_name, [])),
        ]
        for profile in profiles
    ]
    return names, rows


def trend_of(profiles: Sequence[Profile]) -> list[float | None]:
    """Return what is drawn of a column's past: its means, or where it has none the shares of nulls."""
    newest = profiles[-_PAST:]
    is_number = any(profile.mean is not None for profile in newest)
    return [profile.mean if is_number else _null_share(profile) for profile in newest]


def lines(profiles: Sequence[Profile]) -> Iterator[str]:
    """Yield what is told of one column: its newest facts, how its values are spread, and how it was before."""
    newest = profiles[-1]
    part = f"partition {newest.partition}" if newest.partition else f"night of {newest.batch_date}"
    yield f"{newest.table_name}.{newest.column_name}, {part}: {counted(newest.rows, 'row')}"
    yield from (f"  {name:<9} {text}" for name, text in _facts(newest))
    if bars := _bars(newest):
        values = newest.rows - (newest.nulls or 0) - (newest.not_finite or 0)
        of = f"{newest.sampled or 0:,} sampled values" if newest.sampled != values else "all values"
        yield f"  spread of {of}:"
        most = max(share for _, share in bars) or 1
        width = max(len(_short(name)) for name, _ in bars)
        for name, share in bars:
            bar = "█" * round(share / most * _WIDTH)
            yield f"    {_short(name):>{width}}  {_percent(share):>6} {bar}".rstrip()
    if len(profiles) > 1:
        yield f"  the last {min(len(profiles), _PAST)}, {'mean' if newest.mean is not None else 'nulls'}:"
        earlier, numbers = profiles[-_PAST:], trend_of(profiles)
        for profile, sign, number in zip(earlier, spark(numbers), numbers, strict=True):
            said = _number(number) if newest.mean is not None else _percent(number or 0)
            yield f"    {profile.day or 'no date':<10}  {sign}  {said:>12}  {profile.rows:>12,} rows"


def _facts(profile: Profile) -> Iterator[tuple[str, str]]:
    yield "nulls", f"{profile.nulls or 0:,} ({_percent(_null_share(profile))})"
    yield "distinct", f"about {profile.approx_distinct or 0:,}"
    if profile.not_finite:
        yield "NaN, inf", f"{profile.not_finite:,}"
    if profile.min is not None:
        yield "min", _short(profile.min, 2 * _LONGEST)
        yield "max", _short(profile.max, 2 * _LONGEST)
    if profile.mean is not None:
        yield "mean", _number(profile.mean)
    if profile.std is not None:
        yield "std", _number(profile.std)
    if len(profile.quantiles) == 21:
        steps = (5, 10, 15) if _is_numeric(profile) else (10,)
        name = "quartiles" if len(steps) > 1 else "median"
        yield name, ", ".join(_number(profile.quantiles[step]) for step in steps)
    if profile.lengths:
        yield (
            "lengths",
            f"{_number(profile.lengths[0])} to {_number(profile.lengths[2])}, mean {_number(profile.lengths[1])}",
        )


def _is_numeric(profile: Profile) -> bool:
    return bool(profile.quantiles) and all(isinstance(value, int | float) for value in profile.quantiles)


def _bars(profile: Profile) -> list[tuple[str, float]]:
    """Return the shares of numbers in ten bins of the same width, or those of the top values."""
    values = profile.quantiles
    if not _is_numeric(profile):
        return list(profile.top)[:_BINS]
    low, high = float(values[0]), float(values[-1])
    if low == high:
        return [(_number(low), 1.0)]
    # neither the range of doubles nor a part of it need be a double
    edges = [low * (1 - step / _BINS) + high * (step / _BINS) for step in range(1, _BINS + 1)]
    below = [_share_up_to(values, edge) for edge in edges[:-1]] + [1.0]
    shares = [share - before for share, before in zip(below, [0.0, *below], strict=False)]
    return [(f"up to {_number(edge)}", share) for edge, share in zip(edges, shares, strict=True)]


def _share_up_to(quantiles: Sequence[float], edge: float) -> float:
    """Return the share of values up to an edge, which grows evenly between two quantiles."""
    number = sum(value <= edge for value in quantiles)
    if number in (0, len(quantiles)):
        return float(number > 0)
    scale = max(abs(edge), abs(quantiles[number - 1]), abs(quantiles[number]))
    edge, before, after = (value / scale for value in (edge, quantiles[number - 1], quantiles[number]))
    part = (edge - before) / (after - before) if after > before else 0
    return (number - 1 + part) / (len(quantiles) - 1)


def _null_share(profile: Profile) -> float:
    return (profile.nulls or 0) / profile.rows if profile.rows else 0.0


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        return _short(value)
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.4g}"


def _short(text: str | None, longest: int = _LONGEST) -> str:
    # escaped first, so that a value of somebody takes one line, and no more room than it is given
    text = printable(text or "")
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
