"""Dates that are not written in one plain format: in several, with names of months."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import combinations

from etl.contract.moments import MONTHS
from etl.sources.sniff import reading
from etl.sources.sniff.notation import LAST_OF_TWO_DIGITS, Cells, Notation

_NAMED = ("%d. %B %Y", "%d %B %Y", "%B %d, %Y", "%d-%B-%Y", "%B %Y", "%d-%b-%y", "%d %B %y", "%b %d %Y")
_MOST_FORMATS = 3
_DAY = re.compile(r"date|datum|fecha|(?:^|_)(?:day|tag|jour)(?:$|_)", re.IGNORECASE)
_TIME = re.compile(r"time|stamp|date|_at$|created|updated|^ts$", re.IGNORECASE)
#: Excel's numbers of the days from 1982 to 2064, and seconds since 1970 from 2001 to 2065.
_SERIALS = (30_000, 60_000)
_SECONDS = (10**9, 3 * 10**9)
_ENGLISH = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)


def moment(cells: Cells, notation: Notation) -> tuple[Cells, Notation, dict[str, object]] | None:
    """Return a column's dates in ISO 8601, and the metadata that says how they are written; or None."""
    texts = list(cells.values)
    for metadata, read in _ways(texts):
        found = {text: read(text) for text in texts}
        if all(found.values()):
            dates = Cells(nulls=cells.nulls.copy())
            for text, day in found.items():
                dates.values[str(day)] += cells.values[text]
            return dates, Notation(), metadata
    return None


def counted(name: str, cells: Cells) -> tuple[str, str] | None:
    """Return the type and the format of whole numbers that count seconds or days, by their name and their size."""
    texts = [text for text in cells.values if text.isascii() and text.isdecimal()]
    if len(texts) < len(cells.values) or not texts:
        return None
    values = [int(text) for text in texts]
    for format, unit in (("epoch_s", 1), ("epoch_ms", 1000)):
        if _TIME.search(name) and all(_SECONDS[0] * unit <= value <= _SECONDS[1] * unit for value in values):
            return "zoned", format
    is_serial = _DAY.search(name) and all(_SERIALS[0] <= value <= _SERIALS[1] for value in values)
    return ("date", "excel_1900") if is_serial else None


def _ways(texts: list[str]) -> Iterator[tuple[dict[str, object], reading.Reader]]:
    if any(any(map(str.isalpha, text)) for text in texts):
        for language in ("en", *MONTHS):
            for format in _NAMED[:4]:
                yield {"format": format, "months": language}, _named(language, format)
        return
    fitting = [f for f in ("", *reading.DATE_FORMATS) if any(reading.day(f)(text) for text in texts)]
    for number in range(2, _MOST_FORMATS + 1):
        for formats in combinations(fitting, number):
            years = {"two_digit_years_until": LAST_OF_TWO_DIGITS} if any("%y" in f for f in formats) else {}
            yield {"format": [f or "iso" for f in formats], **years}, _one_of(formats)


def _one_of(formats: tuple[str, ...]) -> reading.Reader:
    def read(text: str) -> str:
        days = {str(day)[:10] for format in formats if (day := reading.day(format)(text))}
        # a text that is two dates is none
        return days.pop() if len(days) == 1 else ""

    return read


def _named(language: str, format: str) -> reading.Reader:
    def read(text: str) -> str:
        word = re.search(r"[^\W\d_]+", text)
        month = _months(language).get(_bare(word[0])) if word else None
        if word is None or month is None:
            return ""
        rest = text[word.end() :].removeprefix(".")
        try:
            day = datetime.strptime(f"{text[: word.start()]}{_ENGLISH[month]}{rest}", format)
        except ValueError:
            return ""
        return str(day.date())

    return read


@cache
def _months(language: str) -> dict[str, int]:
    names = enumerate(MONTHS[language].split("|"))
    return {_bare(name): month for month, spellings in names for name in spellings.split()}


def _bare(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(char for char in plain if not unicodedata.combining(char))
