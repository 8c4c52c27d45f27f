"""The pytest plugin: sql/<schema>/test_<table>.sql in a project of etl holds tests of a model.

It stands outside of the package, and imports it only for such a file: a run of pytest without one pays nothing.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from etl.operations.model_tests import Case, Workbench
    from etl.project import Project

_BENCHES = pytest.StashKey[dict[Path, "Workbench"]]()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the tests of a model, if the file is in a project's folder of models."""
    if file_path.suffix != ".sql" or not file_path.name.startswith("test_"):
        return None
    if not any((folder / "luigi.cfg").is_file() for folder in file_path.parents):
        return None
    project = _project(file_path)
    return ModelTests.from_parent(parent, path=file_path, project=project) if project else None


class ModelTests(pytest.File):
    """A file of tests of one model."""

    def __init__(self, *, project: Project, **options: Any) -> None:
        super().__init__(**options)
        self.project = project

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the tests; nothing is run, and no SQL is looked at."""
        from etl.errors import EtlError
        from etl.operations.model_tests import read_cases

        file = self.path.relative_to(self.path.parents[2]).as_posix()
        try:
            cases = read_cases(file, self.path.read_text(encoding="utf-8"))
        except (EtlError, UnicodeDecodeError) as error:
            raise self.CollectError(f"{error}" if isinstance(error, EtlError) else f"{file}: {error}") from error
        for case in cases:
            yield ModelTest.from_parent(self, name=case.name, case=case)


class ModelTest(pytest.Item):
    """One test of a model."""

    parent: ModelTests

    def __init__(self, *, case: Case, **options: Any) -> None:
        super().__init__(**options)
        self.case = case

    def runtest(self) -> None:
        """Run the test in memory."""
        target = f"{self.path.parent.name}.{self.path.stem.removeprefix('test_')}"
        if problem := _bench(self.config, self.parent.project).run(self.case, target):
            raise NotAsExpected(problem)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what a failure says; no traceback, unless it is none of ours."""
        from etl.errors import EtlError

        if isinstance(excinfo.value, (EtlError, NotAsExpected)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the place of the test."""
        return self.path, self.case.line - 1, self.name


class NotAsExpected(AssertionError):
    """Raised when a table is not what a test expects."""


def _project(file: Path) -> Project | None:
    """Return the project of whose models' folder a file is."""
    with warnings.catch_warnings():
        # what Luigi warns of when it is imported is no matter of these tests
        warnings.simplefilter("ignore")
        from etl.errors import EtlError
        from etl.project import enclosing_root, load_project

    try:
        root = enclosing_root(file.parent)
        project = load_project(root) if root else None
    except EtlError as error:
        raise pytest.Collector.CollectError(str(error)) from error
    is_there = project and project.sql.resolve() == file.parent.parent.resolve()
    return project if is_there else None


def _bench(config: pytest.Config, project: Project) -> Workbench:
    """Return the workbench of a project, which all of its tests share."""
    from etl.ledger import Ledger
    from etl.operations.model_tests import Workbench, read_definitions

    benches = config.stash.setdefault(_BENCHES, {})
    if project.root not in benches:
        name = hashlib.sha256(str(project.root).encode()).hexdigest()[:12]
        cache = Ledger(_cache_folder(config) / f"{name}.sqlite")
        benches[project.root] = Workbench(project, read_definitions(project, cache))
        config.add_cleanup(benches[project.root].close)
    return benches[project.root]


def _cache_folder(config: pytest.Config) -> Path:
    """Return a folder that lasts until the next run of pytest, or this one only if there is none."""
    try:
        return Path(config.cache.mkdir("etl"))
    except (AttributeError, OSError):
        folder = TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        return Path(folder.name)
