"""The names that a project has, as fast as its files tell them: for completion, without pandas and DuckDB."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import suppress

from etl.errors import ModelError
from etl.models.names import table_name
from etl.models.read import is_test
from etl.models.trained.tables import ENDINGS
from etl.project import Project, environments
from etl.project.files import project_files

#: Folders under sql/ whose files make no table.
_NO_TABLES = ("audits", "macros")


def source_names(project: Project) -> list[str]:
    """Return the sources that the contracts assign to a name; a file that is being edited may hide its own."""
    texts = [path.read_text("utf-8", "replace") for path in project_files(project.contracts, ".py")]
    return sorted({name for text in texts for name in _assigned(text)})


def model_names(project: Project) -> list[str]:
    """Return the tables that files under sql/ and ml/ make."""
    found = set()
    for path in project_files(project.sql, ".sql", ".py", ".csv"):
        inner = path.relative_to(project.sql)
        if inner.parts[0] not in _NO_TABLES and not is_test(path):
            # what is not called like a table makes none
            with suppress(ModelError):
                found.add(table_name(inner, str(inner)))
    found |= {f"ml.{name}{ending}" for name in learned_names(project) for ending in ENDINGS}
    return sorted(found)


def learned_names(project: Project) -> list[str]:
    """Return the models that learn, by the names of their files."""
    files = project_files(project.ml, ".py", below=False)
    return sorted(path.stem for path in files if not path.name.startswith("_"))


def table_names(project: Project) -> list[str]:
    """Return the tables that sources are loaded into, and those that models make."""
    return [*(f"raw.{name}" for name in source_names(project)), *model_names(project)]


def generation_names(project: Project) -> list[str]:
    """Return the generations on disk, the newest first."""
    made = project.generations.iterdir() if project.generations.is_dir() else ()
    return sorted((path.name for path in made if path.name[0] != "."), reverse=True)


def run_names(project: Project) -> list[str]:
    """Return the runs that have a log, the newest first, after the words that stand for a run."""
    logs = project.logs.glob("*.jsonl") if project.logs.is_dir() else ()
    return ["last", "failed", *sorted((path.stem for path in logs), reverse=True)]


NAMES: dict[str, Callable[[Project], list[str]]] = {
    "source": source_names,
    "model": model_names,
    "table": table_names,
    "generation": generation_names,
    "environment": environments,
    "run": run_names,
    "model that learns": learned_names,
    "source or model": lambda project: [*source_names(project), *model_names(project)],
}


def _assigned(text: str) -> Iterator[str]:
    """Yield the names that Python gives to what `Source(...)` returns."""
    with suppress(SyntaxError, ValueError):
        for node in ast.parse(text).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Call):
                continue
            if ast.unparse(node.value.func).split(".")[-1] == "Source":
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (target.id for target in targets if isinstance(target, ast.Name))
