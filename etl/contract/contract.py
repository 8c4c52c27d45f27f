"""A contract as plain data: what a table's columns and rows must be. It never imports pandera or duckdb."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from typing import Any, Literal

from etl.contract.audit import HeaderAudit
from etl.contract.cleansing import LATER_STEPS, NOTHING, Clean
from etl.contract.numerals import PLAIN, Number, flagged
from etl.engine.quoting import identifier

#: Begins the name that stands for a column known by its pattern only: a character that no one types.
PATTERN = "\ue000"

#: Fields that columns did not always have: while they are empty, a contract is what it was without them.
_LATER = ("number", "formats", "months")

#: How the notes beside a description are written into a comment.
_NOTE = re.compile(r"\[(\w+): ([^\]]*)\]")
_NOTES = re.compile(r"(?:^| )(?=(?:\[\w+: [^\]]*\] ?)+$)")

#: What is known of a column that changes neither rows nor their values: rules say what may be null.
_WITHOUT_EFFECT = ("description", "unit", "nullable")

Severity = Literal["error", "warn"]
Report = Literal["all", "exclude_first", "exclude_last"]


@dataclass(frozen=True)
class Column:
    """One column; `required=False` means that it may be absent, which is not the same as null."""

    name: str
    # As `describe` spells it: BIGINT, VARCHAR, DECIMAL(15,2), TIMESTAMP WITH TIME ZONE.
    type: str
    nullable: bool
    required: bool = True
    _: KW_ONLY
    description: str = ""
    # What an empty or absent cell is taken for: a text, as it would stand in a raw file.
    default: str | None = None
    # What one of its numbers counts: "minutes", "USD".
    unit: str = ""
    # How values that tell of a person are masked: "hash", "partial" or "drop"; empty if they do not.
    pii: str = ""
    # Other names under which a raw file's header may call it.
    aliases: tuple[str, ...] = ()
    # strptime format of a DATE or TIMESTAMP in raw text; ISO 8601 if empty.
    format: str = ""
    # The formats, if there are several: a text that two of them read as different values is not a value.
    formats: tuple[str, ...] = ()
    # The names of each of the twelve months for %B and %b; empty for English ones.
    months: tuple[tuple[str, ...], ...] = ()
    # How its numbers are spelled in raw text.
    number: Number = PLAIN
    # The marks in its numbers in raw text, if they are not the sender's: the decimal mark, empty for the sender's;
    # and the thousands mark, None for the sender's and empty for none.
    decimal: str = ""
    thousands: str | None = None
    # Which instant is meant by a local time that the clocks show twice, or skip; see clocks.py. Empty: none.
    ambiguous: str = ""
    nonexistent: str = ""
    # The last of the hundred years that its format's %y stands for, if it is not the sender's.
    two_digit_years_until: int | None = None
    # What is done to a raw cell before the rules see it.
    clean: Clean = NOTHING
    # Whether `name` is a pattern that stands for every column it matches; see expanded().
    regex: bool = False

    @property
    def sql(self) -> str:
        """The column in rules; of a pattern, a name that expanded() replaces and no table has."""
        return identifier(PATTERN + self.name if self.regex else self.name)


@dataclass(frozen=True)
class Rule:
    """A boolean DuckDB expression over one row: true is fine, false is broken, null is ignored.

    `column` is None for a rule over the whole row. Skip the rules of a column that the table lacks.
    """

    name: str
    sql: str
    column: str | None = None
    message: str = ""
    _: KW_ONLY
    severity: Severity = "error"


@dataclass(frozen=True)
class PythonRule:
    """A check that only Python can judge; `python_rules.prepare` makes a Rule of it.

    `module`, `model` and `position` say where its function is found again; `code` changes when the text of
    its module does. It judges `columns`; one column if `column` is given, of whose spec `spec` is the name.
    """

    name: str
    columns: tuple[str, ...]
    module: str
    model: str
    _: KW_ONLY
    position: int
    code: str
    column: str | None = None
    spec: str = ""
    message: str = ""
    severity: Severity = "error"


@dataclass(frozen=True)
class Unique:
    """Columns whose values together name one row; nulls count as equal, as in `group by`.

    `report` says which of several equal rows are offending: all, all but the first, or all but the last.
    """

    name: str
    columns: tuple[str, ...]
    severity: Severity = "error"
    report: Report = "all"


@dataclass(frozen=True)
class Problem:
    """A way in which a table's columns differ from its contract."""

    rule: str
    column: str
    message: str


@dataclass(frozen=True)
class Contract:
    """What a table promises. It survives JSON: `Contract.from_dict(contract.to_dict()) == contract`."""

    name: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    uniques: tuple[Unique, ...] = ()
    _: KW_ONLY
    strict: bool = False
    ordered: bool = False
    description: str = ""
    python: tuple[PythonRule, ...] = ()
    # Of a raw file: columns that the contract does not know are left out rather than refused.
    drops_extra: bool = False
    # Built-in kinds of audits that its metadata asks for.
    audits: tuple[HeaderAudit, ...] = ()

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if the contract has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"contract {self.name} has no column {name!r}")

    @property
    def delivered(self) -> list[str]:
        """The columns that a raw file has: all but those that take the flags of others."""
        takers = flagged(self.columns)
        return [column.name for column in self.columns if column.name not in takers]

    def key(self, unique: Unique) -> list[str]:
        """The expressions to group by when looking for duplicates; NaN counts as null, as in pandera."""
        floats = {c.name for c in self.columns if c.type in ("DOUBLE", "FLOAT")}
        names = {name: identifier(name) for name in unique.columns}
        return [f"nullif({sql}, 'nan'::double)" if name in floats else sql for name, sql in names.items()]

    def structure_problems(self, actual: list[tuple[str, str]]) -> list[Problem]:
        """How a table of these (name, DuckDB type) columns differs from the contract; empty when it fits."""
        checks = (self._missing, self._extra, self._disordered, self._types)
        return [problem for check in checks for problem in check(actual)]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        # asdict takes columns apart to the last value, which is done of each one here
        return {**asdict(replace(self, columns=())), "columns": [_plain(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Contract":
        """The contract that `to_dict` was taken from."""
        parts = {
            "columns": tuple(map(_column, data["columns"])),
            "rules": tuple(Rule(**rule) for rule in data["rules"]),
            "uniques": tuple(Unique(**{**u, "columns": tuple(u["columns"])}) for u in data["uniques"]),
            "python": tuple(PythonRule(**{**r, "columns": tuple(r["columns"])}) for r in data["python"]),
            "audits": tuple(HeaderAudit(**audit) for audit in data["audits"]),
        }
        return cls(**{**data, **parts})

    def definition(self) -> list[Any]:
        """What decides which rows are kept and what is in them; descriptions and units do not."""
        columns = [
            {key: value for key, value in _plain(column).items() if key not in _WITHOUT_EFFECT}
            for column in self.columns
        ]
        header = (self.strict, self.ordered, self.drops_extra)
        return [header, columns, *map(asdict, self.rules), *map(asdict, self.uniques), *map(asdict, self.python)]

    def notes(self) -> dict[str, dict[str, str]]:
        """What is known about columns beside their types, by column: description, unit and pii."""
        kinds = ("description", "unit", "pii")
        found = {c.name: {kind: getattr(c, kind) for kind in kinds if getattr(c, kind)} for c in self.columns}
        return {name: notes for name, notes in found.items() if notes}

    def comments(self) -> dict[str, str]:
        """The notes of each column as one line of text, for the comments of a table."""
        return {name: comment_of(notes) for name, notes in self.notes().items()}

    def _missing(self, actual: list[tuple[str, str]]) -> Iterator[Problem]:
        have = {name for name, _ in actual}
        for column in self.columns:
            if column.required and column.name not in have:
                message = f"column {column.name!r} ({column.type}) of contract {self.name} is missing"
                yield Problem("column_in_dataframe", column.name, message)

    def _extra(self, actual: list[tuple[str, str]]) -> Iterator[Problem]:
        known = {column.name for column in self.columns}
        for name, _ in actual if self.strict else ():
            if name not in known:
                message = f"column {name!r} is not in contract {self.name}, which is strict"
                yield Problem("column_in_schema", name, message)

    def _disordered(self, actual: list[tuple[str, str]]) -> Iterator[Problem]:
        have = {name for name, _ in actual}
        want = [column.name for column in self.columns if column.name in have]
        got = [name for name, _ in actual if name in set(want)]
        for expected, name in zip(want, got, strict=True) if self.ordered else ():
            if expected != name:
                message = f"column {name!r} stands where contract {self.name} has {expected!r}, in its order"
                yield Problem("column_ordered", name, message)

    def _types(self, actual: list[tuple[str, str]]) -> Iterator[Problem]:
        types = {column.name: column.type for column in self.columns}
        for name, found in actual:
            if name in types and types[name] != found:
                message = f"column {name!r} is {found}; contract {self.name} says {types[name]}"
                yield Problem("dtype", name, message)


def comment_of(notes: Mapping[str, str]) -> str:
    """One line of text for a comment: the description, then the other notes by their kind."""
    others = [f"[{kind}: {text}]" for kind, text in notes.items() if kind != "description" and text]
    return " ".join([*filter(None, [notes.get("description")]), *others])


def notes_in(comment: str) -> dict[str, str]:
    """Return what comment_of() made one line of: the description, which may be empty, and the other notes."""
    text, *_ = _NOTES.split(comment, maxsplit=1)
    return {"description": text.strip(), **dict(_NOTE.findall(comment[len(text) :]))}


def _column(data: Mapping[str, Any]) -> Column:
    made = {
        "aliases": tuple(data["aliases"]),
        "clean": Clean(**data["clean"]),
        "number": Number(**data.get("number", {})),
        "formats": tuple(data.get("formats", ())),
        "months": tuple(map(tuple, data.get("months", ()))),
    }
    return Column(**{**data, **made})


_DEFAULTS = {field.name: field.default for field in fields(Column)}


def _plain(column: Column) -> dict[str, Any]:
    """Return a column as plain data, without those fields that say nothing and that it did not always have."""
    # they hold no data that could be changed, so none is copied as asdict() does
    data = {**vars(column), "number": dict(vars(column.number)), "clean": vars(column.clean)}
    for name in _LATER:
        if getattr(column, name) == _DEFAULTS[name]:
            del data[name]
    if column.number:
        data["number"] = {key: value for key, value in data["number"].items() if value != vars(PLAIN)[key]}
    data["clean"] = {key: value for key, value in data["clean"].items() if value or key not in LATER_STEPS}
    return data
