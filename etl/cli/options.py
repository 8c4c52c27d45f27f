"""What commands share: options that several have, and the opening of the project that they ask about."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import click

if TYPE_CHECKING:
    from etl.ledger import Ledger
    from etl.project import Project

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Day(click.ParamType):  # type: ignore[type-arg]
    """A date, as every date of etl is written."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the date that was typed."""
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2024-03-31.", param, ctx)


class DateRanges(tuple[tuple[date, date], ...]):
    """Dates, as ranges from the first to the last of each."""

    def __contains__(self, day: object) -> bool:
        """Return whether a date is in any of the ranges."""
        return isinstance(day, date) and any(first <= day <= last for first, last in self)


class Days(click.ParamType):  # type: ignore[type-arg]
    """Dates, separated by commas, and ranges of them: 2024-03-01,2024-04-01..2024-04-30."""

    name = "DATES"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> DateRanges:
        """Return the dates that were typed."""
        found = []
        for text in str(value).split(","):
            first, mark, last = text.partition("..")
            ends = [Day().convert(one.strip(), param, ctx) for one in ((first, last) if mark else (first, first))]
            if ends[0] > ends[1]:
                self.fail(f"{text!r} ends before it begins.", param, ctx)
            found.append((ends[0], ends[1]))
        return DateRanges(found)


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A length of time in seconds, written such as 90s, 5min, 4h or 1d; at most a year."""

    name = "TIME"
    _SECONDS: ClassVar = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
    _MOST = 366 * 86_400

    def __init__(self, least: float = 0) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds that were typed."""
        found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(s|min|h|d)", str(value))
        if not found:
            self.fail(f"{value!r} is not a length of time such as 90s, 5min, 4h or 1d.", param, ctx)
        seconds = float(found[1]) * self._SECONDS[found[2]]
        if not self._least <= seconds <= self._MOST:
            self.fail(f"{value!r} is not between {self._least:g}s and 366d.", param, ctx)
        return seconds


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, whole and exact.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def named(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return what completes a name of a kind that NAMES of etl/reports/known_names.py knows."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        from etl.errors import EtlError
        from etl.project import load_project
        from etl.reports.known_names import NAMES

        try:
            return [name for name in NAMES[kind](load_project()) if name.startswith(incomplete)]
        except (EtlError, OSError, ValueError):
            # a shell has no place for a message
            return []

    return complete


def select_option(help: str) -> Callable[[_Command], _Command]:
    """Return the option that takes a selection of models."""
    return click.option(
        "--select", "selection", default="", metavar="MODELS", shell_complete=named("model"), help=help
    )


def day_option(name: str, help: str) -> Callable[[_Command], _Command]:
    """Return an option that takes a date."""
    return click.option(name, type=Day(), help=help)


def workers_option() -> Callable[[_Command], _Command]:
    """Return the option that says how many processes do the steps of a run."""
    return click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        default=1,
        show_default=True,
        help="How many processes work at once.",
    )


def opened(*, is_reading: bool = True) -> tuple[Project, Ledger]:
    """Return the project to work in and its ledger; what only reads it takes a copy, which waits for no run."""
    from etl.ledger import Ledger
    from etl.project import load_project

    project = load_project()
    return project, Ledger(project.ledger, is_reading=is_reading)
