"""Corrections applied: the discarded records left out, and the texts to read in the place of the replaced ones.

A correction is about a record that would be in quarantine without any; what keeps the contract is not touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from etl.errors import UnreadableError, few
from etl.sources.formats import Fault
from etl.sources.formats.splitter import line_ends
from etl.stages.lake.corrections import DISCARD, WHOLE_FILE, Correction, Corrections, record_hash
from etl.stages.lake.inputs import Input, reopened
from etl.stages.lake.place import Extraction, scratch_file
from etl.stages.lake.rejects import REFUSED_RULE, Item, Rejects, corrected
from etl.stages.lake.sound import Broken, Change
from etl.stages.lake.tally import Reject
from etl.stages.raw import Delivery


class Decided(NamedTuple):
    """A rejected record and the decision about it."""

    item: Item
    correction: Correction


class Corrected:
    """The decided records of a delivery, of those that are rejected without decisions, or of `everything`."""

    def __init__(
        self,
        extraction: Extraction,
        delivery: Delivery,
        rejects: Rejects,
        corrections: Corrections,
        everything: bool,
    ) -> None:
        self._extraction, self._delivery, self._files = extraction, delivery, rejects.inputs
        self._rejects = rejects
        items = rejects.everything() if everything else rejects.items()
        self.decided = list(_decided(rejects.inputs, corrections, items))
        #: What is wrong with texts that are no records, by the place of the decision in `decided`.
        self._unfit: dict[int, str] = {}
        self._replaced: list[Input] = []
        self._origins: list[list[int]] = []
        for number, file in enumerate(self._files):
            self._read(number, file)

    @property
    def discarded(self) -> int:
        """How many records are discarded."""
        return sum(decided.correction.action == DISCARD for decided in self.decided)

    @property
    def used(self) -> set[tuple[str, int, str]]:
        """The keys of the corrections that are about something."""
        return {decided.correction.key for decided in self.decided}

    def change(self, broken: Mapping[int, Broken]) -> Change:
        """Return what becomes of the sound records; `broken` are the rules that they break without decisions."""
        excluded: dict[int, list[int]] = {}
        for item, _ in self.decided:
            if item.record is not None:
                excluded.setdefault(item.file, []).append(item.record)
        return Change(self._replaced, excluded, {number: list(names) for number, names in broken.items()})

    def outcome(
        self, rejects: Rejects, broken: Mapping[int, Broken]
    ) -> tuple[list[Reject], dict[tuple[str, int, str], str]]:
        """Return the entries of the decided records that stay, and what is wrong with those that were replaced.

        `broken` are the rules that the records now break; `rejects` knows these.
        """
        failed = {number: rejects.verdict(problem, ()) for number, problem in self._unfit.items()}
        for position, origins in enumerate(self._origins, len(self._files)):
            failed |= {origins[n]: rejects.verdict("", names) for n, names in broken.get(position, {}).items()}
        entries, again = [], {}
        for number, (item, correction) in enumerate(self.decided):
            own = self._rejects.reject(item)
            if correction.action == DISCARD:
                entries.append(own._replace(rule=own.rule or REFUSED_RULE, discarded=correction.reason))
            elif number in failed:
                rule, column, again[correction.key] = failed[number]
                message = f"{corrected(correction)}, but {again[correction.key]}"
                entries.append(own._replace(rule=rule, column_name=column, message=message))
        return entries, again

    def close(self) -> None:
        """Delete the texts."""
        for position, file in enumerate(self._replaced):
            file.opened.close()
            self._path(position).unlink(missing_ok=True)

    def _read(self, number: int, file: Input) -> None:
        """Make one input of all texts for records of one file; those that are no record are unfit."""
        replaced = {
            n: correction.text
            for n, (item, correction) in enumerate(self.decided)
            if item.file == number and correction.action != DISCARD
        }
        if not replaced:
            return
        opened = self._opened(file, replaced)
        if (
            opened is None
            or _texts(opened) != [text.strip() for text in replaced.values()]
            or self._problem(opened)
        ):
            self._unfit |= {n: why for n, text in replaced.items() if (why := self._unfitness(file, text))}
            replaced = {n: text for n, text in replaced.items() if n not in self._unfit}
            if opened:
                opened.opened.close()
            opened = self._opened(file, replaced) if replaced else None
        if opened:
            self._replaced.append(opened)
            self._origins.append(list(replaced))

    def _unfitness(self, file: Input, text: str) -> str:
        """Return what is wrong with the shape of a text alone."""
        opened = self._opened(file, {-1: text})
        if opened is None:
            return "it cannot be read"
        try:
            found = list(opened.opened.everything())
            problem = self._problem(opened)
        finally:
            opened.opened.close()
        if len(found) != 1:
            return f"it is not one record but {len(found)}"
        return found[0].problem or problem

    def _problem(self, opened: Input) -> str:
        return opened.problem(self._extraction.redactor(opened).header(opened.opened.columns))

    def _opened(self, file: Input, texts: Mapping[int, str]) -> Input | None:
        """Return the texts as an input; each is of a decided record by its number, or of none."""
        path = self._path(len(self._replaced))
        lines, line = {}, 1
        with path.open("w", encoding="utf-8", newline="") as target:
            for number, text in texts.items():
                target.write(f"{text}\n")
                if number >= 0:
                    lines[line] = self.decided[number][0].fault.place.line
                line += line_ends(f"{text}\n".encode("utf-8", "surrogatepass"))
        with suppress(UnreadableError):
            opened = reopened(file, path, path.with_name(f"{path.name}.records"), lines)
            opened.opened.verify()
            return opened
        return None

    def _path(self, position: int) -> Path:
        return scratch_file(self._extraction.project, f"corrected-{position}", self._delivery, "txt")


def why_without_effect(
    files: Sequence[Input], corrections: Corrections, used: Collection[tuple[str, int, str]]
) -> dict[str, str]:
    """Return what those corrections are about that are about no rejected record, and why not."""
    return {each.name: _without_effect(files, each) for each in corrections if each.key not in used}


def _without_effect(files: Sequence[Input], correction: Correction) -> str:
    file = next((file for file in files if file.file.name == correction.file), None)
    if file is None:
        return f"its file is gone or renamed; the delivery is {few(file.file.name for file in files)}"
    if correction.line == WHOLE_FILE:
        is_same = file.file.sha256 == correction.sha256
        return "its partition is not refused any more" if is_same else "its file has another content now"
    places = (fault.place for fault in file.opened.everything())
    there = any(
        place.line == correction.line and record_hash(place.text, place.raw) == correction.sha256
        for place in places
        if place.line <= correction.line
    )
    return "its record keeps the contract" if there else "its record is not on that line of its file any more"


def _decided(files: Sequence[Input], corrections: Corrections, items: Iterable[Item]) -> Iterator[Decided]:
    for item in items:
        if found := corrections.about(files[item.file].file.name, item.fault.place):
            yield Decided(item, found)


def _texts(opened: Input) -> list[str] | None:
    """Return the records of an input, without the space around them; None if any is broken."""
    found: list[Fault] = list(opened.opened.everything())
    return None if any(fault.problem for fault in found) else [fault.place.text.strip() for fault in found]
