"""Deliveries that a bundle cannot keep as they came: their records, masked or few of many, that fail as all do."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path

from etl import engine
from etl.engine.quoting import literal
from etl.errors import EtlError
from etl.ledger import Ledger, Receipt
from etl.ledger.keys import extract_key
from etl.plan import Plan
from etl.project import Project
from etl.project.files import copy_file, sha256
from etl.run.failures.masks import Masking, Masks, personal_source
from etl.run.failures.records import Layout, reading, write_records
from etl.sources import Source
from etl.sources.formats import Fault, Place
from etl.stages import lake
from etl.stages.lake.corrections import (
    DISCARD,
    Correction,
    Corrections,
    add_corrections,
    corrections_file,
    read_corrections,
    record_hash,
)
from etl.stages.lake.inputs import open_file
from etl.stages.lake.layout import refused_base
from etl.stages.lake.rejects import REFUSED_RULE
from etl.stages.raw import Delivery, File, state

#: So many records of a file are kept whole; of more, so many of those that break a rule, and as many others.
MOST, _BROKEN, _SOUND, _FIRST = 20_000, 5_000, 5_000, 500
_NUMBER = re.compile(r"\d+")
_EXAMPLES = re.compile(r" (?:such as|Its [\d,]+ records?|, HMAC) .*", re.DOTALL)
_COUNTS = re.compile(r",? \([^()]*\),?$")

#: Whether a record of a file is kept: by the file's name, the record's number, and what it is.
Choice = Callable[[str, int, Fault], bool]


def outline(message: str) -> str:
    """Return the first line of a message without numbers and examples, which a part of a delivery has not."""
    first = _EXAMPLES.sub("", message.split("\n")[0]).rstrip(",")
    return _NUMBER.sub("#", _COUNTS.sub("", first).replace(",", ""))


@dataclass(frozen=True, kw_only=True)
class Reduced:
    """What was kept of a delivery: the layout and size of each file, by its name; and whether it fails alike.

    `corrections` is the hash of what was decided about its records.
    """

    layouts: Mapping[str, Layout]
    sizes: Mapping[str, int]
    is_whole: bool
    corrections: str = ""
    is_reproduced: bool = False


@dataclass(kw_only=True)
class Reducing:
    """One delivery of which records are written to `place` below `folder`, the project of a bundle.

    `reason` is why it failed. `personal` are columns that its contract does not tag, and that are personal data
    all the same. Nothing is begun after `end`, by the monotonic clock.
    """

    plan: Plan
    folder: Path
    place: str
    masks: Masks
    delivery: Delivery
    reason: str
    end: float
    before: Mapping[date, Receipt] = field(default_factory=dict)
    personal: Collection[str] = ()

    def reduce(self, budget: int) -> Reduced | None:
        """Write records of all files; None if they cannot be taken apart in time, or even few have no room.

        Those that break a rule are among them, and others from all over each file. If they do not fail as the
        whole delivery did, one half of it is tried, and half of that, and so on.
        """
        try:
            # before any file is open: what is written aside has one name for each
            assert self._counts is not None
            found = self._tried(self._chosen)
            if not (found.is_whole or found.is_reproduced):
                found = self._halved() or self._tried(self._chosen)
        except (EtlError, OSError, ValueError):
            found = None
        if found is None or sum(found.sizes.values()) > budget:
            for file in self.delivery.files:
                (self.folder / self.place / file.name).unlink(missing_ok=True)
            return None
        return found

    @cached_property
    def source(self) -> Source:
        """The source as it is for the delivery, with all that is personal data tagged."""
        of = self.plan.catalog.sources[self.delivery.source].at(self.delivery.date)
        return personal_source(of, self.personal)

    @property
    def _is_masked(self) -> bool:
        return bool(self.plan.catalog.sources[self.delivery.source].at(self.delivery.date).masks)

    @cached_property
    def _counts(self) -> Mapping[str, int]:
        """How many records each file has."""
        found = {}
        for number, file in enumerate(self.delivery.files):
            with closing(open_file(self._project, self.source, self.delivery, file, number)) as opened:
                opened.opened.verify()
                found[file.name] = opened.records
        return found

    @cached_property
    def _rejected(self) -> Mapping[str, set[tuple[int, str]]]:
        """What is in quarantine since this run for a rule of its own, or would be: line and hash, by file.

        Many records may stand in one line. Of masked ones the hash is left out, since quarantine has other texts.
        """
        project = self.plan.project
        bases = (refused_base(project), project.quarantine)
        files = [lake.partition_file(base, self.source, self.delivery.date) for base in bases]
        found: dict[str, set[tuple[int, str]]] = {}
        if there := [str(file) for file in files if file.is_file()]:
            query = (
                f"select file, line, text, raw from read_parquet({literal(there)}, hive_partitioning = false) "
                f"where run_id = {literal(self.plan.run_id)} "
                f"and (rule <> {literal(REFUSED_RULE)} or fault is not null)"
            )
            with engine.in_memory(project) as con:
                for name, line, text, raw in con.execute(query).fetchall():
                    found.setdefault(name, set()).add(self._told(line, text, raw))
        return found

    def _told(self, line: int, text: str, raw: bytes | None) -> tuple[int, str]:
        """Return what tells a record of a file from the others there."""
        return line, "" if self._is_masked else record_hash(text, raw)

    @cached_property
    def _corrections(self) -> Corrections:
        if not self.delivery.corrections:
            return Corrections()
        return read_corrections(corrections_file(self.plan.project, self.source, self.delivery.date))

    @cached_property
    def _kept(self) -> dict[str, int]:
        return {}

    def _chosen(self, name: str, number: int, fault: Fault) -> bool:
        """Return whether a record is kept; the share of those that break a rule stays at least as it is."""
        count, bad = self._counts[name], self._rejected.get(name, ())
        if count <= MOST:
            return True
        if number == 0:
            self._kept[name] = 0
        if fault.problem or (bad and self._told(*fault.place) in bad):
            self._kept[name] += 1
            return self._kept[name] <= max(_BROKEN, (self.source.max_rejects or 0) + 1)
        sound = min(_SOUND, int(min(len(bad), _BROKEN) * (count / len(bad) - 1))) if bad else _SOUND
        return (not bad and number < _FIRST) or number % max(1, count // max(1, sound)) == 0

    def _halved(self) -> Reduced | None:
        """Return the smallest half of a half of the records that fails as all do; None if neither half does."""
        first, last, found = 0, max(self._counts.values(), default=0), None
        while last - first > MOST // 2:
            middle = (first + last) // 2
            for half in (range(first, middle), range(middle, last)):
                found = self._tried(partial(_is_in, half))
                if found.is_reproduced:
                    first, last = half.start, half.stop
                    break
            else:
                break
        if (first, last) == (0, max(self._counts.values(), default=0)):
            return None
        if found and found.is_reproduced:
            return found
        return self._tried(partial(_is_in, range(first, last)))

    def _tried(self, is_chosen: Choice) -> Reduced:
        """Write the chosen records, and extract them to see whether they fail as all do."""
        shutil.rmtree(self._aside, ignore_errors=True)
        found, said = self._written(is_chosen), ""
        try:
            self._extract(found)
        except Exception as error:
            said = str(error)
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)
        wanted = {outline(line) for line in self.reason.split("\n")}
        return replace(found, is_reproduced=outline(said) in wanted)

    def _written(self, is_chosen: Choice) -> Reduced:
        """Write the chosen records of every file, and what was decided about them. Raises TimeoutError."""
        layouts, sizes, kept = {}, {}, 0
        decided: list[Correction] = []
        for number, file in enumerate(self.delivery.files):
            target = self.folder / self.place / file.name
            with closing(open_file(self._project, self.source, self.delivery, file, number)) as opened:
                opened.opened.verify()
                masking = Masking(
                    self.masks, self.source, opened.opened.columns, is_header_said=not self._is_masked
                )

                def text(place: Place, problem: str, masking: Masking = masking, name: str = file.name) -> str:
                    written = masking.text(place.text, problem)
                    if found := self._corrections.about(name, place):
                        decided.append(_about(found, masking, record_hash(written, place.raw)))
                    return written

                def chosen(n: int, fault: Fault, name: str = file.name) -> bool:
                    if n % 1000 == 0 and time.monotonic() > self.end:
                        raise TimeoutError
                    return is_chosen(name, n, fault)

                layouts[file.name], written = write_records(opened, target, text, masking.header, chosen)
            sizes[file.name] = target.stat().st_size
            kept += written
            if found := self._corrections.about_file(file.name, file.sha256):
                decided.append(replace(found, sha256=sha256(target)))
        return Reduced(
            layouts=layouts,
            sizes=sizes,
            is_whole=kept == sum(self._counts.values()),
            corrections=self._decide(decided),
        )

    def _decide(self, decided: list[Correction]) -> str:
        """Write what was decided about the records that were written; return its hash."""
        if not self._corrections:
            return ""
        name = corrections_file(self._project, self.source, self.delivery.date).relative_to(self._project.data)
        target = self.folder / "data" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        add_corrections(target, decided, self._aside / "decided")
        return read_corrections(target).sha256

    def _extract(self, found: Reduced) -> None:
        """Extract what was written, where nothing else is."""
        project, delivery = self._project, self.delivery
        folder = self.folder / self.place
        if found.corrections:
            target = corrections_file(project, self.source, delivery.date)
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_file(self.folder / "data" / target.relative_to(project.data), target)
        layouts = {str(folder / name): layout for name, layout in found.layouts.items()}
        files = tuple(_here(folder / file.name, file) for file in delivery.files)
        given = replace(delivery, files=files, corrections=found.corrections)
        content = {delivery.date: self.plan.fingerprints[extract_key(delivery.source, delivery.date)]}
        project.data.mkdir(parents=True, exist_ok=True)
        source, ledger = reading(self.plan.catalog.sources[delivery.source], layouts), Ledger(project.ledger)
        try:
            lake.extract(project, source, [given], content, ledger, self.plan.run_id, self.before)
        finally:
            ledger.close()

    @property
    def _aside(self) -> Path:
        return self.folder.parent / "trial"

    @property
    def _project(self) -> Project:
        """The project with nothing in its data, which is raw/ as it is."""
        mine = self.plan.project
        settings = replace(mine.settings, data=str(self._aside), raw=str(mine.raw), retries=0)
        return replace(mine, settings=settings)


def _is_in(numbers: range, name: str, number: int, fault: Fault) -> bool:
    return number in numbers


def _about(correction: Correction, masking: Masking, hashed: str) -> Correction:
    """Return a decision about a record that is masked now."""
    text = correction.text if correction.action == DISCARD else masking.text(correction.text, "")
    return replace(correction, sha256=hashed, text=text)


def _here(path: Path, file: File) -> File:
    size, changed_ns, inode = state(path)
    return replace(file, path=path, size=size, changed_ns=changed_ns, inode=inode, sha256=sha256(path))
