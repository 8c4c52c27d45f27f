"""A quick chart of a query's rows: bars or lines, as text for a terminal, or as SVG in a file of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape
from typing import Any

from etl.errors import ConfigError, printable

BAR, LINE = "bar", "line"
#: So many series are told apart.
_SERIES = 6
_PARTS = " ▏▎▍▌▋▊▉"
_MARKS = "*+xo#@"
_HEIGHT = 12
_LABEL = 24


@dataclass(frozen=True)
class Chart:
    """What is drawn: a label for each row, and one value of each series, None where there is none."""

    labels: Sequence[str]
    series: Sequence[tuple[str, Sequence[float | None]]]
    #: Where each row is from left to right; None if rows are as far from each other as they come.
    places: Sequence[float] | None = None


def chart_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Chart:
    """Return the chart of rows: the first column labels them, and each other column of numbers is a series.

    Raises ConfigError if there is no such column, or no row.
    """
    if not rows:
        raise ConfigError("The query has no rows to draw.")
    (_, label), *others = zip(names, zip(*rows, strict=True), strict=True)
    numeric = [(name, values) for name, values in others if _is_numeric(values)]
    if not numeric:
        raise ConfigError("A chart needs a column for the labels, and after it a column of numbers.")
    if len(numeric) > _SERIES:
        raise ConfigError(f"A chart has at most {_SERIES} series, and the query makes {len(numeric)}.")
    series = [(name, [_number(value) for value in values]) for name, values in numeric]
    places = [_place(value) for value in label]
    known = [place for place in places if place is not None]
    labels = ["" if value is None else printable(str(value)) for value in label]
    return Chart(labels, series, known if len(known) == len(places) else None)


def _is_numeric(values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in known)


def _number(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _place(value: Any) -> float | None:
    if isinstance(value, datetime):
        # what has no zone has no gap or overlap of hours either
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return float(value.toordinal())
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return _number(value) if is_number else None


def short(value: float) -> str:
    """Return a number as the edge of a chart has room for: 1.2 M."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 10 or (abs(value) >= size and letter != "k"):
            return f"{value / size:.3g} {letter}"
    return f"{value:.4g}"


def as_text(chart: Chart, kind: str, width: int, is_plain: bool) -> list[str]:
    """Return the lines of a chart, none of them wider than `width`; `is_plain` keeps to ASCII."""
    draw = _bars if kind == BAR else _lines
    return [line for lines in draw(chart, max(width, 20), is_plain) for line in lines]


def _bars(chart: Chart, width: int, is_plain: bool) -> list[list[str]]:
    blocks = []
    side = min(max(map(len, chart.labels)), _LABEL, width // 3)
    for name, values in chart.series:
        known = [value for value in values if value is not None]
        texts = ["" if value is None else f"{value:,.10g}" for value in values]
        figures = max(map(len, texts))
        room = max(width - side - figures - 2, 4)
        most = max((abs(value) for value in known), default=0) or 1
        lines = [name] if len(chart.series) > 1 else []
        for label, value, text in zip(chart.labels, values, texts, strict=True):
            bar = _bar(abs(value or 0) / most * room, is_plain)
            sign = "-" if value is not None and value < 0 else " "
            cut = label if len(label) <= side else label[: side - 1] + "~"
            lines.append(f"{cut:<{side}} {text:>{figures}}{sign}{bar}"[:width].rstrip())
        blocks.append([line[:width] for line in lines])
    return blocks


def _bar(length: float, is_plain: bool) -> str:
    if is_plain:
        return "#" * round(length)
    whole = int(length)
    return "█" * whole + _PARTS[int((length - whole) * 8)].strip()


def _lines(chart: Chart, width: int, is_plain: bool) -> list[list[str]]:
    known = [value for _, values in chart.series for value in values if value is not None]
    if not known:
        return [["nothing to draw"]]
    low, high = min(known), max(known)
    edge = max(len(short(low)), len(short(high)))
    room = max(width - edge - 2, 4)
    grid = [[" "] * room for _ in range(_HEIGHT)]
    across = _across(chart, room - 1)
    for mark, (_, values) in zip(_MARKS if is_plain or len(chart.series) > 1 else "•", chart.series, strict=False):
        for place, value in zip(across, values, strict=True):
            if value is not None:
                down = _HEIGHT - 1 - round(share_of(value, low, high) * (_HEIGHT - 1))
                grid[down][round(place)] = mark
    side = [short(high), *[""] * (_HEIGHT - 2), short(low)]
    border = "|" if is_plain else "│"
    lines = [f"{text:>{edge}} {border}{''.join(row)}".rstrip() for text, row in zip(side, grid, strict=True)]
    order = sorted(range(len(across)), key=across.__getitem__)
    first, last = chart.labels[order[0]][: room // 2], chart.labels[order[-1]][: room // 2]
    lines.append(" " * (edge + 2) + first + last.rjust(room - len(first)))
    if len(chart.series) > 1:
        legend = "  ".join(f"{mark} {name}" for mark, (name, _) in zip(_MARKS, chart.series, strict=False))
        lines.append(" " * (edge + 2) + legend[:room])
    return [[line[:width] for line in lines]]


def _across(chart: Chart, room: float) -> list[float]:
    """Return how far from the left each row is."""
    places = chart.places or [float(number) for number in range(len(chart.labels))]
    return [share_of(place, min(places), max(places)) * room for place in places]


def share_of(value: float, low: float, high: float) -> float:
    """Return how far a value is between two others, 0 to 1; half, if these are the same."""
    # the range of doubles is not one itself
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span > 0 else 0.5


_WIDTH, _TALL, _LEFT, _RIGHT, _TOP, _BOTTOM = 800, 400, 70, 20, 30, 60
_COLOURS = ("#1f6feb", "#c2410c", "#15803d", "#7c3aed", "#a16207", "#be185d")
_STYLE = (
    ":root{color-scheme:light dark}svg{font:12px sans-serif;background:Canvas;color:CanvasText}"
    "text{fill:currentColor}.grid{stroke:currentColor;stroke-opacity:.2}"
)


def as_svg(chart: Chart, kind: str) -> str:
    """Return a chart as an SVG document; it asks for nothing from elsewhere, and no text of the data is markup."""
    known = [value for _, values in chart.series for value in values if value is not None] or [0.0]
    low, high = (min(0.0, *known), max(0.0, *known)) if kind == BAR else (min(known), max(known))
    if low == high:
        low, high = low - 1, high + 1
    marks = [low * (1 - part / 4) + high * (part / 4) for part in range(5)]
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{_y(v, low, high)}" y2="{_y(v, low, high)}"/>'
        f'<text x="{_LEFT - 6}" y="{_y(v, low, high) + 4:.1f}" text-anchor="end">{short(v)}</text>'
        for v in marks
    ]
    parts += _svg_bars(chart, low, high) if kind == BAR else _svg_lines(chart, low, high)
    for number, (name, _) in enumerate(chart.series):
        left = _LEFT + number * 120
        parts.append(
            f'<rect x="{left}" y="8" width="10" height="10" fill="{_COLOURS[number]}"/>'
            f'<text x="{left + 14}" y="17">{escape(_cut(printable(name), 16))}</text>'
        )
    told = escape("; ".join(f"{name}: {short(min(known))} to {short(max(known))}" for name, _ in chart.series))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_TALL}" role="img" aria-label="{told}">'
        f"<title>{told}</title><style>{_STYLE}</style>{''.join(parts)}</svg>\n"
    )


def as_html(chart: Chart, kind: str) -> str:
    """Return a chart as a page of its own, with its figures as a table below."""
    names = "".join(f"<th>{escape(printable(name))}</th>" for name, _ in chart.series)
    rows = zip(chart.labels, *(values for _, values in chart.series), strict=True)
    cells = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{_figure(value)}</td>' for value in values)}</tr>"
        for label, *values in rows
    )
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width"><title>Chart</title>'
        "<style>:root{color-scheme:light dark;font:14px sans-serif}td{text-align:right}svg{max-width:60em}</style>"
        f"<main>{as_svg(chart, kind)}<table><tr><td></td>{names}</tr>{cells}</table></main></html>\n"
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.10g}"


def _y(value: float, low: float, high: float) -> float:
    return round(_TALL - _BOTTOM - share_of(value, low, high) * (_TALL - _TOP - _BOTTOM), 1)


def _svg_lines(chart: Chart, low: float, high: float) -> list[str]:
    across = [_LEFT + place for place in _across(chart, _WIDTH - _LEFT - _RIGHT)]
    found = []
    order = sorted(range(len(across)), key=across.__getitem__)
    for colour, (_, values) in zip(_COLOURS, chart.series, strict=False):
        points = [(across[n], value) for n in order if (value := values[n]) is not None]
        text = " ".join(f"{x:.1f},{_y(value, low, high)}" for x, value in points)
        found.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{text}"/>')
        if len(points) <= 60:
            found += [f'<circle cx="{x:.1f}" cy="{_y(v, low, high)}" r="3" fill="{colour}"/>' for x, v in points]
    return found + _svg_labels([(across[n], chart.labels[n]) for n in order])


def _svg_bars(chart: Chart, low: float, high: float) -> list[str]:
    room = (_WIDTH - _LEFT - _RIGHT) / len(chart.labels)
    wide = room * 0.8 / len(chart.series)
    found = []
    for number, (_, values) in enumerate(chart.series):
        for row, value in enumerate(values):
            if value is not None:
                top, foot = sorted((_y(value, low, high), _y(0, low, high)))
                left = _LEFT + room * (row + 0.1) + wide * number
                found.append(
                    f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{foot - top:.1f}" '
                    f'fill="{_COLOURS[number]}"/>'
                )
    return found + _svg_labels([(_LEFT + room * (n + 0.5), label) for n, label in enumerate(chart.labels)])


def _svg_labels(labels: Sequence[tuple[float, str]]) -> list[str]:
    """Return as many of the labels as there is room for."""
    step = max(1, math.ceil(len(labels) / 8))
    return [
        f'<text x="{x:.1f}" y="{_TALL - _BOTTOM + 18}" text-anchor="middle">{escape(_cut(label, 14))}</text>'
        for x, label in labels[::step]
    ]


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
