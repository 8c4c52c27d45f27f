"""The task that tries parameters of a model that learns. It is never part of a night."""

from __future__ import annotations

import logging
from typing import Any

import luigi

from etl.ledger import Ledger
from etl.project import Project, load_project
from etl.tasks import options as luigi_options
from etl.tasks import setup, targets
from etl.tasks.step import saying

log = logging.getLogger("etl")


class Tuned(luigi_options.Asked):
    """The trials of a model's parameters on what is published: what they show is a proposal."""

    project = luigi.Parameter(positional=False, description="set by etl")
    name = luigi.Parameter(description="the model: that of ml/<name>.py")
    trials = luigi.IntParameter(default=20, positional=False, description="how many are tried, all told")

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        return super().get_param_values(params, args, {"project": setup.default_root(), **kwargs})

    def complete(self) -> bool:
        from etl.operations.ml.tune import is_tuned

        with saying():
            return is_tuned(self._project, Ledger(self._project.ledger), self.name, self.trials)

    def output(self) -> targets.Proposal:
        return targets.Proposal(self._project, self.name, self.complete)

    def run(self) -> None:
        from etl.operations.ml.tune import Asked, tune

        with saying("failed"):
            asked = Asked(trials=self.trials)
            tune(self._project, Ledger(self._project.ledger), self.name, asked, log.info)

    @property
    def _project(self) -> Project:
        return load_project(self.project)
