"""The records of a delivery that go to quarantine, each with its place, the rule that it broke, and the reason."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from typing import NamedTuple

from etl.contract import Rule
from etl.sources.formats import Fault
from etl.stages.lake.corrections import DISCARD, Correction, Corrections
from etl.stages.lake.inputs import Input
from etl.stages.lake.layout import BESIDE
from etl.stages.lake.place import Extraction
from etl.stages.lake.sound import Breach, Broken
from etl.stages.lake.tally import Reject
from etl.stages.lake.typing_sql import UNREADABLE

#: The rule of a record that has not the shape of one.
RECORD_RULE = "record"
#: The rule of all records of a partition that was refused as a whole.
REFUSED_RULE = "partition.refused"

#: What pandera says of a broken comparison.
_OPERATORS = {
    "greater_than": ">",
    "greater_than_or_equal_to": ">=",
    "less_than": "<",
    "less_than_or_equal_to": "<=",
    "equal_to": "=",
}
_COMPARISON = re.compile(rf"({'|'.join(_OPERATORS)})\((.*)\)", re.DOTALL)


class Item(NamedTuple):
    """A record of a delivery: the number of its file, its own among the sound ones there, the rules it breaks."""

    file: int
    record: int | None
    fault: Fault
    names: Sequence[Breach]


class Rejects:
    """The records that have no shape or break rules, read from the files as they are asked for.

    Those that a correction is about are left out; what became of them is in `corrected`.
    """

    def __init__(
        self,
        extraction: Extraction,
        inputs: Sequence[Input],
        rules: Mapping[str, Rule] | None = None,
        broken: Mapping[int, Broken] | None = None,
        corrections: Corrections | None = None,
        corrected: Sequence[Reject] = (),
    ) -> None:
        self.inputs, self._rules, self._broken = inputs, rules or {}, broken or {}
        self._redactors = [extraction.redactor(file) for file in inputs]
        self._corrections, self._corrected = corrections or Corrections(), corrected
        faults = sum(file.opened.broken for file in inputs)
        if self._corrections:
            faults = sum(1 for item in self._faults() if not self.correction(item))
        self.discarded = sum(reject.discarded is not None for reject in corrected)
        self.count = faults + sum(map(len, self._broken.values())) + len(corrected) - self.discarded

    def __iter__(self) -> Iterator[Reject]:
        yield from (self.reject(item) for item in self.items() if not self.correction(item))
        yield from self._corrected

    def items(self) -> Iterator[Item]:
        """Yield the records that have no shape or break rules, in the order of the files and their lines."""
        for number, file in enumerate(self.inputs):
            faults = (Item(number, None, fault, ()) for fault in file.opened.faults())
            yield from merge(faults, self._breaking(number), key=lambda item: item.fault.place.line)

    def everything(self) -> Iterator[Item]:
        """Yield every record of every file."""
        for number, file in enumerate(self.inputs):
            names, sound = iter(self._broken.get(number, {}).items()), 0
            record, broken = next(names, (None, ()))
            for fault in file.opened.everything():
                if fault.problem:
                    yield Item(number, None, fault, ())
                    continue
                yield Item(number, sound, fault, broken if sound == record else ())
                if sound == record:
                    record, broken = next(names, (None, ()))
                sound += 1

    def correction(self, item: Item) -> Correction | None:
        """Return what was decided about a record."""
        return self._corrections.about(self.inputs[item.file].file.name, item.fault.place)

    def reject(self, item: Item) -> Reject:
        """Return the quarantine entry of a record; its rule is empty if it is sound and breaks none."""
        file, place = self.inputs[item.file].file.name, self._redactors[item.file].place(item.fault)
        return Reject(file, place.line, *self.verdict(item.fault.problem, item.names), place.text, place.raw)

    def verdict(self, problem: str, broken: Sequence[Breach]) -> tuple[str, str | None, str]:
        """Return the first rule that a record broke, the rule's column, and what there is to say of all."""
        if problem:
            return RECORD_RULE, None, problem
        rules = [self._rules[breach.rule] for breach in broken]
        values = dict(broken)
        unreadable = {rule.column for rule in rules if rule.name.endswith(UNREADABLE)}
        # a cell that is no value of its type is null by now; what other rules say of that null is no news
        named = [rule for rule in rules if rule.name.endswith(UNREADABLE) or rule.column not in unreadable]
        message = "; ".join(_told(rule, values[rule.name]) for rule in named)
        rule = named[0] if named else Rule("", "")
        return rule.name, rule.column, message

    def _breaking(self, number: int) -> Iterator[Item]:
        names = self._broken.get(number, {})
        places = self.inputs[number].opened.places(array("q", names)) if names else iter(())
        for place, (record, broken) in zip(places, names.items(), strict=True):
            yield Item(number, record, Fault(place, ""), broken)

    def _faults(self) -> Iterator[Item]:
        for number, file in enumerate(self.inputs):
            yield from (Item(number, None, fault, ()) for fault in file.opened.faults())


class Refused:
    """All records of a delivery that is refused; `again` says what is wrong with those that were replaced.

    Discarded is a record that a correction is about, and every record of a file that one is about as a whole.
    """

    def __init__(
        self, known: Rejects, corrections: Corrections, reason: str, again: Mapping[tuple[str, int, str], str]
    ) -> None:
        self._known, self._corrections, self.reason, self._again = known, corrections, reason, again
        self._whole = [corrections.about_file(file.file.name, file.file.sha256) for file in known.inputs]
        #: The corrections that are about something.
        self.used = {correction.key for correction in self._whole if correction}
        self.discarded = 0
        for item in known.everything() if corrections else ():
            found = self._correction(item)
            self.used |= {found.key} if found else set()
            self.discarded += self._discarded(item, found) is not None

    def __iter__(self) -> Iterator[Reject]:
        for item in self._known.everything():
            own, found = self._known.reject(item), self._correction(item)
            if (discarded := self._discarded(item, found)) is not None:
                yield own._replace(
                    rule=own.rule or REFUSED_RULE, message=own.message or self.reason, discarded=discarded
                )
                continue
            said = own.message
            if found:
                again = self._again.get(found.key, "")
                said = (
                    f"{corrected(found)}, but {again}" if again else f"{corrected(found)}; it waits for the others"
                )
            message = f"{self.reason}{BESIDE}{said}" if said else self.reason
            yield own._replace(rule=REFUSED_RULE, column_name=None, message=message, fault=own.rule or None)

    def _correction(self, item: Item) -> Correction | None:
        return self._corrections.about(self._known.inputs[item.file].file.name, item.fault.place)

    def _discarded(self, item: Item, found: Correction | None) -> str | None:
        found = found if found and found.action == DISCARD else self._whole[item.file]
        return found.reason if found else None


def _told(rule: Rule, value: str | None) -> str:
    """Return what there is to say of a broken rule, with the value that breaks it."""
    if value is None:
        return f"{rule.name}: {rule.message}" if rule.message else rule.name
    read = f"{rule.name}: {rule.column} = {value}"
    if found := _COMPARISON.fullmatch(rule.message):
        return f"{read} is not {_OPERATORS[found[1]]} {found[2]}"
    if rule.message.startswith(f"{rule.column} "):
        return read + rule.message.removeprefix(rule.column or "")
    return f"{read}: {rule.message}" if rule.message else read


def corrected(correction: Correction) -> str:
    """Return what messages say of a record whose text was replaced."""
    return f"corrected by {correction.by or 'somebody'} on {correction.at[:10] or 'a day unknown'}"
