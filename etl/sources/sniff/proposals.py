"""Spellings that the texts of one column show: proposed if what reads them reads every text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from etl.contract.contract import Column
from etl.contract.metadata import column_facts
from etl.contract.moments import MONTHS, month_of, months_of
from etl.contract.numeral_sql import spelled
from etl.contract.parse import value
from etl.contract.spelling import column_values
from etl.contract.values import Values
from etl.sources.sniff import reading
from etl.sources.sniff.notation import LAST_OF_TWO_DIGITS

#: Texts of one currency each, which may stand before a number: a column that has two of them has two things.
_CURRENCIES = (
    *({"€", "EUR"}, {"$", "USD", "US$"}, {"£", "GBP"}, {"¥", "JPY"}, {"CHF", "Fr.", "SFr."}, {"zł", "PLN"}),
    *({"Kč", "CZK"}, {"kr", "kr.", "SEK"}, {"NOK"}, {"DKK"}, {"₹", "Rs.", "Rs", "INR"}, {"R$", "BRL"}),
    *(
        {"CA$", "CAD"},
        {"A$", "AUD"},
        {"₺", "TRY", "TL"},
        {"₽", "RUB"},
        {"₩", "KRW"},
        {"CNY", "RMB"},
        {"HUF", "Ft"},
    ),
)
#: Texts of one unit each, which stand behind every number of a column, or are no unit.
_UNITS = (
    *({"kg"}, {"g"}, {"mg"}, {"t"}, {"km"}, {"m"}, {"cm"}, {"mm"}, {"m²", "m2", "qm"}, {"m³", "m3"}, {"ha"}),
    *({"l", "L"}, {"ml"}, {"kWh"}, {"MWh"}, {"kW"}, {"MW"}, {"°C"}, {"°F"}, {"ms"}, {"min"}, {"h"}, {"km/h"}),
    *({"Stk", "Stk.", "Stück", "St."}, {"pcs", "pcs."}, {"bar"}, {"hPa"}, {"Hz"}, {"lb", "lbs"}),
    *(
        {"oz"},
        {"mi"},
        {"ft"},
        {"in"},
        {"cl"},
        {"hl"},
        {"s", "sec"},
        {"hrs"},
        {"Std", "std"},
        {"Wh"},
        {"kPa"},
        {"m/s"},
    ),
    *({"kHz"}, {"MHz"}, {"GHz"}, {"kB", "KB"}, {"MB"}, {"GB"}, {"TB"}, {"°"}),
)
_SIGN_WORDS = ({"CR": "+", "DR": "-"}, {"Cr": "+", "Dr": "-"}, {"H": "+", "S": "-"})
#: What statistics offices write behind numbers that are provisional, estimated, revised, ...
_FLAGS = {*"bcdefnprsuz", "*", "**", "†", "(e)", "(p)", "(r)", "(b)", "(d)", "(s)", "(u)"}
_BLANKS = " \u00a0\u202f"
_PARTS = re.compile(
    rf"(?P<before>\D*?)(?P<core>[.,]?\d(?:[\d.,'\u2019{_BLANKS}]*\d)?[.,]?)(?P<behind>\D?.*)", re.DOTALL
)
_INDIAN = re.compile(r"(?<!\d)\d{1,2}([,.])\d{2}\1\d{2,3}(?!\d)")
_TIME = re.compile(r"time|stamp|date|_at$|created|updated|modified|^ts$|datum|fecha|zeit", re.IGNORECASE)
#: What counts since 1970 from 2001 to 2065 have before their other digits, by how many digits they have.
_EPOCHS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}
#: A spreadsheet's numbers of the days from 1982 to 2064.
_DAY = re.compile(r"date|datum|fecha|(?:^|_)(?:day|tag|jour)(?:$|_)", re.IGNORECASE)
_SERIALS = (30_000, 60_000)
_MOST_TEXTS = 20_000
_MOST_FORMATS = 3


class Proposal(NamedTuple):
    """The metadata of a column, and each text as it would be in plain spelling."""

    metadata: dict[str, Any]
    plain: Mapping[str, str]


def proposed_number(texts: Iterable[str], decimal: str = ".", thousands: str = "") -> Proposal | None:
    """Return how numbers are spelled, in a file that has these marks; None if they are not numbers all of them."""
    found = list(dict.fromkeys(texts))
    parts = [_PARTS.fullmatch(text) for text in found]
    if not found or len(found) > _MOST_TEXTS:
        return None
    if None in parts or re.search(r"\d[A-R{}]$|[{}]$", found[0]):
        return _overpunched(found)
    cores = [match["core"] for match in parts if match]
    said = _said([match for match in parts if match])
    # codes have zeros in front, which numbers lose
    if said is None or any(map(reading.is_padded, cores)):
        return None
    for metadata in _numbers(said, cores, decimal, thousands):
        plain = _plain_numbers(found, metadata, Values(decimal=decimal, thousands=thousands))
        if plain:
            return Proposal(metadata, plain)
    return None


def proposed_dates(texts: Iterable[str], name: str = "") -> Proposal | None:
    """Return how dates are spelled, in a column of a name; None if they are not dates all of them."""
    found = list(dict.fromkeys(texts))
    if not found or len(found) > _MOST_TEXTS:
        return None
    for type, metadata in [*_counts(found, name), *_named(found), *_several(found)]:
        if plain := _plain_moments(found, type, metadata):
            return Proposal(metadata, plain)
    return None


def _said(parts: Sequence[re.Match[str]]) -> dict[str, Any] | None:
    """Return what stands around the digits as a declaration; None if that is not known."""
    negative, before, behind, percents = set(), [], [], 0
    for match in parts:
        around = (match["before"].strip(_BLANKS), match["behind"].strip(_BLANKS))
        if around[0].count("(") and around[1].count(")"):
            negative.add("brackets")
        if re.match("[-\u2212]|.*[-\u2212]$", around[1]):
            negative.add("after")
        if "\u2212" in around[0]:
            negative.add("before")
        bare = [text if text in _FLAGS else re.sub("[-+\u2212()]", "", text).strip(_BLANKS) for text in around]
        percents += "%" in bare
        before.append(bare[0].replace("%", ""))
        behind.append(bare[1].replace("%", ""))
    if 0 < percents < len(parts):
        return None
    said: dict[str, Any] = {}
    if negative:
        said["negative"] = sorted(negative) if len(negative) > 1 else negative.pop()
    if percents:
        said["percent"] = True
    words = _words(before, behind, [match["core"] for match in parts])
    return None if words is None or (percents and words) else words | said


def _words(before: Sequence[str], behind: Sequence[str], cores: Sequence[str]) -> dict[str, Any] | None:
    """Return units, signs or flags among the texts before and behind numbers; None if they are none of these."""
    first, last = set(before) - {""}, set(behind) - {""}
    has_decimals = any(re.search(r"[.,]\d{1,2}$", core) for core in cores)
    if not first and not last:
        return {}
    if any(first | last <= unit for unit in _CURRENCIES):
        return {"units": sorted(first | last)}
    if not first and any(last <= unit for unit in _UNITS) and "" not in behind:
        return {"units": sorted(last)}
    if first or not has_decimals:
        return None
    for signs in _SIGN_WORDS:
        for units in ({*()}, *_CURRENCIES):
            words = {
                text.removesuffix(sign).strip(_BLANKS) for text in last for sign in signs if text.endswith(sign)
            }
            is_all = all(any(text.endswith(sign) for sign in signs) or text in units for text in last)
            if is_all and words - {""} <= units:
                found = sorted(words - {""} | last & units)
                return {"signs": dict(signs), **({"units": found} if found else {})}
    return {"flags": sorted(last)} if last <= _FLAGS and "" in behind else None


def _numbers(said: dict[str, Any], cores: Sequence[str], decimal: str, thousands: str) -> Iterator[dict[str, Any]]:
    """Yield declarations to try, the file's own marks first."""
    marks = [mark for mark in "'\u2019" if any(mark in core for core in cores)]
    marks += [" "] if any(set(core) & set(_BLANKS) for core in cores) else []
    groups: list[dict[str, Any]] = [{}, *([{"group_marks": marks}] if marks else [])]
    groups += [{"groups": "indian"}] if any(_INDIAN.search(core) for core in cores) else []
    styles = [(decimal, thousands), *(style for style in reading.NUMBER_STYLES if style != (decimal, thousands))]
    for own in styles:
        metadata: dict[str, Any] = {}
        if own != (decimal, thousands):
            metadata = {"decimal": own[0]} | ({"thousands": own[1] or None} if own[1] != thousands else {})
        for group in groups:
            if number := {**said, **group}:
                yield {"number": number, **metadata}
    if not said.keys() - {"percent"} and {",", "."} <= set("".join(cores)):
        yield {"number": {**said, "either_mark": True}}


def _overpunched(texts: Sequence[str]) -> Proposal | None:
    """Return numbers whose last digit carries the sign, if one of them is a zero: codes end in letters too."""
    if not any(text.endswith(("{", "}")) for text in texts):
        return None
    metadata = {"number": {"overpunch": "ebcdic"}}
    plain = _plain_numbers(texts, metadata, Values())
    return Proposal(metadata, plain) if plain else None


def _counts(texts: Sequence[str], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the formats of counts of seconds or days, by the column's name and their size."""
    if not all(re.fullmatch(r"\d+(\.\d+)?", text) for text in texts):
        return
    digits = {len(text.partition(".")[0]) for text in texts}
    format = _EPOCHS.get(next(iter(digits))) if len(digits) == 1 else None
    if format and _TIME.search(name) and all(text[0] in "12" for text in texts):
        yield "TIMESTAMP WITH TIME ZONE", {"format": format}
    if _DAY.search(name) and all(_SERIALS[0] <= float(text) <= _SERIALS[1] for text in texts):
        yield from (("DATE", {"format": "excel_1900"}), ("TIMESTAMP", {"format": "excel_1900"}))


def _named(texts: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the formats of dates with names of months, in the languages that have all of these."""
    if not all(re.search(r"[^\W\d_]", text) and re.search(r"\d", text) for text in texts):
        return
    for language in ("en", *(other for other in MONTHS if other != "en")):
        months = months_of(language)
        found = [month_of(text, months) for text in texts]
        if None in found:
            continue
        formats = dict.fromkeys(_format(*parts) for parts in found if parts)
        years: dict[str, Any] = {"two_digit_years_until": LAST_OF_TWO_DIGITS}
        if len(formats) <= 2:
            told = list(formats)
            said = {"format": told[0] if len(told) == 1 else told, "months": language}
            yield "DATE", said | (years if any("%y" in one for one in told) else {})


def _format(before: str, behind: str) -> str:
    """Return the format of a date from what stands around its month."""
    before, behind = (text.replace("%", "%%") for text in (before, behind))
    if re.search(r"\d{4}", before):
        return re.sub(r"\d{1,2}", "%d", re.sub(r"\d{4}", "%Y", before)) + "%B" + re.sub(r"\d{1,2}", "%d", behind)
    year = re.search(r"\d{4}", behind)
    behind = re.sub(r"\d{4}", "%Y", behind) if year else re.sub(r"\d{2}$", "%y", behind)
    return re.sub(r"\d{1,2}", "%d", before) + "%B" + re.sub(r"(?<!\d)\d{1,2}", "%d", behind)


def _several(texts: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the fewest formats of which each text has one, and that differ about none."""
    for type, formats, reader in (
        ("DATE", reading.DATE_FORMATS, reading.day),
        ("TIMESTAMP", reading.TIMESTAMP_FORMATS, reading.instant),
    ):
        others = [one for one in formats if not one.startswith("%Y-%m-%d") and "%y" not in one]
        read = {"iso": reader(""), **{one: reader(one) for one in others}}
        fitting = [one for one in read if any(map(read[one], texts))]
        for number in range(2, _MOST_FORMATS + 1):
            found = {}
            for chosen in combinations(fitting, number):
                values = [{str(day)[:19] for one in chosen if (day := read[one](text))} for text in texts]
                if all(len({value[:10] for value in day}) == 1 for day in values):
                    found[chosen] = tuple(map(min, values))
            # of two choices that differ, either may be meant
            if len({tuple(day[:10] for day in days) for days in found.values()}) == 1:
                yield type, {"format": list(next(iter(found)))}
            if found:
                break


def _plain_numbers(texts: Sequence[str], metadata: dict[str, Any], sender: Values) -> dict[str, str]:
    column, values = _column("DOUBLE", metadata), column_values(_column("DOUBLE", metadata), sender)
    found = _asked(
        f"case when {value('x', column, sender)} is not null then "
        f"{spelled('x', column.number, column.type, values)} end",
        texts,
    )
    # overpunched digits have zeros in front, and are no code
    return {text: re.sub(r"^(-?)0+(?=\d)", r"\1", plain) for text, plain in found.items()}


def _plain_moments(texts: Sequence[str], type: str, metadata: dict[str, Any]) -> dict[str, str]:
    column = _column(type, metadata)
    sql = value("x", column, Values())
    return _asked(f"({sql})::varchar || 'Z'" if "ZONE" in type else f"({sql})::varchar", texts, utc="ZONE" in type)


def _column(type: str, metadata: dict[str, Any]) -> Column:
    return Column("x", type, True, **column_facts(metadata, "x", type))


def _asked(sql: str, texts: Sequence[str], utc: bool = False) -> dict[str, str]:
    """Return what an expression of `x` makes of texts; nothing if one of them is null then."""
    import duckdb

    with duckdb.connect(":memory:", config={"threads": "1"}) as con:
        con.execute("set TimeZone = 'UTC'")
        rows = con.execute(
            f"select {sql} from (select unnest(?::varchar[]) as x)", [[str(t) for t in texts]]
        ).fetchall()
    found = [row[0] for row in rows]
    if None in found:
        return {}
    return {text: plain.replace("+00Z", "Z") if utc else plain for text, plain in zip(texts, found, strict=True)}
