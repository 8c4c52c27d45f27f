"""lake: records that keep the contract go to Parquet by date, all others to quarantine; none is lost."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from etl import engine
from etl.contract import Source
from etl.errors import DeliveryError, StepError, counted
from etl.keys import extract_key
from etl.ledger import Ledger, Receipt, stamp
from etl.project import Project
from etl.quoting import literal
from etl.stages.lake.careful import extract_carefully, refuse
from etl.stages.lake.clean import Proven, chunks, extract_clean
from etl.stages.lake.layout import partition_file
from etl.stages.lake.place import Batch, Extracted, definition, place
from etl.stages.raw import Delivery

if TYPE_CHECKING:
    import duckdb

__all__ = ["adopt", "definition", "extract", "partition_file"]


def extract(
    project: Project,
    source: Source,
    deliveries: Sequence[Delivery],
    content: Mapping[date, str],
    ledger: Ledger,
    run_id: str,
) -> list[Receipt]:
    """Make each delivery a partition of the lake, or refuse it; return the receipts, which are written.

    `content` is the fingerprint of each date. What is wrong with one delivery stops no other: DeliveryError
    comes at the end and names every one that was not taken. In an optional source a refused one is taken:
    as a partition without rows.
    """
    with engine.in_memory(project) as con:
        extraction = _Extraction(Batch(con, project, source, content, run_id), ledger)
        extraction.run(deliveries)
    if extraction.problems:
        raise DeliveryError("\n".join(extraction.problems))
    return extraction.receipts


def adopt(project: Project, sources: Sequence[Source]) -> list[Receipt]:
    """Return receipts for what lies in the lake, from the Parquet files' own metadata: a ledger was lost."""
    import duckdb

    receipts: list[Receipt] = []
    with engine.in_memory(project) as con:
        for source in sources:
            for path in sorted((project.lake / source.name).glob("*/data.parquet")):
                # what is no Parquet file of ours is extracted again
                with suppress(duckdb.Error, KeyError, ValueError):
                    receipts += _adopted(con, project, source, path)
    return receipts


def _adopted(con: duckdb.DuckDBPyConnection, project: Project, source: Source, path: Path) -> Iterator[Receipt]:
    query = f"select decode(key), decode(value) from parquet_kv_metadata({literal(str(path))})"
    values = dict(con.execute(query).fetchall())
    facts = json.loads(values["facts"])
    day = date.fromisoformat(values["date"])
    rejects = stamp(partition_file(project.quarantine, source, day))
    if rejects or not facts["rejected"]:
        details = {**facts, "refused": "", "lake": stamp(path), "quarantine": rejects}
        key = extract_key(source.name, day)
        yield Receipt(key, values["fingerprint"], values["run_id"], details=details)


@dataclass
class _Extraction:
    """The deliveries of one batch on their way: the proven ones together, the others one by one."""

    batch: Batch
    ledger: Ledger
    problems: list[str] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)
    careful: list[tuple[Delivery, tuple[str, ...]]] = field(default_factory=list)

    def run(self, deliveries: Sequence[Delivery]) -> None:
        for columns, proven in self._sorted(deliveries).items():
            for chunk in chunks(proven):
                self._extract_clean(columns, chunk)
        for delivery, columns in self.careful:
            with self._noting(delivery):
                self._finish(extract_carefully(self.batch, columns, delivery))

    def _sorted(self, deliveries: Sequence[Delivery]) -> dict[tuple[str, ...], list[Proven]]:
        """Return what is proven sound by its columns; the rest is refused or for the careful way."""
        source = self.batch.source
        proven: dict[tuple[str, ...], list[Proven]] = defaultdict(list)
        expected = [column.name for column in source.contract.columns]
        for delivery in deliveries:
            with self._noting(delivery):
                columns = tuple(source.format.columns(delivery.path, expected))
                if problem := _header_problem(source, columns):
                    self._finish(refuse(source, delivery, problem))
                    continue
                records = source.format.prove(delivery.path, len(columns))
                if records is None:
                    self.careful.append((delivery, columns))
                else:
                    proven[columns].append(Proven(delivery, records))
        return proven

    def _extract_clean(self, columns: tuple[str, ...], chunk: Sequence[Proven]) -> None:
        import duckdb

        results: Sequence[Extracted | None]
        try:
            results = extract_clean(self.batch, columns, chunk)
        except duckdb.Error:
            # one of them is the cause: alone, each gets its own verdict
            results = [None] * len(chunk)
        self.careful += [(i.delivery, columns) for i, r in zip(chunk, results, strict=True) if r is None]
        with ThreadPoolExecutor() as pool:
            placed = pool.map(self._placed, (extracted for extracted in results if extracted))
            self._write([receipt for receipt in placed if receipt])

    def _placed(self, extracted: Extracted) -> Receipt | None:
        with self._noting(extracted.delivery):
            return place(self.batch, extracted)
        return None

    def _finish(self, extracted: Extracted) -> None:
        receipt = place(self.batch, extracted)
        if extracted.refused and not self.batch.source.optional:
            delivery = extracted.delivery
            self.problems.append(
                f"{delivery.source} {delivery.date}: {delivery.file} is refused: {extracted.refused}. "
                f"Its {counted(extracted.records, 'record')}: in quarantine (etl quarantine {delivery.source}). "
                "Have the file delivered again, or adapt the contract or the source."
            )
        else:
            self._write([receipt])

    def _write(self, receipts: Sequence[Receipt]) -> None:
        """Write the receipts of what was done since the last ones; they share the time that it took."""
        now = perf_counter()
        timed = [replace(receipt, seconds=(now - self.started) / len(receipts)) for receipt in receipts]
        self.started = now
        self.ledger.write(*timed)
        self.receipts += timed

    @contextmanager
    def _noting(self, delivery: Delivery) -> Iterator[None]:
        """Keep a failure of one delivery as a problem, named by source, date and file."""
        import duckdb

        try:
            yield
        except StepError as error:
            self.problems.append(str(error))
        except (duckdb.Error, OSError) as error:
            where = f"{delivery.source} {delivery.date}: {delivery.file}"
            self.problems.append(f"{where} could not be extracted: {error}")


def _header_problem(source: Source, columns: Sequence[str]) -> str:
    """Return what is wrong with the columns that a file has; empty if nothing."""
    known = [column.name for column in source.contract.columns]
    missing = [c.name for c in source.contract.columns if c.required and c.name not in columns]
    extra = [name for name in columns if name not in known]
    header = f"the header found is {', '.join(columns)}" if columns else "the file has no header at all"
    if missing:
        return f"column {', '.join(map(repr, missing))} of the contract is missing: {header}"
    if extra:
        return f"column {', '.join(map(repr, extra))} is not in the contract: {header}"
    if len(set(columns)) < len(columns):
        return f"a column is there twice: {header}"
    return ""
