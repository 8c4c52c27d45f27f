"""What a case needs: the tables that stand in for what a model reads, and the models that are built on them."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from etl.errors import unknown
from etl.ledger import Ledger
from etl.models import Columns, Given, Models
from etl.operations.model_tests.cases import Case, error_at
from etl.plan.definitions import definitions, raw_tables
from etl.project import Project


@dataclass(frozen=True)
class Definitions:
    """What a project's tables are: the raw ones, and those of its models."""

    raw: Mapping[str, Given]
    models: Models

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all tables and views."""
        return frozenset([*self.raw, *self.models.models])

    def columns(self, name: str) -> Columns:
        """Return the columns of a table or view, with their types."""
        return self.raw[name].columns if name in self.raw else self.models.models[name].stored

    def reads(self, name: str) -> tuple[str, ...]:
        """Return the tables and views that one is made from."""
        return self.models.models[name].reads if name in self.models.models else ()

    def partition(self, name: str) -> str:
        """Return the column by whose date the rows of a table are replaced; of a view, that of what it reads."""
        if name in self.raw:
            return self.raw[name].partition
        model = self.models.models[name]
        if model.kind.is_partitioned:
            return model.header.partition
        if model.kind.is_stored:
            return ""
        below = [self.partition(read) for read in model.reads]
        return next((column for column in below if (column, "DATE") in model.stored), "")


def read_definitions(project: Project, cache: Ledger) -> Definitions:
    """Return what a project's tables are. Raises EtlError for contracts or models that are wrong.

    `cache` keeps what was read until the project changes; it need not be the project's own ledger.
    """
    with warnings.catch_warnings():
        # what the libraries that contracts import warn of is no matter of these tests
        warnings.simplefilter("ignore")
        catalog, models = definitions(project, cache)
    return Definitions({table.name: table for table in raw_tables(catalog)}, models)


@dataclass(frozen=True)
class Scene:
    """The tables that are filled by hand, and the models that are built on them, in order."""

    tables: tuple[Given, ...]
    models: tuple[str, ...]


def set_scene(definitions: Definitions, case: Case, target: str) -> Scene:
    """Return the scene of a case.

    What is given takes the place of a table or view, whatever it is made from. What the model reads besides is
    empty; but if something under it is given, it is built from that, and so is what depends on no source, such as
    a seed. Raises ModelError for a table that is not
    there, or that the model does not depend on.
    """
    given = {block.table: block.line for night in case.nights for block in night.given}
    for name, line in given.items():
        if name not in definitions.names:
            raise case.error(line, unknown(f"there is no table {name}", name, definitions.names))
    tables, built = _below(definitions, target, given)
    for name, line in given.items():
        if name not in tables:
            raise case.error(line, _not_read(definitions, target, name))
    return Scene(
        tuple(Given(name, definitions.columns(name), definitions.partition(name)) for name in sorted(tables)),
        tuple(name for name in definitions.models.models if name in built),
    )


def known_model(definitions: Definitions, file: str, name: str) -> None:
    """Raise ModelError for a test file of a model that is not there."""
    if name not in definitions.models.models:
        said = f"the file's name says that it tests {name}, but there is no such model"
        raise error_at(file, 1, unknown(said, name, definitions.models.models))


def _below(definitions: Definitions, target: str, given: Collection[str]) -> tuple[list[str], set[str]]:
    """Return the tables that are filled by hand, and the models to build, the target among them."""
    tables: dict[str, None] = {}
    built: set[str] = set()
    depending = _depending(definitions, given)
    constant = definitions.models.models.keys() - _depending(definitions, definitions.raw)

    def visit(name: str) -> None:
        if name in built or name in tables:
            return
        if name == target or (name not in given and name in depending | constant):
            built.add(name)
            for read in definitions.reads(name):
                visit(read)
        else:
            tables[name] = None

    visit(target)
    return list(tables), built


def _depending(definitions: Definitions, tables: Collection[str]) -> set[str]:
    """Return the models that depend on one of `tables`."""
    found: set[str] = set()
    for model in definitions.models.models.values():
        if any(read in tables or read in found for read in model.reads):
            found.add(model.name)
    return found


def _not_read(definitions: Definitions, target: str, name: str) -> str:
    if name == target:
        return f"{name} is the model under test. Give what it reads: {', '.join(definitions.reads(target))}"
    if target in _depending(definitions, [name]):
        return f"{name} is never read: all models that read it are given too"
    return f"{target} does not depend on {name}. It reads {', '.join(definitions.reads(target))}"
