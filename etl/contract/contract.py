"""A contract as plain data: what a table's columns and rows must be. It never imports pandera or duckdb."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from etl.quoting import identifier, qualified

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class Column:
    """One column; `required=False` means that it may be absent, which is not the same as null."""

    name: str
    # As `describe` spells it: BIGINT, VARCHAR, DECIMAL(15,2), TIMESTAMP WITH TIME ZONE.
    type: str
    nullable: bool
    required: bool = True
    description: str = ""


@dataclass(frozen=True)
class Rule:
    """A boolean DuckDB expression over one row: true is fine, false is broken, null is ignored.

    `column` is None for a rule over the whole row. Skip the rules of a column that the table lacks.
    """

    name: str
    sql: str
    column: str | None = None
    message: str = ""
    severity: Severity = "error"


@dataclass(frozen=True)
class Unique:
    """Columns whose values together name one row; nulls count as equal, as in `group by`."""

    name: str
    columns: tuple[str, ...]
    severity: Severity = "error"


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
    strict: bool = False
    ordered: bool = False
    description: str = ""

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if the contract has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"contract {self.name} has no column {name!r}")

    def ddl(self, table: str) -> str:
        """The `create table` statement; `table` may be dotted."""
        columns = ",\n  ".join(
            f"{identifier(c.name)} {c.type}{'' if c.nullable or not c.required else ' not null'}"
            for c in self.columns
        )
        return f"create table {qualified(table)} (\n  {columns}\n)"

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
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Contract":
        """The contract that `to_dict` was taken from."""
        parts = {
            "columns": tuple(Column(**column) for column in data["columns"]),
            "rules": tuple(Rule(**rule) for rule in data["rules"]),
            "uniques": tuple(Unique(**{**u, "columns": tuple(u["columns"])}) for u in data["uniques"]),
        }
        return cls(**{**data, **parts})

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
