"""What `models.py` builds, as data: raw tables, a SELECT for each model, and a change to one of them.

Every contestant's project is written from the same SELECTs; those of the schema `staging` are views, all
others are tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

VIEWS = "staging"


@dataclass(frozen=True)
class Raw:
    """A table that is one delivered file, with its columns and types."""

    name: str
    file: Path
    columns: Mapping[str, str]
    dialect: str

    @property
    def select(self) -> str:
        """The SELECT that reads the file with its types, nothing guessed and nothing checked."""
        return (
            f"select * from read_csv('{self.file}', auto_detect = false, {self.dialect}, columns = {self.columns})"
        )


@dataclass(frozen=True)
class Change:
    """Another expression in a model, and how many models are to be built anew for it."""

    model: str
    old: str
    new: str
    anew: int


@dataclass(frozen=True)
class Domain:
    """Raw tables, the files of their contracts, models by name (schema.table) in order, and a change.

    `proof` is a SELECT that tells whether two contestants have published the same; the change changes its rows.
    """

    name: str
    raw: Sequence[Raw]
    contracts: Mapping[str, str]
    models: Mapping[str, str]
    change: Change
    proof: str

    def sql(self, changed: bool) -> dict[str, str]:
        """Return the text of every model, before the change or after it."""
        texts = dict(self.models)
        if changed:
            before = texts[self.change.model]
            texts[self.change.model] = before.replace(self.change.old, self.change.new)
            assert before != texts[self.change.model], self.change
        return texts

    def statements(self, changed: bool) -> list[str]:
        """Return the statements that make every table and view from nothing, in order."""
        schemas = dict.fromkeys(["raw", *(name.split(".")[0] for name in self.models)])
        found = [f"create schema {schema}" for schema in schemas]
        found += [f"create table raw.{raw.name} as {raw.select}" for raw in self.raw]
        return found + [f"create {kind(name)} {name} as\n{text}" for name, text in self.sql(changed).items()]


def kind(model: str) -> str:
    """Return whether a model is a view or a table."""
    return "view" if model.startswith(f"{VIEWS}.") else "table"


def schema_of(model: str) -> str:
    """Return the schema of a model."""
    return model.split(".")[0]


def select_of(text: str) -> str:
    """Return a model's SELECT without its comments."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


def tables_in(schemas: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern that finds the tables of these schemas in a SELECT."""
    return re.compile(rf"\b({'|'.join(schemas)})\.(\w+)")


def write(path: Path, text: str) -> None:
    """Write a file, unless it says that already: tools look at the time of change too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_project(folder: Path, domain: Domain) -> None:
    """Write the product's project, without its models."""
    write(folder / "luigi.cfg", "[etl]\n")
    for name, text in domain.contracts.items():
        write(folder / "contracts" / name, text)


def write_models(folder: Path, domain: Domain, changed: bool) -> None:
    """Write the product's models."""
    for name, text in domain.sql(changed).items():
        header = "-- materialized: view\n" if kind(name) == "view" else ""
        write(folder / "sql" / f"{name.replace('.', '/')}.sql", f"{header}{text}")


def write_script(path: Path, domain: Domain, changed: bool) -> None:
    """Write the statements for `models_script.py`."""
    write(path, json.dumps(domain.statements(changed)))
