"""Extraction: records that keep the contract go to the lake, all others to quarantine; none is lost."""

from __future__ import annotations

import logging
import traceback
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from time import perf_counter
from types import MappingProxyType

from etl import engine
from etl.contract.masking import withheld
from etl.engine.limits import is_interrupt
from etl.engine.retries import is_transient
from etl.errors import EtlError, LedgerError, UnreadableError, traced
from etl.ledger import Ledger, Receipt
from etl.ledger.history import History, StepId
from etl.project import Project
from etl.project.files import flush_together
from etl.sources import Source
from etl.stages.lake import empty, in_blocks
from etl.stages.lake.careful import extract_carefully, refuse
from etl.stages.lake.clean import Opening, extract_clean
from etl.stages.lake.discards import discard_again
from etl.stages.lake.grouped import extract_small
from etl.stages.lake.in_time import failure, in_time
from etl.stages.lake.inputs import Input, Lines, open_file, which
from etl.stages.lake.place import Extracted, Extraction, folders, place, refusal, why_too_few
from etl.stages.lake.skipped import eaten, look
from etl.stages.lake.small import Smalls, is_small
from etl.stages.lake.unchanged import is_changed, read_unchanged
from etl.stages.raw import Delivery

log = logging.getLogger("etl")

#: Files are read together up to this size; more would not be faster, and a table of them is in memory.
_CHUNK_BYTES = 64 << 20
#: And up to this many deliveries, each of which is looked for in that table.
_CHUNK_DELIVERIES = 128


def extract(
    project: Project,
    source: Source,
    deliveries: Sequence[Delivery],
    content: Mapping[date, str],
    ledger: Ledger,
    run_id: str,
    before: Mapping[date, Receipt] = MappingProxyType({}),
    *,
    is_forced: bool = False,
) -> list[Receipt]:
    """Make each delivery a partition of the lake, or refuse it; return the receipts, which are written.

    `content` is the fingerprint of each date. What is wrong with one delivery stops no other: DeliveryError
    comes at the end and names every one that was not taken, or Crash if etl itself failed with one. In an
    optional source a refused one is taken: as a partition without rows. Where `before` has the receipt of rows
    that were accepted for its date, these stay. What `is_forced` is read and judged again, whatever is known of
    it.
    """
    alike: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        alike[source.since(delivery.date)].append(delivery)
    done: list[_Extractor] = []

    def receipts() -> list[Receipt]:
        return [receipt for extraction in done for receipt in extraction.receipts]

    with in_time(source, deliveries, receipts), engine.in_shared_memory(project) as con:
        for together in alike.values():
            held = source.at(together[0].date)
            extraction = Extraction(
                con=con, project=project, source=held, content=content, run_id=run_id, before=before
            )
            done.append(_Extractor(extraction=extraction, ledger=ledger, is_forced=is_forced))
            done[-1].take(together)
    if problems := [problem for extraction in done for problem in extraction.problems]:
        traces = [text for extraction in done for text in extraction.traces]
        raise failure(source, problems, traces, has_crashed=any(extraction.has_crashed for extraction in done))
    return receipts()


@dataclass(kw_only=True)
class _Extractor:
    """The deliveries of one extraction on their way: the sound ones together, the others one by one."""

    extraction: Extraction
    ledger: Ledger
    is_forced: bool = False
    problems: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    has_crashed: bool = False
    receipts: list[Receipt] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)
    #: Sound deliveries that wait for more of the same layout.
    waiting: dict[object, list[Opening]] = field(default_factory=lambda: defaultdict(list))
    changed: list[Delivery] = field(default_factory=list)
    #: What failed for a reason that passes by itself, by date, with what is to be said if it does not.
    passing: dict[date, tuple[Delivery, Exception, str]] = field(default_factory=dict)
    attempts: int = 1
    #: Whether there is so much to read that Arrow is worth its import.
    is_worth_blocks: bool = False

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Extract deliveries, those that fail for a reason that passes more than once; note what is wrong."""
        left = list(deliveries)

        def attempt() -> None:
            self.passing = {}
            self.problems += map(str, read_unchanged(self.run, left, note))
            if self.passing:
                left[:] = [delivery for delivery, _, _ in self.passing.values()]
                raise next(error for _, error, _ in self.passing.values())

        step = StepId("extract", self.extraction.source.name)

        def note(_: object = None) -> None:
            self.attempts += 1
            with suppress(LedgerError):
                History(self.ledger).tried(self.extraction.run_id, [step], self.attempts)

        try:
            engine.retried(attempt, self.extraction.project.settings.retries, str(step), note)
        except Exception:
            if not self.passing:
                raise
        self.problems += [problem for _, _, problem in self.passing.values()]

    def run(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Extract deliveries; return those that changed meanwhile, of which nothing was taken."""
        self.changed = []
        self.is_worth_blocks = sum(delivery.size for delivery in deliveries) >= in_blocks.LEAST_BYTES
        for delivery in deliveries:
            with self._noting(delivery):
                self._take(delivery)
        for layout in list(self.waiting):
            self._extract_clean(self.waiting.pop(layout))
        return self.changed

    def _take(self, delivery: Delivery) -> None:
        """Open one delivery: refuse it, let it wait for others like it, or extract it alone."""
        if not self.is_forced and (receipt := discard_again(self.extraction, delivery)):
            return self._write([receipt])
        if opening := self._small(delivery):
            return self._wait(opening, self._layout(opening))
        opening = self._opened(delivery)
        if opening is None:
            return
        if problem := self._problem(opening):
            return self._alone(opening, problem)
        with self._closing_on_error(opening):
            looked = look(self.extraction, delivery, opening.inputs)
        opening = Opening(delivery, looked.inputs)
        # a file without records was left out by the plan, unless a skipped line looked like one
        if not opening.records and self.extraction.source.empty == "skip":
            looked.problem = "it has no records, but a line that it skips by its number looks like one"
        if looked.problem:
            return self._alone(opening, looked.problem)
        layout = self._layout(opening)
        if layout is None or opening.delivery.corrections:
            return self._alone(opening)
        self._wait(opening, layout)

    def _small(self, delivery: Delivery) -> Opening | None:
        """Return a small delivery that is known to be sound from one reading of it."""
        return self._smalls.taken(delivery) if self.is_worth_blocks and self._is_for_blocks else None

    @cached_property
    def _smalls(self) -> Smalls:
        return Smalls(self.extraction.source)

    def _wait(self, opening: Opening, layout: object) -> None:
        waiting = self.waiting[layout]
        size = sum(item.delivery.size for item in waiting) + opening.delivery.size
        if waiting and (size > _CHUNK_BYTES or len(waiting) == _CHUNK_DELIVERIES):
            self._extract_clean(self.waiting.pop(layout))
        self.waiting[layout].append(opening)

    def _layout(self, opening: Opening) -> object:
        """Return what deliveries have in common that can be extracted together; None for one to be alone."""
        if not self._can_be_in_blocks(opening):
            return opening.layout
        layouts = {in_blocks.layout(file) for file in opening.inputs}
        is_large = opening.delivery.size > in_blocks.LARGE_BYTES
        has_broken = any(file.opened.broken for file in opening.inputs)
        return None if is_large or has_broken or len(layouts) > 1 else ("in blocks", next(iter(layouts)))

    def _can_be_in_blocks(self, opening: Opening) -> bool:
        return self.is_worth_blocks and self._is_for_blocks and in_blocks.can_take(opening.inputs)

    @cached_property
    def _is_for_blocks(self) -> bool:
        return in_blocks.is_for(self.extraction.source)

    def _opened(self, delivery: Delivery) -> Opening | None:
        inputs: list[Input] = []
        try:
            for number, file in enumerate(delivery.files):
                inputs.append(open_file(self.extraction.project, self.extraction.source, delivery, file, number))
        except Exception as error:
            for opened in inputs:
                opened.close()
            if not isinstance(error, UnreadableError) or is_transient(error):
                raise
            self._finish(Extracted(delivery=delivery, records=0, told=Lines(), refused=str(error)))
            return None
        return Opening(delivery, inputs)

    def _problem(self, opening: Opening) -> str:
        """Return why a delivery is refused as a whole; empty if it is not."""
        source = self.extraction.source
        for file in opening.inputs:
            # what stands where a header should be can be a person's record
            if problem := file.problem(self.extraction.redactor(file).header(file.opened.columns)):
                return which(opening.inputs, file) + problem + eaten(file)
            if problem := empty.refusal(source, file.records):
                return which(opening.inputs, file) + problem
        return opening.delivery.problem if opening.records else ""

    def _alone(self, opening: Opening, problem: str = "") -> None:
        with self._closing(opening), self._noting(opening.delivery):
            if problem:
                for file in opening.inputs:
                    file.opened.verify()
                self._finish(refuse(self.extraction, opening.delivery, opening.inputs, problem))
            else:
                may_be = self._can_be_in_blocks(opening)
                self._finish(extract_carefully(self.extraction, opening.delivery, opening.inputs, may_be))

    @contextmanager
    def _closing(self, opening: Opening) -> Iterator[None]:
        try:
            yield
        finally:
            for file in opening.inputs:
                file.close()

    @contextmanager
    def _closing_on_error(self, opening: Opening) -> Iterator[None]:
        try:
            yield
        except BaseException:
            with self._closing(opening):
                raise

    def _extract_clean(self, chunk: Sequence[Opening]) -> None:
        results: Sequence[Extracted | None]
        try:
            extract = extract_small if self._can_be_in_blocks(chunk[0]) else extract_clean
            results = [self._wanted(result) for result in extract(self.extraction, chunk)]
        except Exception as error:
            if is_interrupt(error):
                raise
            # one of them is the cause: alone, each gets its own verdict
            results = [None] * len(chunk)
        self._place([extracted for extracted in results if extracted])
        for opening, result in zip(chunk, results, strict=True):
            if result is None:
                self._again(opening)
            else:
                with self._closing(opening):
                    pass

    def _again(self, opening: Opening) -> None:
        """Extract one alone that could not be taken with others."""
        if not is_small(opening):
            return self._alone(opening)
        with self._noting(opening.delivery), self._closing(opening):
            if whole := self._opened(opening.delivery):
                self._alone(whole)

    def _wanted(self, result: Extracted | None) -> Extracted | None:
        """Return what was extracted; None if it has too few rows, which the careful way explains."""
        if result and why_too_few(self.extraction, result.delivery, records=result.records, rows=result.rows):
            return None
        return result

    def _place(self, results: Sequence[Extracted]) -> None:
        """Move the rows of many partitions into place, on the disk before and after, and write the receipts."""
        flush_together([extracted.rows_file for extracted in results if extracted.rows_file])
        receipts, touched = [], set()
        for extracted in results:
            if receipt := self._placed(extracted):
                receipts.append(receipt)
                touched.update(folders(self.extraction, extracted))
        flush_together(touched)
        if receipts:
            self._write(receipts)

    def _placed(self, extracted: Extracted) -> Receipt | None:
        with self._noting(extracted.delivery):
            return place(self.extraction, extracted, is_flushed=True)
        return None

    def _finish(self, extracted: Extracted) -> None:
        receipt = place(self.extraction, extracted)
        # what a person discarded as a whole is left out by their word
        if extracted.refused and not self.extraction.source.optional and not extracted.is_discarded:
            self.problems.append(refusal(self.extraction, extracted, receipt))
        else:
            self._write([receipt])

    def _write(self, receipts: Sequence[Receipt]) -> None:
        """Write the receipts of what was done since the last ones; they share the time that it took."""
        now = perf_counter()
        tried = {"attempts": self.attempts} if self.attempts > 1 else {}
        timed = [
            replace(r, seconds=(now - self.started) / len(receipts), details={**r.details, **tried})
            for r in receipts
        ]
        self.started = now
        self.ledger.write(*timed)
        self.receipts += timed

    @contextmanager
    def _noting(self, delivery: Delivery) -> Iterator[None]:
        """Keep a failure of one delivery as a problem, named by source, date and file."""
        import duckdb

        try:
            yield
        except Exception as error:
            if is_interrupt(error):
                raise
            self.traces.append(traced(error))
            where = f"{delivery.source} {delivery.date}: {delivery.file}"
            if is_transient(error):
                cause = withheld(self.extraction.source.contract, error)
                problem = str(error) if isinstance(error, EtlError) else f"{where} could not be extracted: {cause}"
                self.passing[delivery.date] = (delivery, error, problem)
            elif is_changed(delivery):
                self.changed.append(delivery)
            elif isinstance(error, EtlError):
                text = str(error)
                is_named = f"{delivery.source} {delivery.date}" in text
                self.problems.append(text if is_named else f"{where}: {text}")
            else:
                cause = withheld(self.extraction.source.contract, error)
                if not isinstance(error, duckdb.Error | OSError):
                    self.has_crashed = True
                    # without the error's own text, which can quote personal data
                    log.error("%s\n%s", where, "".join(traceback.format_tb(error.__traceback__)).rstrip())
                    cause = f"{type(error).__name__}: {cause}"
                self.problems.append(f"{where} could not be extracted: {cause}")
