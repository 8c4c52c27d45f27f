"""Paths below data/raw with a date and wildcards in them: checked, and cut into segments that match names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

#: {date}, or {date:%Y%m%d} for another spelling; {date:%Y-%m} stands for the first day of a month.
_DATE = re.compile(r"\{date(?::([^{}]*))?\}")
_ISO = "%Y-%m-%d"
#: What stands for a raw file's name in the name of the marker beside it.
FILE = "{file}"
#: What stands for the part of a name by which files replace each other.
VERSION = "{version}"
#: How many digits the parts of a date have: those of strptime, and q, a quarter of a year.
_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3, "q": 1, "G": 4, "V": 2, "u": 1}
_SPELLED = "%Y, %y, %q (the quarter), %m, %d, %j, %G, %V and %u"
#: What a part of a date says nothing without: the year of a week is its own.
_NEEDS = {"d": "%m", "u": "%V", "V": "%G", "G": "%V"}
#: What stands before a part of the date, or of the version, between tokens; no path holds it.
_MARK = "\0"
_VERSION = "v"
#: Names that senders give to what is not yet, or not at all, a delivery: no wildcard matches them.
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")


@dataclass(frozen=True)
class Segment:
    """One name of a path: a text, or (with `regex`) the names that match it."""

    text: str
    regex: re.Pattern[str] | None
    is_wild: bool
    #: The names that would match if their date were written in full, such as 2024-1-5; None without a date.
    loose: re.Pattern[str] | None = None

    def nearly(self, name: str) -> bool:
        """Return whether a name does not match only because of how its date is written, or of another folder's."""
        return bool(self.loose and self.loose.fullmatch(name)) and not (self.is_wild and is_unfinished(name))

    def match(self, name: str, before: Mapping[str, str]) -> dict[str, str] | None:
        """Return the parts of the date, those of the folders `before` included; None if `name` is another."""
        if self.regex is None:
            return dict(before) if name == self.text else None
        found = self.regex.fullmatch(name)
        if found is None or (self.is_wild and is_unfinished(name)):
            return None
        parts = found.groupdict()
        if any(before.get(key, value) != value for key, value in parts.items()):
            return None
        return {**before, **parts}


@dataclass(frozen=True)
class FilePattern:
    """A path below data/raw; `date_format` is empty if it has no date."""

    segments: tuple[Segment, ...]
    date_format: str

    @property
    def is_wild(self) -> bool:
        """Whether several files may match for one date."""
        return any(segment.is_wild for segment in self.segments)

    @property
    def period(self) -> str:
        """The time that each date stands for: day, week, month, quarter or year; empty without a date."""
        parts = set(re.findall("%(.)", self.date_format))
        found = (("day", "dju"), ("week", "V"), ("month", "m"), ("quarter", "q"), ("year", "Yy"))
        return next((period for period, marks in found if parts & set(marks)), "")

    @property
    def has_version(self) -> bool:
        """Whether of files that differ only in their version the newest alone counts."""
        return any(f"{_MARK}{_VERSION}" in segment.text for segment in self.segments)

    def version(self, name: str) -> tuple[str, str]:
        """Return a path that matches without its version, and that version."""
        parts = []
        version = ""
        for segment, text in zip(self.segments, name.split("/"), strict=True):
            found = segment.regex.fullmatch(text) if segment.regex else None
            if found and _VERSION in found.groupdict():
                version = found[_VERSION]
                text = f"{text[: found.start(_VERSION)]}{VERSION}{text[found.end(_VERSION) :]}"
            parts.append(text)
        return "/".join(parts), version

    def matches(self, name: str) -> bool:
        """Return whether a path below data/raw is one of these."""
        parts: dict[str, str] | None = {}
        names = name.split("/")
        for segment, text in zip(self.segments, names, strict=False):
            parts = None if parts is None else segment.match(text, parts)
        return parts is not None and len(names) == len(self.segments)

    def nearly(self, name: str) -> bool:
        """Return whether a path does not match only because of how its date is written."""
        names = name.split("/")
        return len(names) == len(self.segments) and all(
            segment.match(text, {}) is not None or segment.nearly(text)
            for segment, text in zip(self.segments, names, strict=True)
        )

    def day(self, name: str) -> date | None:
        """Return the date of a path that matches; None if there is none, or no such day."""
        parts: dict[str, str] = {}
        for segment, text in zip(self.segments, name.split("/"), strict=True):
            parts |= segment.match(text, parts) or {}
        return day_of(parts)

    def path(self, day: date) -> str:
        """Return the path of one date, if the pattern has no wildcards."""
        parts = {**_parts(day), _VERSION: VERSION}
        text = "/".join(segment.text for segment in self.segments)
        return re.sub(rf"{_MARK}(.)", lambda found: parts[found[1]], text)


def is_unfinished(name: str) -> bool:
    """Return whether a name is hidden, or one that programs give to a file under way."""
    return name.startswith(".") or name.lower().endswith(_UNFINISHED)


@cache
def file_pattern(path: str) -> FilePattern:
    """Return a path with `{date}`, `*` and `?` as a pattern. Raises ValueError that says what is wrong with it."""
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")) or _MARK in path:
        raise ValueError("is not a relative path below data/raw")
    if "[" in path or "]" in path or "**" in path:
        raise ValueError("may hold the wildcards * and ? only, each within one name")
    formats = [found[1] or _ISO for found in _DATE.finditer(path)]
    if len(formats) > 1 or _DATE.sub("", path).count("{date"):
        raise ValueError("may hold {date} once, or a spelling of it such as {date:%Y%m%d}")
    for format in formats:
        _marked(format)
    if path.replace(VERSION, "", 1).count("{version"):
        raise ValueError(f"may hold {VERSION} once, for the part of a name by which files replace each other")
    marked = _DATE.sub(lambda found: _marked(found[1] or _ISO), path).replace(VERSION, f"{_MARK}{_VERSION}")
    segments = tuple(_segment(text) for text in marked.split("/"))
    for segment in segments:
        if segment.is_wild and segment.text.lower().endswith(_UNFINISHED):
            raise ValueError(f"matches nothing: names that end in {', '.join(_UNFINISHED)} are never complete")
    return FilePattern(segments, formats[0] if formats else "")


def day_of(parts: Mapping[str, str]) -> date | None:
    """Return the date that the parts found in a path make; None if they are too few, or there is no such day."""
    try:
        day = _first_day({part: int(text) for part, text in parts.items() if part in _DIGITS})
    except (KeyError, ValueError, OverflowError):
        return None
    whole = _parts(day)
    return day if all(whole.get(part, text) == text for part, text in parts.items()) else None


def _first_day(parts: Mapping[str, int]) -> date:
    """Return the first day of the time that the parts of a date name."""
    if "V" in parts and not {"m", "j"} & parts.keys():
        return date.fromisocalendar(parts["G"], parts["V"], parts.get("u", 1))
    # the pivot of strptime
    year = parts["Y"] if "Y" in parts else (parts["y"] + 31) % 100 + 1969
    if "j" in parts:
        return date(year, 1, 1) + timedelta(parts["j"] - 1)
    month = parts["m"] if "m" in parts else 3 * parts.get("q", 1) - 2
    return date(year, month, parts.get("d", 1))


def _parts(day: date) -> dict[str, str]:
    week = day.isocalendar()
    return {
        "G": f"{week.year:04}",
        "V": f"{week.week:02}",
        "u": f"{week.weekday}",
        "q": f"{(day.month + 2) // 3}",
        "Y": f"{day.year:04}",
        "y": f"{day.year % 100:02}",
        "m": f"{day.month:02}",
        "d": f"{day.day:02}",
        "j": f"{day.timetuple().tm_yday:03}",
    }


def _marked(format: str) -> str:
    """Return a date's format with each directive marked, `%%` as a plain percent sign."""
    names = re.findall(r"%(.?)", format)
    if unknown := [name for name in names if name not in _DIGITS and name != "%"]:
        raise ValueError(f"spells its date with %{unknown[0]}; known are {_SPELLED}")
    lacks = [f"%{part} without {need}" for part, need in _NEEDS.items() if part in names and need[1:] not in names]
    if lacks or not {"Y", "y", "G"} & set(names) or re.search(r"[*?]", format):
        why = f": it has {lacks[0]}" if lacks else ""
        raise ValueError(
            f"needs a date, or a week, month, quarter or year: {{date:{format}}} names none of them{why}"
        )
    return re.sub(r"%(.)", lambda found: "%" if found[1] == "%" else _MARK + found[1], format)


def _segment(marked: str) -> Segment:
    pattern = loose = ""
    seen: set[str] = set()
    for token in re.split(rf"({_MARK}.|[*?])", marked):
        if token == f"{_MARK}{_VERSION}":
            pattern, loose = f"{pattern}(?P<{_VERSION}>.*)", f"{loose}.*"
        elif token.startswith(_MARK):
            part = token[1:]
            pattern += f"(?P={part})" if part in seen else f"(?P<{part}>[0-9]{{{_DIGITS[part]}}})"
            loose += f"[0-9]{{{_DIGITS[part] if part in 'Yy' else 1},{_DIGITS[part]}}}"
            seen.add(part)
        else:
            text = {"*": ".*", "?": "."}.get(token) or re.escape(token)
            pattern, loose = pattern + text, loose + text
    is_wild = "*" in marked or "?" in marked or f"{_MARK}{_VERSION}" in marked
    regex = re.compile(pattern, re.DOTALL) if is_wild or seen else None
    return Segment(marked, regex, is_wild, re.compile(loose, re.DOTALL) if seen else None)
