"""Reading beside the loop: in a few threads, each of which leaves every file as it is."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from time import monotonic
from typing import Any, TypeVar

from etl.ledger import Ledger
from etl.ledger.ledger import untouched
from etl.operations.serve.asked import Refusal
from etl.operations.serve.shell import PAGES
from etl.project import Project
from etl.reports.page.data import report_data
from etl.reports.page.document import document

_Found = TypeVar("_Found")

_THREADS, _MOST_WAITING = 4, 64
#: What is late depends on the clock too.
_REPORT_SECONDS = 30


@dataclass
class Reading:
    """The threads of a server; what asks too much is refused, and nothing piles up."""

    project: Project
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_THREADS, "etl-serve"), repr=False
    )
    _waiting: int = 0
    _: KW_ONLY
    _report: asyncio.Task[dict[str, str]] | None = None
    _report_of: tuple[object, float] = (None, 0.0)

    async def do(self, read: Callable[..., _Found], *given: Any) -> _Found:
        """Return what a function reads. Raises Refusal if too many wait."""
        if self._waiting >= _MOST_WAITING:
            raise Refusal(503, "Too many pages are asked for at once. Try again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _read, read, given)
        finally:
            self._waiting -= 1

    async def report(self, form: str) -> str:
        """Return the report as `html` or as `json`, made once for all who ask until the ledger changes."""
        state, at = self.state(), monotonic()
        known, then = self._report_of
        if self._report is None or state != known or at - then > _REPORT_SECONDS or _has_failed(self._report):
            self._report_of = (state, at)
            self._report = asyncio.ensure_future(self.do(_made, self.project))
        # who goes away must not take it from the others
        return (await asyncio.shield(self._report))[form]

    def state(self) -> object:
        """Return what differs when something was written to the ledger or published."""
        found: list[object] = []
        ledger = self.project.ledger
        for path in (ledger, ledger.with_name(f"{ledger.name}-wal"), self.project.warehouse):
            with suppress(OSError):
                facts = os.stat(path)
                found.append((str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns))
        return tuple(found)

    def stop(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _read(read: Callable[..., _Found], given: tuple[Any, ...]) -> _Found:
    with untouched():
        return read(*given)


def _made(project: Project) -> dict[str, str]:
    data = report_data(project, Ledger(project.ledger, is_reading=True))
    html = document(data, PAGES).encode("utf-8", "backslashreplace").decode()
    return {"html": html, "json": json.dumps(data, default=str)}


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
