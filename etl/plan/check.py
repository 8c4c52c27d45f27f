"""What a run reads before it begins, read for its errors alone: settings, contracts, SQL, of every environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from etl.errors import EtlError
from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project, environments, load_project


@dataclass(frozen=True, kw_only=True)
class Checked:
    """How much was read, and found to be sound."""

    environments: list[str]
    sources: int
    contracts: int
    models: int
    audits: int
    macros: int


def check_project(project: Project) -> Checked:
    """Read settings, contracts and SQL as a run does, in every environment. Raises what is wrong, all together.

    Nothing is written to the project, and nothing below data/ is needed.
    """
    found: dict[str, EtlError] = {}
    names = environments(project)
    with TemporaryDirectory() as folder:
        # contracts that are the same in all environments are compiled once
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        for name in names:
            try:
                catalog, models = definitions(load_project(project.root, name), ledger)
            except EtlError as error:
                found.setdefault(str(error), error)
    if found:
        first = next(iter(found.values()))
        raise type(first)("\n".join(found))
    return Checked(
        environments=names,
        sources=len(catalog.sources),
        contracts=len(catalog.tables),
        models=len(models.models),
        audits=len(models.audits),
        macros=len(models.macros),
    )
