"""The inputs of a failed step, as files of a project of their own: copied, linked, or named by their hash only."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from etl.errors import StepError
from etl.ledger import Key, Ledger, Receipt
from etl.ledger.keys import extract_key
from etl.plan import Plan
from etl.project.files import copy_file, link_file
from etl.project.files import sha256 as file_hash
from etl.run.failures.deliveries import Reducing
from etl.run.failures.masks import Masks, told, unmasked
from etl.run.failures.sample import Sampling, mask_rows
from etl.sources import Source
from etl.stages import lake
from etl.stages.lake.corrections import corrections_file
from etl.stages.lake.tally import WHY
from etl.stages.published import read_record
from etl.stages.published.switching import export_link
from etl.stages.raw import Delivery
from etl.stages.warehouse.look import files_of_views

#: The tables of the ledger that steps read.
_READ = ("receipts", "row_counts", "profiles", "checks", "generations")
#: Those of them that can quote rows.
_QUOTING = ("profiles", "checks")
WHOLE, SAMPLE, MASKED, MASKED_SAMPLE = "whole", "a sample", "masked", "a masked sample"
LEFT, PERSONAL = "too large", "personal data"
#: What is not as it was, and what is not there.
REDUCED, LACKING = (SAMPLE, MASKED, MASKED_SAMPLE), (LEFT, PERSONAL)
_BUILD = "data/warehouse/build.duckdb"
#: So many seconds may be spent on finding the part of what is large that fails as all of it.
_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Input:
    """One file that a step was given: where it lay, where it is below the bundle's project, and what was kept.

    `layout` is what was around the records of a raw file that is not whole. Without `is_sure` it was tried, and
    does not fail as the whole does.
    """

    path: str
    name: str
    sha256: str
    bytes: int
    kept: str
    layout: dict[str, Any] | None = None
    is_sure: bool = True


class Inputs:
    """The files that one bundle keeps below `folder`, a project's, up to so many bytes of them.

    `reason` is why the step failed. What a contract tags as personal data is masked.
    """

    def __init__(self, plan: Plan, folder: Path, budget: int, reason: str = "") -> None:
        self.plan, self.folder, self.left, self.reason = plan, folder, budget, reason
        self.files: list[Input] = []
        self.masks, self.unmasked = Masks(), unmasked(plan)
        #: The hashes of what was decided about deliveries, where that is not as it was, by source and date.
        self.corrections: dict[tuple[str, date], str] = {}
        self._end = time.monotonic() + _SECONDS

    @property
    def facts(self) -> list[dict[str, object]]:
        """What was kept, as what JSON can hold."""
        return [asdict(file) for file in self.files]

    @property
    def is_personal(self) -> bool:
        """Whether what the step was given holds personal data that no source masks."""
        return bool(self.unmasked)

    def extract(self, source: str, days: Iterable[date], receipts: dict[Key, Receipt]) -> None:
        """Keep the deliveries of some dates, what was decided about them, and the rows that they would replace."""
        of = self.plan.catalog.sources[source]
        place = _place(of)
        for day in days:
            delivery = self.plan.held[source][day]
            before = receipts.get(extract_key(source, day))
            before = before if before and before.outcome in lake.ACCEPTED else None
            if not (of.masks or self.unmasked.get(of.table)) and delivery.size <= self.left:
                for file in delivery.files:
                    self._keep(file.path, f"{place}/{file.name}", sha256=file.sha256)
                decided = corrections_file(self.plan.project, of, day)
                self._keep(decided, f"data/corrections/{of.name}/{decided.name}")
            else:
                self._reduce(of, delivery, before)
            if before:
                self._partition(of, day)

    def _reduce(self, of: Source, delivery: Delivery, before: Receipt | None) -> None:
        """Keep records of a delivery, masked, or few of many."""
        personal, place = self.unmasked.get(of.table, ()), _place(of)
        is_masked = bool(of.masks or personal)
        found = Reducing(
            plan=self.plan,
            folder=self.folder,
            place=place,
            masks=self.masks,
            delivery=delivery,
            reason=self.reason,
            end=self._end,
            before={delivery.date: before} if before else {},
            personal=personal,
        ).reduce(self.left)
        for file in delivery.files:
            lacking = PERSONAL if is_masked else LEFT
            kept, layout, path = lacking, None, self.folder / f"{place}/{file.name}"
            if found:
                kept = (MASKED if found.is_whole else MASKED_SAMPLE) if is_masked else SAMPLE
                layout = found.layouts[file.name].facts
                self.left -= found.sizes[file.name]
            self.files.append(
                Input(
                    path=str(file.path),
                    name=f"{place}/{file.name}",
                    sha256=file_hash(path) if found else file.sha256,
                    bytes=found.sizes[file.name] if found else file.size,
                    kept=kept,
                    layout=layout,
                    is_sure=not found or found.is_reproduced,
                )
            )
        if found and delivery.corrections:
            self.corrections[of.name, delivery.date] = found.corrections

    def load(self, source: str, receipts: dict[Key, Receipt]) -> None:
        """Keep the partitions of a source, those that are new to the warehouse first, and the warehouse."""
        of = self.plan.catalog.sources[source]
        self.build()
        days = [day for day in self.plan.held[source] if extract_key(source, day) in receipts]
        before = self.plan.receipts
        is_new = {d: receipts[extract_key(source, d)] != before.get(extract_key(source, d)) for d in days}
        for day in sorted(days, key=lambda day: (not is_new[day], -day.toordinal())):
            self._partition(of, day)

    def build(self, queries: Sequence[str] = ()) -> None:
        """Keep the warehouse as the step found it; of one that is large, rows that the queries still find."""
        self._warehouse(lambda sampling: sampling.of_checks(queries))

    def transform(self, name: str) -> None:
        """Keep the warehouse; of one that is large, few rows of what the model reads."""
        self._warehouse(lambda sampling: sampling.of_model(name))
        if self.plan.models.models[name].role:
            self._artefacts()

    def _artefacts(self) -> None:
        """Keep the models that are too large for a row, the youngest first."""
        folder = self.plan.project.artefacts
        files = sorted(folder.iterdir() if folder.is_dir() else (), key=lambda path: -path.stat().st_mtime_ns)
        for path in files:
            self._keep(path, f"data/{path.relative_to(self.plan.project.data)}", is_linked=True)

    def _warehouse(self, sample: Callable[[Sampling], object]) -> None:
        build = self.plan.project.build
        if not build.is_file():
            return
        # a view reads files of this project: their rows go along as a table
        beside = [file for file in files_of_views(self.plan.project) if file.is_file()]
        is_large = sum(file.stat().st_size for file in (build, *beside)) > self.left
        if not (is_large or self.is_personal or beside):
            self._keep(build, _BUILD)
            return self._keep(build.with_name(f"{build.name}.wal"), f"{_BUILD}.wal")
        target = self.folder / _BUILD
        sampling = Sampling(
            plan=self.plan,
            target=target,
            masks=self.masks,
            personal=self.unmasked,
            end=self._end,
            is_whole=not is_large,
        )
        sample(sampling)
        size, is_cut = target.stat().st_size, bool(sampling.left_out)
        kept = (MASKED_SAMPLE if is_cut else MASKED) if self.is_personal else SAMPLE
        if size > self.left:
            target.unlink()
            kept = LEFT
        self.left -= size
        hashed = "" if kept == LEFT else file_hash(target)
        self.files.append(Input(path=str(build), name=_BUILD, sha256=hashed, bytes=size, kept=kept))

    def published(self) -> None:
        """Keep what publishing looks at beside the warehouse: what holds it, and what is in an export's way."""
        project = self.plan.project
        self._artefacts()
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
        """Keep of the ledger what steps read, without what quotes rows if those are personal data."""
        path = self.folder / "data/ledger.sqlite"
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = Ledger(path)
        for table in (table for table in _READ if not (self.is_personal and table in _QUOTING)):
            if rows := [self._told(table, row) for row in ledger.ask(f"select * from {table}")]:
                kept.change((f"insert into {table} values ({', '.join('?' * len(rows[0]))})", rows))
        # a step that found a file damaged has forgotten its receipt
        there = ledger.receipts()
        kept.write(*(self._untold(receipt) for key, receipt in receipts.items() if key not in there))
        kept.close()

    def _told(self, table: str, row: Sequence[Any]) -> Sequence[Any]:
        if not (self.is_personal and table == "receipts"):
            return row
        *rest, details = row
        return [*rest, json.dumps(_quoting_nobody(json.loads(details)))]

    def _untold(self, receipt: Receipt) -> Receipt:
        return replace(receipt, details=_quoting_nobody(receipt.details)) if self.is_personal else receipt

    def _partition(self, source: Source, day: date) -> None:
        project, personal = self.plan.project, self.unmasked.get(source.table, ())
        for base in (project.lake, project.quarantine):
            file = lake.partition_file(base, source, day)
            name = f"data/{file.relative_to(project.data)}"
            if not personal:
                self._keep(file, name, is_linked=True)
            elif file.is_file():
                self._mask_partition(file, name, personal, is_masked=base == project.lake)

    def _mask_partition(self, file: Path, name: str, personal: Sequence[str], *, is_masked: bool) -> None:
        """Keep a partition with other values in its personal columns; the texts of rejected records not at all."""
        target, size, kept = self.folder / name, file.stat().st_size, PERSONAL
        if is_masked:
            mask_rows(self.plan.project, file, target, personal, self.masks)
            size, kept = target.stat().st_size, MASKED
        if kept == MASKED and size > self.left:
            target.unlink()
            kept = LEFT
        self.left -= size if kept == MASKED else 0
        hashed = file_hash(target) if kept == MASKED else file_hash(file)
        self.files.append(Input(path=str(file), name=name, sha256=hashed, bytes=size, kept=kept))

    def _keep(self, path: Path, name: str, *, sha256: str = "", is_linked: bool = False) -> None:
        """Keep a file, if it is there and has room; else its name, size and hash."""
        if not path.is_file():
            return
        size, target = path.stat().st_size, self.folder / name
        kept = LEFT if size > self.left else WHOLE
        if kept == WHOLE:
            self.left -= size
            target.parent.mkdir(parents=True, exist_ok=True)
            # what is never written to needs no second copy
            (link_file if is_linked else copy_file)(path, target)
            sha256 = sha256 or file_hash(target)
        self.files.append(Input(path=str(path), name=name, sha256=sha256, bytes=size, kept=kept))


def _place(source: Source) -> str:
    """Return where the deliveries of a source are below a bundle's project."""
    return "data/raw" if source.fetch is None else "data/fetched"


def _quoting_nobody(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details of a receipt without examples of rejected records, and what DuckDB said of a model."""
    found = {**details}
    if why := found.get(WHY):
        found[WHY] = {**why, "examples": {}}
    if failed := found.get("failed"):
        found["failed"] = told("transform", failed)
    return found


def project_folders(plan: Plan) -> Iterator[tuple[Path, str]]:
    """Yield the folders of contracts and SQL, each with its place in the project of a bundle.

    Raises StepError if the one would lie in the other.
    """
    project, settings = plan.project, plan.project.settings
    places = [(project.contracts, settings.contracts), (project.sql, settings.sql)]
    # models that learn stand where the root is
    places += [(project.ml, project.ml.name)] if project.ml.is_dir() else []
    for folder, said in places:
        is_below = not Path(said).is_absolute() and ".." not in Path(said).parts
        yield folder, said if is_below else folder.name
    if not project.contracts.is_dir():
        raise StepError(f"{project.contracts} is gone.")


def copy_folder(folder: Path, target: Path) -> None:
    """Copy a folder of code, without what Python and editors leave there."""
    if folder.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", ".*", "*~")
        shutil.copytree(folder, target, ignore=ignored, dirs_exist_ok=True)
