"""The task that asks sources beyond files what is new, before the plan is fixed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import luigi

from etl.plan.scope import Scope
from etl.run.active import ActiveRun
from etl.tasks import options as luigi_options
from etl.tasks import setup, targets
from etl.tasks.step import Step, saying


class Fetched(Step):
    """What a source said in this run: landed as a delivery, if there is anything new; several with commas."""

    is_before_plan = True
    source = luigi.Parameter(description="the source; several with commas")
    date = luigi_options.DateParameter(positional=False, description="the batch date; default: today")

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        return super().get_param_values(params, args, {"date": setup.default_date(), **kwargs})

    @classmethod
    def scope_of(cls, values: Mapping[str, Any]) -> Scope:
        return Scope(values["date"])

    @property
    def sources(self) -> list[str]:
        return self.source.split(",")  # type: ignore[no-any-return]

    def output(self) -> targets.DeliveredFiles:
        """Return the files of the deliveries of that date, by which nobody can tell whether anything was new."""
        files = (path for name in self.sources for path in self.active.files_of(name, self.date))
        return targets.DeliveredFiles(list(files), self.complete)

    def complete(self) -> bool:
        """Return whether every source was asked in this run; whether it answered, the run tells."""
        from etl.run import fetching

        with saying():
            run = self.active
            fetching.check_fetched(run.plan.catalog.sources, self.sources)
            return all(fetching.is_over(run, name, self.date) for name in self.sources)

    def do(self, run: ActiveRun) -> None:
        from etl.run import fetching

        fetching.fetch_in_run(run, self.sources, self.date)
        if not run.is_delivering:
            # it was asked for by itself
            fetching.check_fetches(run, self.sources, self.date)

    def deps(self) -> list[luigi.Task]:
        return []


def fetched_of(run: ActiveRun, source: str, day: date) -> dict[str, object]:
    """Return the parameters of the task that fetches a source, with those that are fetched together with it."""
    from etl.run import fetching

    due = {name: run.plan.catalog.sources[name] for name, days in run.awaited.items() if day in days}
    fetched = {name: of for name, of in due.items() if of.fetch is not None}
    group = next(names for names in fetching.groups(fetched) if source in names)
    return {"source": ",".join(group), "date": day}
