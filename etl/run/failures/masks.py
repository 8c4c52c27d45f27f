"""Personal data in what a failed step leaves: other texts of the same shape, and which columns have any.

A letter becomes another letter, a digit another digit, and all else stays: so most rules, lengths, joins and
faults of a file are as they were. Equal texts become equal ones within one bundle; its key is kept nowhere.
"""

from __future__ import annotations

import csv
import hmac
import json
import re
import secrets
import string
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.contract.contract import Column, Contract
from etl.models.seeds import FOLDER
from etl.plan import Plan
from etl.sources import Source
from etl.sources.redactor import Redactor

#: What stands for a byte that no text has, in texts for people.
_BYTE = re.compile(r"(\\x[0-9a-f]{2})")
_MARKUP = re.compile(r">[^<>]+<|\"[^\"<>]*\"|'[^'<>]*'")
_EXAMPLES = re.compile(r",? such as .*")
#: A message of DuckDB's or Python's, up to the kind of the error.
_KIND = re.compile(r"[^\n]*?\b(?:\w+ )?\w*(?:Error|Exception)\b")
_WORDS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"\d+")
_TEXTS, _MOMENTS = ("VARCHAR", "JSON", "BLOB", "UUID"), ("DATE", "TIME")
_NUMBERS = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL"),
)
_YEAR, _TRIES = 4, 200
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass
class Masks:
    """Replaces texts by others of the same shape."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    #: What was given for each text: no two texts get the same, as long as there are others.
    _given: dict[str, str] = field(default_factory=dict, repr=False)
    _taken: set[str] = field(default_factory=set, repr=False)
    _flags: dict[str, str] = field(default_factory=dict, repr=False)

    def text(self, text: str) -> str:
        """Return another text: letters for letters, digits for digits, and the rest as it is."""
        return "".join(part if _BYTE.fullmatch(part) else self._shaped(part) for part in _BYTE.split(text))

    def value(self, text: str, type: str, name: str = "") -> str:
        """Return a text that can be cast to the type if the given one can; of a flag, always the first one."""
        if type.startswith(_MOMENTS):
            return _WORDS.sub(_first_month, _DIGITS.sub(_first_day, text))
        if type.startswith(_NUMBERS):
            return _DIGITS.sub(lambda digits: self._shaped(digits[0]), text)
        if type == "BOOLEAN":
            return self._flags.setdefault(name, text)
        if type.startswith(_TEXTS):
            return self.text(text)
        return self.json(text, type)

    def json(self, text: str, type: str) -> str:
        """Return a text of JSON with other strings and numbers; another text if it is not JSON.

        Only names of fields that the type has stay as they are.
        """
        try:
            return json.dumps(self._parts(json.loads(text), type), ensure_ascii=False)
        except (ValueError, RecursionError):
            return self.text(text)

    def record(self, text: str, known: Callable[[str], bool]) -> str:
        """Return the text of a record whose cells cannot be told, with whatever may be a cell replaced."""
        if text.lstrip().startswith("{"):
            try:
                cells = json.loads(text)
            except (ValueError, RecursionError):
                return self.text(text)
            return json.dumps({k if known(k) else self.text(k): self._parts(v) for k, v in cells.items()})
        if text.lstrip().startswith("<"):
            return _MARKUP.sub(lambda part: f"{part[0][0]}{self.text(part[0][1:-1])}{part[0][-1]}", text)
        return self.text(text)

    def _parts(self, value: Any, type: str = "") -> Any:
        if isinstance(value, dict):
            is_field = re.compile(rf'[(, ]"?({"|".join(map(re.escape, value)) or "$^"})"? ').findall(f"{type} ")
            return {key if key in is_field else self.text(key): self._parts(v, type) for key, v in value.items()}
        if isinstance(value, list):
            return [self._parts(item, type) for item in value]
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bool) or value is None:
            return value
        return value.__class__(_DIGITS.sub(lambda digits: self._shaped(digits[0]), repr(value)))

    def _shaped(self, text: str) -> str:
        if text not in self._given:
            made = text
            for number in range(_TRIES):
                made = self._made(text, number)
                if made not in self._taken:
                    break
            self._given[text] = made
            self._taken.add(made)
        return self._given[text]

    def _made(self, text: str, number: int) -> str:
        # of long texts the bytes come again: what they stand for is not told by that
        stream = hmac.digest(self._key, f"{number} {text}".encode("utf-8", "surrogatepass"), "sha512")
        return "".join(_like(char, stream[at % len(stream)], is_first=not at) for at, char in enumerate(text))


def _like(char: str, byte: int, *, is_first: bool) -> str:
    if char in string.digits:
        # a number does not begin with a zero that had none
        return (char if char == "0" else str(byte % 9 + 1)) if is_first else str(byte % 10)
    if char.isalnum() or ord(char) > 0x7F:
        return (string.ascii_uppercase if char.isupper() else string.ascii_lowercase)[byte % 26]
    return char


def _first_day(digits: re.Match[str]) -> str:
    """Return what stands for digits of a date or time: of a year the year, else the first of its kind."""
    text = digits[0]
    if len(text) >= _YEAR:
        return f"{text[:_YEAR]}{'01' * len(text)}"[: len(text)]
    return "01"[-len(text) :] if len(text) <= len("01") else "001"


def _first_month(word: re.Match[str]) -> str:
    text = word[0]
    if text[:3].lower() not in _MONTHS:
        return text
    return "Jan" if len(text) == len("Jan") else "January"


class Masking(Redactor):
    """Masks the records of one file by texts of the same shape."""

    def __init__(self, masks: Masks, source: Source, columns: Sequence[str], *, is_header_said: bool) -> None:
        """With `is_header_said` messages name all columns of the file, whatever they are."""
        super().__init__(source.contract, None, source.format, columns, self._cell)
        fmt: Any = source.format
        nulls = getattr(fmt, "nulls", None) or getattr(fmt, "null", ())
        self._is_header_said = is_header_said
        self._masks, self._nulls = masks, (nulls,) if isinstance(nulls, str) else tuple(nulls or ())

    def header(self, names: Sequence[str]) -> list[str]:
        """Return names as long as they were, of which those are others that may be somebody's cells."""
        is_kept = self._is_sure or self._is_header_said or not self.is_needed
        return [name if is_kept or name in self._known else self._masks.text(name) for name in names]

    def _cell(self, text: str, column: Column) -> str:
        return text if text in self._nulls else self._masks.value(text, column.type, column.name)

    def _whole(self, text: str) -> str:
        return self._masks.record(text, lambda name: name in self._known)


def personal_source(source: Source, more: Collection[str]) -> Source:
    """Return a source with `more` of its columns tagged, in each of its variants."""
    if not more:
        return source
    tagged = copy(source)
    tagged.variants = [replace(v, contract=_tagged(v.contract, more)) for v in source.variants]
    tagged.contract = _tagged(source.contract, more)
    return tagged


def _tagged(contract: Contract, names: Collection[str]) -> Contract:
    columns = (replace(c, pii=c.pii or ("drop" if c.name.lower() in names else "")) for c in contract.columns)
    return replace(contract, columns=tuple(columns))


def unmasked(plan: Plan) -> Mapping[str, Sequence[str]]:
    """Return by table, in lower case, the columns whose values in the warehouse are personal data as it came.

    They are those that the contract of a table tags, all that they are made of, and all that is made of these.
    What a source masks is masked there already.
    """
    models, catalog = plan.models, plan.catalog
    tagged = [
        (table, name)
        for table, contract in catalog.tables.items()
        if table in models.models and any(column.pii for column in contract.columns)
        for name in _names_of(plan, table, contract)
    ]
    if not tagged:
        return {}
    from etl.models.lineage import read_lineage
    from etl.models.lineage.graph import reachable

    lineage, wanted = read_lineage(catalog, models), set(tagged)
    hidden = {(s.table, name.lower()) for s in catalog.sources.values() for name in s.masks}
    start = [column for column in lineage.values if (column.table, column.name.lower()) in wanted]
    above = reachable(start, lambda one: lineage.values.get(one, ()))
    every = [*start, *(one for one in above if (one.table, one.name.lower()) not in hidden)]
    every += reachable(every, lambda one: lineage.into.get(one, ()))
    found: dict[str, set[str]] = {}
    for table, name in [*tagged, *((one.table, one.name.lower()) for one in every)]:
        found.setdefault(table, set()).add(name)
    return {table: sorted(names) for table, names in found.items()}


def _names_of(plan: Plan, table: str, contract: Contract) -> list[str]:
    from etl.contract.expand import expanded

    names = [name for name, _ in plan.models.models[table].stored]
    return [column.name.lower() for column in expanded(contract, names).columns if column.pii]


def told(step: str, message: str) -> str:
    """Return what may be said of why a step failed that was given personal data: without what can quote it."""
    if step == "extract":
        return "\n".join(_EXAMPLES.sub(".", line) for line in message.split("\n"))
    if step in ("load", "transform"):
        found = _KIND.match(message)
        return f"{found[0] if found else 'It failed'}. Its text is withheld, since it may quote personal data."
    return "\n".join(line for line in message.split("\n") if not line.startswith("    "))


def mask_seeds(sql: Path, personal: Mapping[str, Collection[str]], masks: Masks) -> None:
    """Replace the cells of personal columns in a copy of the seeds."""
    for path in (sql / FOLDER).glob("*.csv"):
        names = personal.get(f"{FOLDER}.{path.stem}".lower(), ())
        if not names:
            continue
        with path.open(encoding="utf-8-sig", newline="") as lines:
            header, *rows = csv.reader(lines)
        with path.open("w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines)
            writer.writerow(header)
            at = [number for number, name in enumerate(header) if name.lower() in names]
            writer.writerows([masks.text(c) if n in at and c else c for n, c in enumerate(row)] for row in rows)
