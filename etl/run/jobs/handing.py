"""Partitions of models that workers build: handed out as jobs, and the files that come back are taken in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from etl.engine.parquet_types import stored_as
from etl.engine.quoting import qualified
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
from etl.stages.warehouse.part_writing import rows_in
from etl.stages.warehouse.staged import Staged

if TYPE_CHECKING:
    import duckdb

    from etl.plan import Plan
    from etl.stages.warehouse import Build
    from etl.stages.warehouse.work import Day

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
        if why_here(build.model, self.plan.models, self.plan.catalog.sources):
            return []
        inputs = self._inputs(con, build)
        if not all(table.is_same(table.days()) for table in inputs.whole):
            return []
        daily = inputs.of_dates
        found = [
            day for day in sorted(days) if all(table.is_same(needed) for table, needed in daily.needed([day]))
        ]
        return found if len(found) >= FEWEST else []

    def insert(self, con: duckdb.DuckDBPyConnection, build: Build, days: Sequence[date]) -> None:
        """Put the rows of partitions that takes() returned into the table of a model, which has none of them.

        One of them is built here too. Raises TransformError if a worker is not as it must be, or its rows are not
        those that are built here.
        """
        made = self._made(con, build, self._divided(con, build, days))
        con.execute(
            f"insert into {qualified(build.model.name)} by name "
            f"{rows_in(build.model.stored, [one.path for one in made])}"
        )
        for one in made:
            one.path.unlink(missing_ok=True)

    def files(
        self, con: duckdb.DuckDBPyConnection, build: Build, together: Sequence[Sequence[Day]]
    ) -> list[Staged]:
        """Return the files of partitions that takes() returned; see insert().

        Those that are together have one, if it is not much that they are built from.
        """
        dated = ([day for day in days if day] for days in together)
        return self._made(con, build, [job for days in dated for job in self._divided(con, build, days)])

    def _divided(self, con: duckdb.DuckDBPyConnection, build: Build, days: Sequence[date]) -> list[list[date]]:
        """Return the partitions of each job."""
        daily = self._inputs(con, build).of_dates
        sized = [
            Part(day, sum(table.size(each) for table, needed in daily.needed([day]) for each in needed))
            for day in days
        ]
        return [[part.date for part in job] for job in divided(sized)]

    def _made(
        self, con: duckdb.DuckDBPyConnection, build: Build, together: Sequence[Sequence[date]]
    ) -> list[Staged]:
        """Return the file of each job, when the witness has seen one of their partitions."""
        model, url = build.model, self.project.settings.executor
        days = sorted(day for given in together for day in given)
        jobs = list(self._jobs(con, build, together))
        try:
            answers = [PartAnswer.of(text) for text in giving.answers(self.project, self.ledger, jobs)]
            made = [self._checked(build, answer) for answer in answers]
            chosen = days[chosen_of(self.plan.run_id, len(days))]
            testify_part(con, model, rows_in(model.stored, [one.path for one in made]), chosen, url)
        except TransformError:
            raise
        except StepError as error:
            raise TransformError(f"{model.place} could not be built: {sentence(str(error))}") from error
        self.handed[model.name] = len(days)
        return made

    def make(self, con: duckdb.DuckDBPyConnection, build: Build) -> int | None:
        """Make the table of a model with `engine: spark`; return its rows, or None if no Spark is the executor."""
        if not build.model.spark or not is_spark(self.project.settings.executor):
            return None
        rows = make_whole(self.project, con, build, self.ledger, self.plan.run_id)
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

    def _inputs(self, con: duckdb.DuckDBPyConnection, build: Build) -> Inputs:
        return Inputs.of(build.model, self.plan.models, self.plan.catalog.sources, self._files(con))

    def _jobs(
        self, con: duckdb.DuckDBPyConnection, build: Build, together: Sequence[Sequence[date]]
    ) -> Iterator[PartJob]:
        """Yield the jobs of partitions, each of those that are together."""
        model, inputs = build.model, self._inputs(con, build)
        for days in together:
            yield PartJob(
                project=self.project.identity,
                model=model.name,
                sql=model.sql,
                columns=[(name, stored_as(type, is_wide=not build.parts)) for name, type in model.stored],
                partition=model.header.partition,
                days=[str(day) for day in days],
                uses=uses(model, self.plan.models),
                tables=[table.read(needed) for table, needed in inputs.needed(days)],
                memory_limit=share(self.project),
                worker=self._alike,
            )

    @cached_property
    def _alike(self) -> Mapping[str, str]:
        return alike.machine(self.project)

    def _checked(self, build: Build, answer: PartAnswer) -> Staged:
        """Return the file of an answer. Raises TransformError, or what DuckDB said there, if it is not here."""
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
        return Staged(file, sha256=answer.sha256)
