"""Numbers that are not written plainly: with a sign behind, in brackets, with a unit, as percent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from etl.sources.sniff import reading
from etl.sources.sniff.notation import Cells, Notation

#: What stands around the digits of a number, in this order.
_NUMBER = re.compile(
    r"(?P<open>\()?(?P<before>[A-Z]{3}|[^\W\d_]{0,3}[$€£¥₹₽₺]|[$€£¥₹₽₺])?\s?(?P<sign>[-+\u2212]?)"
    r"\s?(?P<lead>[$€£¥₹₽₺]?)\s?(?P<core>[\d.,'\u2019\u00a0\u202f ]*\d)"
    r"\s?(?P<percent>%?)(?P<behind>-?)\s?(?P<unit>[^\W\d_]{1,4}/?[^\W\d_]{0,4}[²³23]?|[$€£¥₹₽₺°]\w?)?\s?(?P<close>\))?"
)
_CURRENCY = re.compile(r"[^\W\d_]{0,3}[$€£¥₹₽₺]|[$€£¥₹₽₺]")
_UNITS = frozenset(
    (
        *("EUR", "USD", "GBP", "CHF", "JPY", "CNY", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "CAD", "AUD", "INR"),
        *("mg", "g", "kg", "t", "lb", "oz", "mm", "cm", "m", "km", "mi", "ft", "in", "m2", "m²", "m3", "m³", "ha"),
        *("ml", "cl", "l", "L", "hl", "ms", "s", "sec", "min", "h", "hrs", "std", "Std", "d", "kWh", "MWh", "Wh"),
        *(
            "W",
            "kW",
            "MW",
            "V",
            "A",
            "Hz",
            "kHz",
            "MHz",
            "GHz",
            "hPa",
            "kPa",
            "bar",
            "°C",
            "°F",
            "°",
            "km/h",
            "m/s",
        ),
        *("B", "kB", "KB", "MB", "GB", "TB", "pcs", "Stk", "St", "DR", "CR", "Dr", "Cr"),
    )
)
_SIGNS = {"CR": "+", "DR": "-", "Cr": "+", "Dr": "-"}


@dataclass(frozen=True)
class _Parts:
    core: str
    units: tuple[str, ...]
    is_percent: bool
    negative: str


def numeral(cells: Cells, notation: Notation) -> tuple[Cells, Notation, dict[str, object]] | None:
    """Return a column's bare numbers, and the metadata that says what stands around them; or None."""
    parts = {text: _parts(text) for text in cells.values}
    found = {text: part for text, part in parts.items() if part is not None}
    if len(found) < len(parts) or not found:
        return None
    metadata = _declared(list(found.values()))
    bare = Cells(nulls=cells.nulls.copy())
    for text, part in found.items():
        bare.values[f"{'-' * bool(part.negative)}{part.core}"] += cells.values[text]
    for own, marks in _marks(notation):
        if metadata is not None and own.type_of(bare) in ("int", "float"):
            return bare, own, {"number": metadata, **marks}
    return None


def _declared(parts: list[_Parts]) -> dict[str, object] | None:
    """Return what `number` says of all; None if that is nothing, or more than one unit."""
    units = sorted({unit for part in parts for unit in part.units})
    negative = sorted({part.negative for part in parts} - {"", "before"})
    percents = {part.is_percent for part in parts}
    if len(percents) > 1 or len({_SAME.get(unit, unit) for unit in units}) > 1:
        return None
    declared: dict[str, object] = {}
    if units and all(unit in _SIGNS for unit in units):
        declared["signs"] = {unit: _SIGNS[unit] for unit in units}
    elif units:
        declared["units"] = units
    if negative:
        declared["negative"] = negative if len(negative) > 1 else negative[0]
    if True in percents:
        declared["percent"] = True
    return declared or None


#: Units that are the same, and both signs of an account.
_SAME = {"€": "EUR", "$": "USD", "US$": "USD", "£": "GBP", "¥": "JPY", "CR": "DR", "Cr": "DR", "Dr": "DR"}


def _parts(text: str) -> _Parts | None:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or bool(match["open"]) != bool(match["close"]) or (match["sign"] and match["behind"]):
        return None
    units = tuple(unit for unit in (match["before"], match["lead"], match["unit"]) if unit)
    is_house = any(unit not in _UNITS and not _CURRENCY.fullmatch(unit) for unit in units)
    if is_house or any(map(reading.is_padded, re.split(r"\D", match["core"])[:1])):
        return None  # a code, or the number of a house, is no amount
    sign = "before" if match["sign"] in ("-", "\u2212") else ""
    negative = "brackets" if match["open"] else "after" if match["behind"] else sign
    return _Parts(match["core"], units, bool(match["percent"]), negative)


def _marks(notation: Notation) -> Iterator[tuple[Notation, dict[str, object]]]:
    yield notation, {}
    for decimal, thousands in reading.NUMBER_STYLES:
        marks: dict[str, object] = {"decimal": decimal, "thousands": thousands or None}
        if not notation.thousands and not thousands:
            del marks["thousands"]
        yield replace(notation, decimal=decimal, thousands=thousands), marks
