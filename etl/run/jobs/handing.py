"""Partitions of models that workers build: handed out as jobs, and the files that come back are taken in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from etl.engine.parquet_types import stored_as
from etl.engine.quoting import identifier, paths, qualified
from etl.errors import StepError, TransformError, counted, sentence
from etl.ledger import Ledger
from etl.project import Project
from etl.project.files import sha256
from etl.run.jobs import alike, giving
from etl.run.jobs.extraction import divided, share
from etl.run.jobs.making import parts_folder
from etl.run.jobs.part import PartAnswer, PartJob
from etl.run.jobs.readable import Inputs, Readable, uses, why_here
from etl.run.jobs.whole import is_spark, make_whole
from etl.run.jobs.witness import chosen_of, testify_part

if TYPE_CHECKING:
    import duckdb

    from etl.plan import Plan
    from etl.stages.warehouse import Build

#: Fewer partitions are built by the run: it does one of them anyway, as a witness.
FEWEST = 2


class Part(NamedTuple):
    """A partition of a model with the bytes that it is built from."""

    date: date
    size: int


def elsewhere(project: Project, plan: Plan, ledger: Ledger) -> Elsewhere | None:
    """Return who builds partitions of models for a run; None if it does so itself."""
    return Elsewhere(project=project, plan=plan, ledger=ledger) if project.settings.executor else None


@dataclass(kw_only=True)
class Elsewhere:
    """Has partitions of models built by the workers of the project's executor; see Build."""

    project: Project
    plan: Plan
    ledger: Ledger
    #: How many partitions of each model were handed out.
    handed: dict[str, int] = field(default_factory=dict)
    #: The models that Spark has computed as a whole.
    wholes: set[str] = field(default_factory=set)
    _readable: Readable | None = None

    def takes(self, con: duckdb.DuckDBPyConnection, build: Build, days: Iterable[date]) -> list[date]:
        """Return those of the partitions of a model that jobs can build."""
        sources, models = self.plan.catalog.sources, self.plan.models
        if why_here(build.model, models, sources):
            return []
        inputs, readable = Inputs.of(build.model, models, sources), self._files(con)
        if not all(readable.is_same(source, readable.days(source)) for source in inputs.whole):
            return []
        daily = replace(inputs, whole=[])
        found = [
            day
            for day in sorted(days)
            if all(readable.is_same(source, needed) for source, needed in daily.needed(readable, [day]))
        ]
        return found if len(found) >= FEWEST else []

    def insert(self, con: duckdb.DuckDBPyConnection, build: Build, days: Sequence[date]) -> None:
        """Put the rows of partitions that takes() returned into the table of a model, which has none of them.

        One of them is built here too. Raises TransformError if a worker is not as it must be, or its rows are not
        those that are built here.
        """
        model, url = build.model, self.project.settings.executor
        jobs = list(self._jobs(con, build, days))
        try:
            answers = [PartAnswer.of(text) for text in giving.answers(self.project, self.ledger, jobs)]
            for answer in answers:
                self._check(build, answer)
            files = [parts_folder(self.project) / job.target for job in jobs]
            columns = ", ".join(
                f"cast({identifier(name)} as {type}) as {identifier(name)}" for name, type in model.stored
            )
            con.execute(
                f"insert into {qualified(model.name)} by name "
                f"select {columns} from read_parquet({paths(files)}, hive_partitioning = false)"
            )
            chosen = days[chosen_of(self.plan.run_id, len(days))]
            testify_part(con, model, chosen, url)
            for file in files:
                file.unlink(missing_ok=True)
        except TransformError:
            raise
        except StepError as error:
            raise TransformError(f"{model.place} could not be built: {sentence(str(error))}") from error
        self.handed[model.name] = len(days)

    def make(self, con: duckdb.DuckDBPyConnection, build: Build) -> int | None:
        """Make the table of a model with `engine: spark`; return its rows, or None if no Spark is the executor."""
        if not build.model.spark or not is_spark(self.project.settings.executor):
            return None
        rows = make_whole(self.project, con, build.model, self.plan.run_id)
        self.wholes.add(build.model.name)
        return rows

    def told(self, model: str) -> str:
        """Return what is to be said of a model beside how it was built; empty if nobody else built any of it."""
        if model in self.wholes:
            return f" by {self.project.settings.executor}"
        count = self.handed.get(model)
        return f" with {counted(count, 'partition')} on {self.project.settings.executor}" if count else ""

    def _files(self, con: duckdb.DuckDBPyConnection) -> Readable:
        if self._readable is None or self._readable.con is not con:
            outdated = {name: taken.outdated for name, taken in self.plan.taken.items()}
            receipts = self.ledger.receipts()
            self._readable = Readable(con=con, project=self.project, receipts=receipts, outdated=outdated)
        return self._readable

    def _jobs(self, con: duckdb.DuckDBPyConnection, build: Build, days: Sequence[date]) -> Iterator[PartJob]:
        """Yield the jobs of partitions: as many of them together as deliveries are."""
        model, models, readable = build.model, self.plan.models, self._files(con)
        inputs = Inputs.of(model, models, self.plan.catalog.sources)
        daily = replace(inputs, whole=[])
        sized = [
            Part(
                day,
                sum(readable.size(source, d) for source, needed in daily.needed(readable, [day]) for d in needed),
            )
            for day in days
        ]
        for together in divided(sized):
            given = [part.date for part in together]
            yield PartJob(
                project=self.project.identity,
                model=model.name,
                sql=model.sql,
                columns=[(name, stored_as(type, is_wide=True)) for name, type in model.stored],
                partition=model.header.partition,
                days=[str(day) for day in given],
                uses=uses(model, models),
                tables=[readable.read(source, needed) for source, needed in inputs.needed(readable, given)],
                memory_limit=share(self.project),
                worker=self._alike,
            )

    @cached_property
    def _alike(self) -> Mapping[str, str]:
        return alike.machine(self.project)

    def _check(self, build: Build, answer: PartAnswer) -> None:
        """Raise TransformError, or what DuckDB said there, for an answer that is no receipt of a file here."""
        import duckdb

        model, url = build.model, self.project.settings.executor
        if answer.refused:
            raise TransformError(
                f"{model.place} could not be built: {url}: {answer.refused} Nothing it made is taken."
            )
        if answer.problem:
            # it is said as if DuckDB had said it here
            raise duckdb.Error(answer.problem)
        file = parts_folder(self.project) / answer.target
        if not file.is_file() or file.stat().st_size != answer.size or sha256(file) != answer.sha256:
            raise TransformError(
                f"{model.place} could not be built: {file}, which a worker of {url} has made, is not here, or "
                "holds something else here. Does every worker see the same folders?"
            )
