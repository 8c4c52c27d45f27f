"""What was asked: the project, the names in the address, the values of a form; each of them is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import date
from typing import Any

from etl.ledger import Ledger
from etl.operations.rejected import Selection
from etl.project import Project

#: A name that is looked for in a folder: nothing in it leads to another one.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"[1-9]\d{0,9}")
_MOST = 1000


class Refusal(Exception):
    """Raised for what is not done: the status of the answer, and a sentence that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Asked:
    """One question: `names` are those in the address, `values` those behind it or of the form."""

    project: Project
    names: Sequence[str] = ()
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _: KW_ONLY
    #: Whether who asks may change something; and what each of the forms must say.
    may_change: bool = False
    form_key: str = ""

    @property
    def ledger(self) -> Ledger:
        """A copy of what the ledger holds now."""
        return Ledger(self.project.ledger, is_reading=True)

    def text(self, name: str) -> str:
        """Return a value, or an empty text."""
        return next(iter(self.values.get(name, ())), "").strip()

    def selection(self) -> Selection:
        """Return which records are meant. Raises Refusal for a date or a line that cannot be one."""
        lines = tuple(_number(line, "line") for line in self.values.get("line", ()))
        if len(lines) > _MOST:
            raise Refusal(400, f"More than {_MOST:,} lines cannot be selected at once. Select by rule or date.")
        return Selection(_day(self.text("date")), self.text("rule"), self.text("file"), lines)

    def number(self, name: str, otherwise: int, most: int) -> int:
        """Return a number from 1 to `most`."""
        text = self.text(name)
        return min(_number(text, name), most) if text else otherwise


def plain(name: str) -> str:
    """Return the name of a run or of a generation. Raises Refusal for what can be none."""
    if not _PLAIN.fullmatch(name):
        raise Refusal(404, "There is nothing of that name.")
    return name


def fields_of(selection: Selection) -> dict[str, Any]:
    """Return the values that stand for a selection in an address or a form."""
    return {
        "date": selection.date or "",
        "rule": selection.rule,
        "file": selection.file,
        "line": [str(line) for line in selection.lines],
    }


def _day(text: str) -> date | None:
    try:
        if not text:
            return None
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise Refusal(400, "The date must be one such as 2024-03-31.")


def _number(text: str, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Refusal(400, f"The {name} must be a number from 1 on.")
    return int(text)
