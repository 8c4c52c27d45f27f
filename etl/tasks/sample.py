"""The task that delivers the flights of the default project, as a sender would."""

from __future__ import annotations

import logging

from etl.project import load_project
from etl.tasks import options as luigi_options
from etl.tasks import targets
from etl.tasks.step import saying

log = logging.getLogger("etl")


class DeliveredSample(luigi_options.Asked):
    """The real flights of 2013 up to `until`, dropped into data/raw as a sender would."""

    until = luigi_options.DateParameter(positional=False, description="the last day to deliver, in 2013")

    def complete(self) -> bool:
        from etl.operations import sample_flights as sample

        with saying():
            return not sample.missing(load_project().raw, self.until)

    def output(self) -> list[targets.SampleFile]:
        from etl.operations import sample_flights as sample

        return [targets.SampleFile(path) for path in sample.deliveries(load_project().raw, self.until)]

    def run(self) -> None:
        from etl.operations import sample_flights as sample

        with saying():
            count = len(sample.deliver(load_project().raw, self.until))
        log.info("delivered %s files up to %s", f"{count:,}", self.until)
