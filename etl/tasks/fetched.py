"""The task that asks sources beyond files what is new, before the plan is fixed."""

from __future__ import annotations

from datetime import date

import luigi

from etl.run import fetching
from etl.run.active import ActiveRun
from etl.tasks import options as luigi_options
from etl.tasks.step import Step


class Fetched(Step):
    """What a source said in this run: landed as a delivery, if there is anything new; several with commas."""

    is_before_plan = True
    source = luigi.Parameter()
    date = luigi_options.DateParameter()

    @property
    def sources(self) -> list[str]:
        return self.source.split(",")  # type: ignore[no-any-return]

    def complete(self) -> bool:
        """Return whether every source was asked in this run; whether it answered, the run tells."""
        return all(fetching.is_over(self.active, name) for name in self.sources)

    def run(self) -> None:
        """Ask, and land what is new."""
        self.active.watch_parent()
        self.do(self.active)

    def do(self, run: ActiveRun) -> None:
        fetching.fetch_in_run(run, self.sources, self.date)

    def deps(self) -> list[luigi.Task]:
        return []


def fetched_of(run: ActiveRun, source: str, day: date) -> dict[str, object]:
    """Return the parameters of the task that fetches a source, with those that are fetched together with it."""
    due = {name: run.plan.catalog.sources[name] for name, days in run.awaited.items() if day in days}
    fetched = {name: of for name, of in due.items() if of.fetch is not None}
    group = next(names for names in fetching.groups(fetched) if source in names)
    return {"source": ",".join(group), "date": day}
