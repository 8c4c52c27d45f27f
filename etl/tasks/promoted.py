"""The task that publishes in one environment what another has published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import luigi

from etl.tasks import options as luigi_options
from etl.tasks import setup, targets
from etl.tasks.step import saying

if TYPE_CHECKING:
    from etl.operations.promotion import Promotion


class Promoted(luigi_options.Asked):
    """The generation that one environment has published, as that of another: the same bytes."""

    project = luigi.Parameter(positional=False, description="set by etl")
    source_env = luigi.Parameter(positional=False, description="the environment that has published it")
    target_env = luigi.Parameter(positional=False, description="the environment that is to have it")
    by = luigi.Parameter(default="", positional=False, description="who promotes; default: the user")
    reason = luigi.Parameter(default="", positional=False, description="why")

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        return super().get_param_values(params, args, {"project": setup.default_root(), **kwargs})

    def complete(self) -> bool:
        with saying():
            return self._promotion().is_done()

    def output(self) -> targets.PublishedFile:
        target = self._promotion().target
        return targets.PublishedFile(target, self.complete)

    def run(self) -> None:
        with saying("failed"):
            from etl.ledger import Ledger
            from etl.run.reporting import refresh_report

            promotion = self._promotion()
            promotion.promote(self.by, self.reason)
            refresh_report(promotion.target, Ledger(promotion.target.ledger))

    def _promotion(self) -> Promotion:
        # most nights promote nothing
        from etl.operations.promotion import promotion

        return promotion(self.project, self.source_env, self.target_env)
