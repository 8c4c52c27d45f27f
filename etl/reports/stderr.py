"""What etl says of its work, line by line on standard error: with the time, printable, painted on a terminal."""

from __future__ import annotations

import logging

from etl.errors import indented, printable_lines
from etl.reports.terminal import has_colours, painted


def log_to_stderr() -> None:
    """Have what is logged told on standard error, unless something else is told to listen."""
    log = logging.getLogger("etl")
    if not log.handlers:
        handler = Painting()
        handler.setFormatter(_Printable("%(asctime)s %(message)s", "%H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)


class Painting(logging.StreamHandler):  # type: ignore[type-arg]
    """To standard error, with red and amber words if it is a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return painted(text) if has_colours(self.stream) else text


class _Printable(logging.Formatter):
    """Lines that only etl can have begun: what others wrote is escaped, and every further line is indented."""

    def format(self, record: logging.LogRecord) -> str:
        return indented(printable_lines(super().format(record)))
