"""The options of Luigi tasks: what one lacks, or cannot be read, is a line and an exit code, not a traceback."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

import luigi
from luigi.parameter import MissingParameterException

log = logging.getLogger("etl")


class Asked(luigi.Task):
    """A task that can be asked for by its name; without an option that it needs, it says which one."""

    #: Whether it is done before the plan is fixed, so that it waits for none of the others.
    is_before_plan = False

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        """Return the values of the parameters; what is missing is said, with Luigi's code for a wrong option."""
        try:
            return super().get_param_values(params, args, kwargs)  # type: ignore[no-untyped-call]
        except MissingParameterException:
            needed = [
                name for name, item in params if name not in kwargs and not item.has_task_value(cls.__name__, name)
            ]
            options = ", ".join(f"--{name.replace('_', '-')}" for name in needed)
            log.error("%s needs %s. See luigi --module etl %s --help", cls.__name__, options, cls.__name__)
            raise SystemExit(2) from None


class DateParameter(luigi.DateParameter):
    """A date on the command line; what is none is a message and Luigi's exit code for a wrong option."""

    def parse(self, s: str) -> date:
        try:
            return super().parse(s)  # type: ignore[no-untyped-call, no-any-return]
        except ValueError:
            log.error("%r is not a date. Write it as YYYY-MM-DD, such as 2018-05-24.", s)
            raise SystemExit(2) from None


class DatesParameter(luigi.Parameter):
    """Dates with commas between them; see DateParameter."""

    def parse(self, s: str) -> str:
        return ",".join(str(DateParameter().parse(text)) for text in s.split(","))
