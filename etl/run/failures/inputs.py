"""The inputs of a failed step, as files of a project of their own: copied, linked, or named by their hash only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from etl.errors import StepError
from etl.ledger import Key, Ledger, Receipt
from etl.ledger.keys import extract_key
from etl.plan import Plan
from etl.project.files import copy_file, link_file
from etl.project.files import sha256 as file_hash
from etl.run.failures.sample import write_sample
from etl.sources import Source
from etl.stages import lake
from etl.stages.lake.corrections import corrections_file
from etl.stages.published import read_record
from etl.stages.published.switching import export_link

#: The tables of the ledger that steps read.
_READ = ("receipts", "row_counts", "profiles", "checks", "generations")
WHOLE, SAMPLE, LEFT, PERSONAL = "whole", "a sample", "too large", "personal data"
_BUILD = "data/warehouse/build.duckdb"


@dataclass(frozen=True, kw_only=True)
class Input:
    """One file that a step was given: where it lay, where it is below the bundle's project, and what was kept."""

    path: str
    name: str
    sha256: str
    bytes: int
    kept: str


class Inputs:
    """The files that one bundle keeps below `folder`, a project's, up to so many bytes of them."""

    def __init__(self, plan: Plan, folder: Path, budget: int) -> None:
        self.plan, self.folder, self.left = plan, folder, budget
        self.files: list[Input] = []

    @property
    def facts(self) -> list[dict[str, object]]:
        """What was kept, as what JSON can hold."""
        return [asdict(file) for file in self.files]

    def extract(self, source: str, days: Iterable[date], receipts: dict[Key, Receipt]) -> None:
        """Keep the deliveries of some dates, what was decided about them, and the rows that they would replace."""
        of, project = self.plan.catalog.sources[source], self.plan.project
        folder = "raw" if of.fetch is None else "fetched"
        for day in days:
            for file in self.plan.held[source][day].files:
                self._keep(file.path, f"data/{folder}/{file.name}", sha256=file.sha256, is_personal=bool(of.masks))
            decided = corrections_file(project, of, day)
            self._keep(decided, f"data/corrections/{of.name}/{decided.name}", is_personal=bool(of.masks))
            if receipts.get(extract_key(source, day)):
                self._partition(of, day)

    def load(self, source: str, receipts: dict[Key, Receipt]) -> None:
        """Keep the partitions of a source, those that are new to the warehouse first, and the warehouse."""
        of = self.plan.catalog.sources[source]
        self.build()
        days = [day for day in self.plan.held[source] if extract_key(source, day) in receipts]
        before = self.plan.receipts
        is_new = {d: receipts[extract_key(source, d)] != before.get(extract_key(source, d)) for d in days}
        for day in sorted(days, key=lambda day: (not is_new[day], -day.toordinal())):
            self._partition(of, day)

    def build(self) -> None:
        """Keep the warehouse as the step found it."""
        build = self.plan.project.build
        self._keep(build, _BUILD)
        self._keep(build.with_name(f"{build.name}.wal"), "data/warehouse/build.duckdb.wal")

    def transform(self, name: str) -> None:
        """Keep the warehouse; one that has no room, with few rows of what the model reads."""
        build = self.plan.project.build
        target = self.folder / _BUILD
        if build.stat().st_size <= self.left:
            return self.build()
        write_sample(self.plan, name, target)
        size, kept = target.stat().st_size, SAMPLE
        if size > self.left:
            target.unlink()
            kept = LEFT
        self.left -= size
        hashed = file_hash(target) if kept == SAMPLE else ""
        self.files.append(Input(path=str(build), name=_BUILD, sha256=hashed, bytes=size, kept=kept))

    def published(self) -> None:
        """Keep what publishing looks at beside the warehouse: what holds it, and what is in an export's way."""
        project = self.plan.project
        self._keep(project.current.parent / "hold.json", "data/warehouse/hold.json")
        if record := read_record(project.current):
            name = f"data/warehouse/generations/{record.generation}/generation.json"
            self._keep(project.current / "generation.json", name)
            (self.folder / "data/warehouse/current").symlink_to(f"generations/{record.generation}")
        for model in self.plan.models.models.values():
            link = export_link(project, model.name)
            if model.header.export and os.path.lexists(link) and not link.is_symlink():
                place = self.folder / "data" / link.relative_to(project.data)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text("a file or a folder lay here\n", encoding="utf-8")

    def ledger(self, ledger: Ledger, receipts: dict[Key, Receipt]) -> None:
        """Keep of the ledger what steps read."""
        path = self.folder / "data/ledger.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = Ledger(path)
        for table in _READ:
            if rows := ledger.ask(f"select * from {table}"):
                kept.change((f"insert into {table} values ({', '.join('?' * len(rows[0]))})", rows))
        # a step that found a file damaged has forgotten its receipt
        there = ledger.receipts()
        kept.write(*(receipt for key, receipt in receipts.items() if key not in there))
        kept.close()

    def _partition(self, source: Source, day: date) -> None:
        project = self.plan.project
        for base in (project.lake, project.quarantine):
            file = lake.partition_file(base, source, day)
            self._keep(file, f"data/{file.relative_to(project.data)}", is_linked=True)

    def _keep(
        self, path: Path, name: str, *, sha256: str = "", is_personal: bool = False, is_linked: bool = False
    ) -> None:
        """Keep a file, if it is there, has room, and quotes nobody; else its name, size and hash."""
        if not path.is_file():
            return
        size, target = path.stat().st_size, self.folder / name
        kept = PERSONAL if is_personal else LEFT if size > self.left else WHOLE
        if kept == WHOLE:
            self.left -= size
            target.parent.mkdir(parents=True, exist_ok=True)
            # what is never written to needs no second copy
            (link_file if is_linked else copy_file)(path, target)
            sha256 = sha256 or file_hash(target)
        self.files.append(Input(path=str(path), name=name, sha256=sha256, bytes=size, kept=kept))


def project_folders(plan: Plan) -> Iterator[tuple[Path, str]]:
    """Yield the folders of contracts and SQL, each with its place in the project of a bundle.

    Raises StepError if the one would lie in the other.
    """
    project, settings = plan.project, plan.project.settings
    for folder, said in ((project.contracts, settings.contracts), (project.sql, settings.sql)):
        is_below = not Path(said).is_absolute() and ".." not in Path(said).parts
        yield folder, said if is_below else folder.name
    if not project.contracts.is_dir():
        raise StepError(f"{project.contracts} is gone.")


def copy_folder(folder: Path, target: Path) -> None:
    """Copy a folder of code, without what Python and editors leave there."""
    if folder.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", ".*", "*~")
        shutil.copytree(folder, target, ignore=ignored, dirs_exist_ok=True)
