"""The ways to a database of models that `models.py` measures: the product, a script, dbt-duckdb and SQLMesh."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from figures import PRODUCT
from models_domain import Domain, write_models, write_project, write_script
from models_peers import write_dbt, write_dbt_models, write_sqlmesh, write_sqlmesh_models
from processes import forget_runs

SCRIPT, DBT, MODIFIED, SQLMESH = "plain script", "dbt-duckdb", "dbt, state:modified+", "SQLMesh"
DATE = "2026-01-01"
#: SQLMesh has a schema of its own name, so a database file must not have it.
DATABASE = "models.duckdb"


def _nothing(everything: bool) -> None:
    """Have nothing to undo."""


@dataclass(frozen=True)
class Contestant:
    """A command that brings `published` up to date with the models that `write(changed)` leaves.

    `forget(everything)` undoes its runs, all or but for what it has parsed; `prepare` comes before each run.
    """

    name: str
    command: list[str]
    published: Path
    write: Callable[[bool], None]
    forget: Callable[[bool], None] = _nothing
    prepare: Callable[[], None] = lambda: None
    variables: dict[str, str] = field(default_factory=dict)
    #: Whether it begins from nothing, and whether it can do only what changed.
    is_full: bool = True
    is_partial: bool = True


def contestants(work: Path, domain: Domain, dbt: Path | None, sqlmesh: Path | None) -> list[Contestant]:
    """Write every contestant's project in the folder `work` and return them, in the order in which they run."""
    return [
        _product(work / "project", domain),
        _script(work / "script", domain),
        *(_dbt(work / "dbt-project", domain, dbt) if dbt else []),
        *([_sqlmesh(work / "sqlmesh-project", domain, sqlmesh)] if sqlmesh else []),
    ]


def _product(project: Path, domain: Domain) -> Contestant:
    write_project(project, domain)
    data = project / "data"
    command = [str(Path(sys.executable).with_name("luigi")), "--module", "etl", "Nightly", "--date", DATE]
    return Contestant(
        PRODUCT,
        command,
        data / "warehouse.duckdb",
        partial(write_models, project, domain),
        partial(forget_runs, data),
        variables={"ETL_PROJECT": str(project)},
    )


def _script(folder: Path, domain: Domain) -> Contestant:
    statements, target = folder / "statements.json", folder / DATABASE
    command = [sys.executable, str(Path(__file__).with_name("models_script.py")), str(statements), str(target)]
    return Contestant(SCRIPT, command, target, partial(write_script, statements, domain), is_partial=False)


def _dbt(folder: Path, domain: Domain, dbt: Path) -> list[Contestant]:
    """Return dbt with everything, and before it with only what its saved state says is modified."""
    database, state = folder / DATABASE, folder / "state"
    write_dbt(folder, domain, database, threads=os.cpu_count() or 1)

    def save_state() -> None:
        shutil.copytree(folder / "target", state, dirs_exist_ok=True)

    folders = [f"--project-dir={folder}", f"--profiles-dir={folder}", f"--log-path={folder / 'logs'}"]
    command = [str(dbt / "bin" / "dbt"), "build", *folders]
    modified = [*command, "--select", "state:modified+", "--state", str(state)]
    write = partial(write_dbt_models, folder, domain)
    return [
        Contestant(MODIFIED, modified, database, write, prepare=save_state, is_full=False),
        Contestant(DBT, command, database, write, partial(_delete, folder, "target")),
    ]


def _sqlmesh(folder: Path, domain: Domain, sqlmesh: Path) -> Contestant:
    database = folder / DATABASE
    write_sqlmesh(folder, domain, database, threads=os.cpu_count() or 1)
    options = ["-p", str(folder), "--log-file-dir", str(folder / "logs")]
    command = [str(sqlmesh / "bin" / "sqlmesh"), *options, "plan", "--auto-apply", "--no-prompts"]
    forget = partial(_delete, folder, ".cache")
    return Contestant(SQLMESH, command, database, partial(write_sqlmesh_models, folder, domain), forget)


def _delete(folder: Path, parsed: str, everything: bool) -> None:
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink()
    if everything:
        shutil.rmtree(folder / parsed, ignore_errors=True)
