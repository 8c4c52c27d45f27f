"""What a task leaves, as Luigi's outputs: files, tables, the proof of the audit, and what is published.

All of it is for reading. A target exists when the receipts of its task match tonight's plan and its file is there,
which is what the task's own complete() says; nothing is opened for it but the ledger. Targets are made when they
are asked for: no run asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from luigi.local_target import LocalFileSystem
from luigi.target import FileSystemTarget, Target

from etl.errors import PublishError, StepError
from etl.ledger import Check, Ledger
from etl.project import Project

if TYPE_CHECKING:
    from etl.engine.connections import Relation
    from etl.models.trained import Learned
    from etl.operations.ml.search.found import Found
    from etl.stages.published import Contents, Generation

#: Answers whether the receipts of a task match the plan.
Proof = Callable[[], bool]


class ReadFile(FileSystemTarget):
    """A file that etl keeps; `path` is a text, as in every target of Luigi."""

    fs = LocalFileSystem()

    def __init__(self, path: Path, is_done: Proof) -> None:
        super().__init__(path)  # type: ignore[no-untyped-call]
        self._is_done = is_done

    def exists(self) -> bool:
        """Return whether the task is done, and the file is there."""
        return self._is_done() and self._is_there()

    def open(self, mode: str = "r") -> IO[Any]:
        """Open the file to read it: `r` for text in UTF-8, `rb` for bytes. Raises StepError for other modes."""
        if mode not in ("r", "rb"):
            raise StepError(f"{self.path} is for reading: open it with 'r' or 'rb', not {mode!r}.")
        return open(self.path, mode, encoding=None if "b" in mode else "utf-8")

    def remove(self, *_: Any, **__: Any) -> None:
        """Raise StepError: what etl keeps, it removes by itself."""
        raise StepError(f"{self.path} belongs to etl, which removes what it does not need any more.")

    def temporary_path(self) -> Any:
        """Raise StepError: nothing is written in place of what etl keeps."""
        self.remove()

    def _is_there(self) -> bool:
        return Path(self.path).is_file()


class DeliveredFiles(ReadFile):
    """The files of one delivery; `path` is the first, or where it belongs if nothing was delivered.

    It exists when the delivery counts. The file of one that was taken before may be gone from raw/.
    """

    def __init__(self, paths: Sequence[Path], is_done: Proof) -> None:
        super().__init__(paths[0], is_done)
        #: All of them, sorted; more than one where a wildcard of the source matches several.
        self.paths = [str(path) for path in paths]

    def _is_there(self) -> bool:
        return True


class PartitionFile(ReadFile):
    """The Parquet file of one date of a source in the lake; one of a refused delivery is done, and has no file."""

    def __init__(self, path: Path, day: date, is_done: Proof, has_file: Proof) -> None:
        super().__init__(path, is_done)
        self.date = day
        self._has_file = has_file

    def _is_there(self) -> bool:
        return super()._is_there() or not self._has_file()


class PublishedFile(ReadFile):
    """The published warehouse; `path` always leads to the newest generation."""

    def __init__(self, project: Project, is_done: Proof) -> None:
        super().__init__(project.warehouse, is_done)
        self._project = project

    @property
    def generation(self) -> str:
        """The name of the generation that `path` leads to now. Raises PublishError before the first."""
        return _record(self._project).generation

    @property
    def exports(self) -> dict[str, str]:
        """The folders of Parquet files in the lake, by the tables that are exported."""
        from etl.stages import published

        links = published.export_links(self._project)
        return {table: str(path) for table, path in links.items()}

    def table(self, name: str) -> PublishedTable:
        """Return one table of it, such as `marts.routes`, which exists when this does."""
        return PublishedTable(self._project, name, self.exists)

    def _is_there(self) -> bool:
        from etl.stages import published

        return super()._is_there() and published.are_files_whole(self._project)


class Audit(Target):
    """The proof that the candidate passed every check of severity error."""

    def __init__(self, project: Project, is_done: Proof) -> None:
        self._project, self._is_done = project, is_done

    def exists(self) -> bool:
        """Return whether tonight's candidate passed its audit."""
        return self._is_done() and self._project.build.is_file()

    @property
    def checks(self) -> dict[str, Check]:
        """The latest result of every check, by name, those that only warn among them."""
        return Ledger(self._project.ledger, is_reading=True).checks()


class PublishedTable(Target):
    """A table or view: it exists when tonight's is built, and what it tells is of the *published* file.

    Require PublishedWarehouse too to read what was built tonight. Raises PublishError for a table that no
    published file has.
    """

    def __init__(self, project: Project, name: str, is_done: Proof) -> None:
        self._project, self._is_done = project, is_done
        #: The schema and the name, such as `raw.sales`.
        self.name = name

    def exists(self) -> bool:
        """Return whether the step that makes the table is done, and build.duckdb is there."""
        return self._is_done() and self._project.build.is_file()

    @property
    def rows(self) -> int | None:
        """The number of its rows; None for a view."""
        return self._contents.rows

    @property
    def content(self) -> str:
        """The hash of what it holds; equal hashes mean the same columns and rows. That of a view is of its SQL."""
        return self._contents.hash

    def relation(self) -> Relation:
        """Return it as a relation of DuckDB, read-only; it stays that of one generation."""
        from etl import engine

        assert self._contents
        return engine.relation(self._project, self._project.warehouse.resolve(), self.name)

    @property
    def _contents(self) -> Contents:
        record = _record(self._project)
        if found := record.tables.get(self.name):
            return found
        known: Mapping[str, Contents] = record.tables
        raise PublishError(
            f"{self.name} is not in the published generation {record.generation}; there are: "
            f"{', '.join(known) or 'none'}. Publish it with `etl run`."
        )


class Proposal(Target):
    """What the trials of a model's parameters have shown so far; it exists when all of them were made."""

    def __init__(self, project: Project, name: str, is_done: Proof) -> None:
        self._project, self._name, self._is_done = project, name, is_done

    def exists(self) -> bool:
        """Return whether every trial that was asked for was made."""
        return self._is_done()

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters that are proposed; those of the model where nothing beats them."""
        learned, found = self._found
        return {**learned.params, **(found.chosen.params if found.chosen and found.is_better else {})}

    @property
    def change(self) -> str:
        """The change of the model's file that is proposed, as a diff; empty if nothing is."""
        from etl.operations.ml.proposal import proposal

        return proposal(self._found[0], self.params)

    @property
    def _found(self) -> tuple[Learned, Found]:
        from etl.operations.ml.tune import Asked, tune

        ledger = Ledger(self._project.ledger, is_reading=True)
        return tune(self._project, ledger, self._name, Asked(is_looking=True))


class SampleFile(ReadFile):
    """A file of the sample in raw/; it exists when it is there."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, lambda: True)

    def _is_there(self) -> bool:
        return Path(self.path).exists()


def _record(project: Project) -> Generation:
    from etl.stages import published

    record = published.read_record(project.warehouse.resolve().parent)
    if record is None:
        raise PublishError(f"{project.place} has published nothing yet. Publish with `etl run`.")
    return record
