"""Dates and timestamps as senders spell them: several formats, names of months, counts since a day."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etl.contract.clocks import ZONED
from etl.contract.contract import Column
from etl.contract.spelling import formatted_moment, is_local
from etl.contract.values import Values
from etl.engine.quoting import literal
from etl.errors import unknown

#: The types of dates and timestamps.
MOMENTS = ("DATE", "TIMESTAMP", ZONED)
#: A format that is one of words: the way that DuckDB and ISO 8601 write.
ISO = "iso"


class _Epoch(NamedTuple):
    """A count since 1970 in UTC: how many decimals it may have, and what a microsecond is to it."""

    decimals: int
    microseconds: int


class _Serial(NamedTuple):
    """A count of days of a spreadsheet: the first it has, the first of all that count from `origin`, the last."""

    origin: str
    first: int
    last: int


_EPOCHS = {"epoch_s": _Epoch(6, 1_000_000), "epoch_ms": _Epoch(3, 1_000), "epoch_us": _Epoch(0, 1)}
_NANOSECONDS = "epoch_ns"
_SERIALS = {"excel_1900": _Serial("1899-12-30", 1, 2_958_465), "excel_1904": _Serial("1904-01-01", 0, 2_957_003)}
#: Formats that are no strptime format.
COUNTS = (*_EPOCHS, _NANOSECONDS, *_SERIALS)
WORDS = (ISO, *COUNTS)
_DAY_MICROSECONDS = 86_400_000_000
_DAY_MILLISECONDS = 86_400_000
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
#: The day that spreadsheets count and no calendar has, 29 February 1900.
_NO_DAY = 60
_ENGLISH = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
#: The months of a language: their names, and what they are cut to.
MONTHS: Mapping[str, str] = {
    "da": "januar jan|februar feb|marts mar|april apr|maj|juni jun|juli jul|august aug|september sep sept"
    "|oktober okt|november nov|december dec",
    "de": "Januar Jänner Jan Jän|Februar Feber Feb|März Maerz Mär Mrz|April Apr|Mai|Juni Jun|Juli Jul|August Aug"
    "|September Sep Sept|Oktober Okt|November Nov|Dezember Dez",
    "en": "January Jan|February Feb|March Mar|April Apr|May|June Jun|July Jul|August Aug|September Sep Sept"
    "|October Oct|November Nov|December Dec",
    "es": "enero ene|febrero feb|marzo mar|abril abr|mayo may|junio jun|julio jul|agosto ago"
    "|septiembre setiembre sep sept set|octubre oct|noviembre nov|diciembre dic",
    "fr": "janvier janv jan|février févr fév|mars|avril avr|mai|juin|juillet juil|août"
    "|septembre sept sep|octobre oct|novembre nov|décembre déc",
    "it": "gennaio gen|febbraio feb|marzo mar|aprile apr|maggio mag|giugno giu|luglio lug|agosto ago"
    "|settembre set sett|ottobre ott|novembre nov|dicembre dic",
    "nb": "januar jan|februar feb|mars mar|april apr|mai|juni jun|juli jul|august aug|september sep sept"
    "|oktober okt|november nov|desember des",
    "nl": "januari jan|februari feb febr|maart mrt maa|april apr|mei|juni jun|juli jul|augustus aug"
    "|september sep sept|oktober okt|november nov|december dec",
    "pl": "stycznia styczeń sty|lutego luty lut|marca marzec mar|kwietnia kwiecień kwi|maja maj"
    "|czerwca czerwiec cze|lipca lipiec lip|sierpnia sierpień sie|września wrzesień wrz"
    "|października październik paź|listopada listopad lis|grudnia grudzień gru",
    "pt": "janeiro jan|fevereiro fev|março mar|abril abr|maio mai|junho jun|julho jul|agosto ago|setembro set"
    "|outubro out|novembro nov|dezembro dez",
    "sv": "januari jan|februari feb febr|mars mar|april apr|maj|juni jun|juli jul|augusti aug|september sep sept"
    "|oktober okt|november nov|december dec",
}


@dataclass(frozen=True, kw_only=True)
class Moments:
    """How dates or timestamps are written: in one of `formats`, ISO 8601 if there are none."""

    formats: tuple[str, ...] = ()
    #: The names of each of the twelve months; empty for English ones.
    months: tuple[tuple[str, ...], ...] = ()
    #: The last of the hundred years that %y stands for.
    until: int | None = None

    @property
    def has_local(self) -> bool:
        """Whether a text may be a local time, of no time zone."""
        return not self.formats or any(map(is_local, self.formats))

    def local(self) -> Moments:
        """Return the formats of local times alone."""
        return Moments(formats=tuple(filter(is_local, self.formats)), months=self.months, until=self.until)

    def zoned(self) -> Moments:
        """Return the formats of instants alone, and that of ISO 8601, which may have an offset."""
        formats = tuple(one for one in self.formats if one == ISO or not is_local(one))
        return Moments(formats=formats, months=self.months, until=self.until)


def moments_of(column: Column, values: Values) -> Moments:
    """Return how a column's dates or timestamps are written: as it says itself, else as its sender writes all."""
    sender = values.date_format if column.type == "DATE" else values.timestamp_format
    formats = column.formats or tuple(filter(None, [column.format or sender]))
    until = column.two_digit_years_until or values.two_digit_years_until
    return Moments(formats=() if formats == (ISO,) else formats, months=column.months, until=until)


def months_of(given: object) -> tuple[tuple[str, ...], ...]:
    """Return the names of the months of a language, or those that are given; ValueError if they are not twelve."""
    if isinstance(given, str):
        if given not in MONTHS:
            raise ValueError(
                unknown(
                    f"metadata 'months' has no language {given!r}",
                    given,
                    MONTHS,
                    f"Write one of {', '.join(MONTHS)}, or a list of the twelve names",
                )
            )
        return tuple(tuple(names.split()) for names in MONTHS[given].split("|"))
    if not isinstance(given, list | tuple) or len(given) != len(_ENGLISH):
        raise ValueError(
            f"metadata 'months': {given!r} is neither a language, such as 'de', nor a list of 12 names"
        )
    months = tuple(tuple([one] if isinstance(one, str) else one) for one in given)
    for names in months:
        if not names or not all(
            isinstance(name, str) and name and not re.search(r"[\d\s]", name) for name in names
        ):
            raise ValueError(
                f"metadata 'months': {names!r} are not the names of a month. Write a text, or a list of texts"
            )
    _spellings(months)
    return months


def month_of(text: str, months: Sequence[Sequence[str]]) -> tuple[str, str] | None:
    """Return what stands before and behind the one name of a month in a text; None if it has none."""
    names = "|".join(re.escape(name) for name in _spellings(months))
    found = re.fullmatch(rf"(?is)(.*?)(?<![^\W\d_])(?:{names})(?![^\W\d_])\.?(.*)", text)
    return (found[1], found[2]) if found else None


def read_moment(text: str, type: str, format: str, moments: Moments) -> str:
    """Return the SQL of a DATE, TIMESTAMP or instant in one format, which is not `iso`; null for other texts."""
    if format in _EPOCHS or format == _NANOSECONDS:
        return _since_epoch(text, type, format)
    if format in _SERIALS:
        return _serial(text, type, format)
    if moments.months and (code := _month_code(format)):
        text = _in_english(text, format, code, moments.months)
        format = format.replace(f"{code}.", code) if _is_cut(format, code) else format
    return formatted_moment(text, type, format, moments.until)


def only(values: Sequence[str]) -> str:
    """Return the SQL of the one value that some expressions have; null if they have none, or several."""
    if len(values) == 1:
        return values[0]
    found = f"list_distinct([{', '.join(values)}])"
    return f"case when len({found}) = 1 then {found}[1] end"


def month_problem(format: str) -> str:
    """Return why the months of a format cannot have names; empty if they can."""
    codes = re.findall(r"%-?(.)", format)
    count = sum(code in "bB" for code in codes)
    return (
        "" if count == 1 else f"{format!r} has no %B, the name of a month" if not count else f"{format!r} has two"
    )


def _month_code(format: str) -> str:
    found = re.search(r"(?<!%)(?:%%)*(%[bB])", format)
    return found[1] if found else ""


def _is_cut(format: str, code: str) -> bool:
    """Return whether a format has a point behind the month that a full name would not have."""
    return re.search(rf"{code}\.(?= |$)", format) is not None


def _in_english(text: str, format: str, code: str, months: Sequence[Sequence[str]]) -> str:
    """Return the SQL of a text with the name of its month as the format has it in English; null if it has none."""
    names = _spellings(months)
    # the point of a name that is cut; one that the format has of its own stays for it
    point = r"\.?" if _is_cut(format, code) or f"{code}." not in format else ""
    pattern = f"(?is)^(.*?)({'|'.join(re.escape(name) for name in names)}){point}(.*)$"
    parts = f"regexp_extract({text}, {literal(pattern)}, ['before', 'name', 'behind'])"
    english = " ".join(
        f"when {literal(name)} then {literal(_ENGLISH[month][: 3 if code == '%b' else None])}"
        for name, month in names.items()
    )
    return f"{parts}.before || case lower({parts}.name) {english} end || {parts}.behind"


def _spellings(months: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return the month of each spelling, in lower case, with and without accents, the longest first."""
    found: dict[str, int] = {}
    for month, names in enumerate(months):
        for name in [*names, *map(_bare, names)]:
            if found.setdefault(name.lower(), month) != month:
                raise ValueError(f"metadata 'months': {name!r} names two months")
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _bare(name: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFD", name) if not unicodedata.combining(char))


def _since_epoch(text: str, type: str, format: str) -> str:
    """Return the SQL of a count since 1970; null for one that is not of whole microseconds, or days for a DATE."""
    if format == _NANOSECONDS:
        count = f"try_cast({text} as hugeint)"
        shape, micros = r"-?\d+(\.0*)?", f"case when {count} % 1000 = 0 then {count} // 1000 end"
    else:
        decimals, factor = _EPOCHS[format]
        shape = rf"-?\d+(\.\d{{0,{decimals}}}0*)?"
        micros = f"(try_cast({text} as decimal(30,{decimals})) * {factor})::hugeint"
    sure = f"regexp_full_match({text}, {literal(shape)}) and ({micros}) between {_FIRST} and {_LAST}"
    if type == "DATE":
        sure += f" and ({micros}) % {_DAY_MICROSECONDS} = 0"
    made = "make_timestamptz" if type == ZONED else "make_timestamp"
    return f"case when {sure} then {made}(({micros})::bigint)::{type} end"


def _serial(text: str, type: str, format: str) -> str:
    """Return the SQL of a spreadsheet's count of days, to the nearest millisecond; a DATE has no part of a day."""
    origin, first, last = _SERIALS[format]
    millis = f"round(try_cast({text} as decimal(30,20)) * {_DAY_MILLISECONDS})::bigint"
    day = f"({millis} // {_DAY_MILLISECONDS})"
    shape = literal(r"\d{1,7}(\.\d*)?")
    sure = f"regexp_full_match({text}, {shape}) and {day} between {first} and {last}"
    if type == "DATE":
        sure += f" and {millis} % {_DAY_MILLISECONDS} = 0"
    shift = ""
    if format == "excel_1900":
        sure += f" and {day} <> {_NO_DAY}"
        shift = f" + to_days(({day} < {_NO_DAY})::integer)"
    return f"case when {sure} then (timestamp {literal(origin)} + to_milliseconds({millis}){shift})::{type} end"
