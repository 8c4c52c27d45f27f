"""What one column writes otherwise than its file: blanks around its values, other marks, other dates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from etl.sources.sniff import reading
from etl.sources.sniff.notation import LAST_OF_TWO_DIGITS, Cells, Notation
from etl.sources.sniff.proposals import Proposal, proposed_dates, proposed_number
from etl.sources.sniff.records import Quoted

#: A text that spreadsheets are told to leave as it is.
_WRAPPED = re.compile(r'(?s)="((?:[^"]|"")*)"')
#: A whole number as those write it to whom all numbers are floats.
_FLOATED = re.compile(r"[+-]?\d{1,15}\.0")


def spelled(cells: Cells, notation: Notation, name: str = "") -> tuple[Cells, Notation, dict[str, object]]:
    """Return cells, notation and metadata of one column, such that its values have a type if they can have one.

    The cells are as they would be in plain spelling where the metadata says that they have another.
    """
    if any(map(_WRAPPED.fullmatch, cells.values)):
        found, own, metadata = spelled(_unwrapped(cells), notation, name)
        clean = metadata.get("clean")
        return found, own, metadata | {"clean": {**(clean if isinstance(clean, dict) else {}), "excel_text": True}}
    found, own, metadata = _of_marks(cells, notation)
    proposal = _proposal(found, own, name)
    if proposal is None:
        return found, own, metadata
    plain = Cells(nulls=found.nulls)
    for text, number in found.values.items():
        plain.values[proposal.plain[text]] += number
    said = {**{key: value for key, value in metadata.items() if key == "clean"}, **proposal.metadata}
    return plain, replace(own, decimal=".", thousands="", date_format="", timestamp_format=""), said


def _unwrapped(cells: Cells) -> Cells:
    """Return the cells with what stands in the quotes of those that are spelled for a spreadsheet."""
    found = Cells(nulls=cells.nulls.copy())
    for text, number in cells.values.items():
        wrapped = _WRAPPED.fullmatch(text)
        found.values[wrapped[1].replace('""', '"') if wrapped else text] += number
    return found


def _proposal(cells: Cells, notation: Notation, name: str) -> Proposal | None:
    """Return the spelling of cells that have no type, or another one than they seem to have."""
    type = notation.type_of(cells)
    if not cells.values or type not in ("str", "int", "float"):
        return None
    if type == "float" and all(map(_FLOATED.fullmatch, cells.values)):
        return Proposal(
            {"number": {"zero_decimals": True}}, {text: text.partition(".")[0] for text in cells.values}
        )
    found = proposed_dates(cells.values, name)
    if found is None and type == "str":
        found = proposed_number(cells.values, notation.decimal, notation.thousands)
    return found


def _of_marks(cells: Cells, notation: Notation) -> tuple[Cells, Notation, dict[str, object]]:
    trimmed = _trimmed(cells)
    if trimmed and _is_better(trimmed, cells, notation):
        clean = {"trim": True, **({"empty_to_null": True} if trimmed.nulls.total() > cells.nulls.total() else {})}
        found, own, metadata = _marked(trimmed, notation)
        return found, own, {"clean": clean, **metadata}
    return _marked(cells, notation)


def _marked(cells: Cells, notation: Notation) -> tuple[Cells, Notation, dict[str, object]]:
    if notation.type_of(cells) == "str" and cells.values:
        for own, metadata in _others(notation):
            if own.type_of(cells) != "str":
                return cells, own, metadata
    return cells, notation, {}


def _others(notation: Notation) -> Iterator[tuple[Notation, dict[str, object]]]:
    for decimal, thousands in reading.NUMBER_STYLES:
        marks: dict[str, object] = {"decimal": decimal, "thousands": thousands or None}
        if not notation.thousands and not thousands:
            del marks["thousands"]
        yield replace(notation, decimal=decimal, thousands=thousands), marks
    for format in reading.DATE_FORMATS:
        yield replace(notation, date_format=format), _format(format)
    for format in reading.TIMESTAMP_FORMATS:
        yield replace(notation, timestamp_format=format), _format(format)


def _format(format: str) -> dict[str, object]:
    years = {"two_digit_years_until": LAST_OF_TWO_DIGITS} if "%y" in format else {}
    return {"format": format, **years}


def _trimmed(cells: Cells) -> Cells | None:
    """Return the cells without blanks around them; None if there are none."""
    if not any(text != text.strip() for text in cells.values):
        return None
    found = Cells(nulls=cells.nulls.copy())
    for text, number in cells.values.items():
        bare = text.strip()
        kept = Quoted(bare) if isinstance(text, Quoted) else bare
        (found.values if bare else found.nulls)[kept] += number
    return found


def _is_better(trimmed: Cells, cells: Cells, notation: Notation) -> bool:
    """Return whether blanks are no part of the values: without them these have a type, or all have some."""
    if not trimmed.values:
        return True
    if _marked(trimmed, notation)[1].type_of(trimmed) != _marked(cells, notation)[1].type_of(cells):
        return True
    padded = sum(number for text, number in cells.values.items() if text != text.strip())
    return padded > 1 and padded > cells.values.total() / 2
