"""The progress of a run on a terminal: a tree of its steps while it goes on, and a table when it is over.

Elsewhere the plain lines of the log are enough. It costs no step anything: a thread looks at the ledger twice a
second, more seldom if the look takes long.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

from etl.errors import LedgerError, lasting, printable
from etl.ledger import Ledger
from etl.project import Project
from etl.reports.terminal import has_colours, is_ascii_only

if TYPE_CHECKING:
    from etl.run.progress import Group, Look, Part

_INTERVAL_SECONDS = 0.5
#: So many times as long as a look took, nobody looks again.
_REST = 40
#: So many steps of a kind are shown below it, and so wide is a bar at the most.
_NAMED, _BAR = 4, 30
_COLOURS = {"failed": "red", "skipped": "yellow", "running": "cyan", "done": "green"}

_is_asked_for = False
_shown: Display | None = None


@contextmanager
def asked_for() -> Iterator[None]:
    """Show the progress of the runs that begin meanwhile, if stderr is a terminal."""
    global _is_asked_for
    _is_asked_for = True
    try:
        yield
    finally:
        # what is shown stays until the run has ended, which may be at the end of the process
        _is_asked_for = False


def begin(project: Project, run_id: str, workers: int) -> None:
    """Show how a run goes on from now, if somebody wants to see it and there is a terminal to see it on."""
    global _shown
    if _shown is None and (_is_asked_for or project.settings.progress == "yes") and _can_show():
        _shown = Display(project, run_id, workers)
        _shown.start()


def leave() -> Display | None:
    """Take the tree off the terminal, if it is there; return what can still show how the run ended."""
    global _shown
    shown, _shown = _shown, None
    if shown:
        shown.stop()
    return shown


def _can_show() -> bool:
    if os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


class Display:
    """The terminal, and the thread that looks at the run."""

    def __init__(self, project: Project, run_id: str, workers: int) -> None:
        from rich.console import Console
        from rich.live import Live

        self._path, self._run_id, self._workers = project.ledger, run_id, workers
        self._console = Console(stderr=True, no_color=not has_colours(sys.stderr), highlight=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._is_plain = is_ascii_only(sys.stderr)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Show the tree, and let lines of the log stand above it."""
        # forked children must not touch the terminal: its lock may be taken at the moment of the fork
        os.register_at_fork(after_in_child=_forget)
        self._live.start()
        _log_to(sys.stderr)
        self._thread.start()

    def stop(self) -> None:
        """Take the tree away."""
        self._stop.set()
        self._thread.join()
        self._live.stop()
        _log_to(sys.stderr)

    def summary(self) -> None:
        """Print what each kind of step has done, as a table."""
        with suppress(LedgerError):
            from rich.text import Text

            for line in told(self._watch().look(), shutil.get_terminal_size().columns):
                self._console.print(Text(line), soft_wrap=True)

    def _watch(self) -> Any:
        from etl.run.progress import Watch

        return Watch(Ledger(self._path), self._run_id, self._workers)

    def _follow(self) -> None:
        from rich.text import Text

        watch = None

        def look() -> None:
            nonlocal watch
            watch = watch or self._watch()
            # asked for each time: a window may be given another size
            lines = tree(watch.look(), self._console.width, self._console.height, self._is_plain)
            text = Text("\n").join(Text(line, _COLOURS.get(outcome, "")) for line, outcome in lines)
            self._live.update(text, refresh=True)

        now_and_then(self._stop, look)


def now_and_then(stop: threading.Event, look: Callable[[], None]) -> None:
    """Call `look` twice a second until `stop` is set, more seldom if it takes long; a locked ledger can wait."""
    rest = 0.0
    while not stop.wait(max(_INTERVAL_SECONDS, rest)):
        began = perf_counter()
        with suppress(LedgerError):
            look()
        rest = (perf_counter() - began) * _REST


def _forget() -> None:
    global _shown
    if _shown:
        _shown = None
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        _log_to(sys.__stderr__)


def _log_to(stream: object) -> None:
    for handler in logging.getLogger("etl").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.stream = stream


def tree(look: Look, width: int, height: int, is_plain: bool) -> list[tuple[str, str]]:
    """Return the lines of the tree, each with the outcome that it tells; none is wider than `width`."""
    parts = [found for group in look.groups for found in _shown_of(group)]
    room = width - 1
    side = max(min(max((len(printable(name)) for name, _ in parts), default=0), width // 3), 4)
    # the least that is told is how many of how many: what there is no room for is left out as a whole
    told = next((texts for texts in map(_facts_of(parts), (3, 2, 1)) if _widest(texts) + side + 8 <= room), None)
    told = told or _facts_of(parts)(1)
    bar = min(_BAR, room - side - _widest(told) - 3)
    lines = [
        (f"{_name(name, side)} {_bar(part.share, bar, is_plain)}{text}"[:room].rstrip(), part.outcome)
        for (name, part), text in zip(parts, told, strict=True)
    ]
    left = f", about {lasting(look.left)} left" if look.left else ""
    lines.append((f"{lasting(look.seconds)}{left}"[:room], ""))
    return lines[-max(height - 1, 1) :]


def _shown_of(group: Group) -> list[tuple[str, Part]]:
    """Return the steps of a kind together, and below them what failed and what is under way, with their names."""
    told = [part for part in group.parts if part.name and part.outcome in ("running", "failed")]
    told.sort(key=lambda part: part.outcome != "failed")
    return [(group.whole.name, group.whole), *((f"  {part.name}", part) for part in told[:_NAMED])]


def _facts_of(parts: Sequence[tuple[str, Part]]) -> Callable[[int], list[str]]:
    """Return what tells so many facts of each step: how many of how many, the time, and rows a second."""

    def facts(number: int) -> list[str]:
        return ["  ".join(_facts(part)[:number]) for _, part in parts]

    return facts


def _facts(part: Part) -> list[str]:
    failed = ", failed" if part.outcome == "failed" else ""
    facts = [f"{part.done:,}/{part.total:,}{failed}"]
    if part.seconds:
        facts.append(lasting(part.seconds))
        if part.rows and part.seconds >= 1:
            facts.append(f"{part.rows / part.seconds:,.0f} rows/s")
    return facts


def _widest(texts: Sequence[str]) -> int:
    return max(map(len, texts), default=0)


def _name(name: str, side: int) -> str:
    name = printable(name)
    return f"{name if len(name) <= side else name[: side - 1] + '~':<{side}}"


def _bar(share: float, length: int, is_plain: bool) -> str:
    if length < 4:
        return ""
    full = round(share * length)
    return ("#" * full + "." * (length - full) if is_plain else "━" * full + "╌" * (length - full)) + " "


def told(look: Look, width: int) -> list[str]:
    """Return the lines of the table of what a run has done."""
    rows = [("step", "done", "took", "rows", "rejected")]
    for group in look.groups:
        whole = group.whole
        failed = sum(part.outcome == "failed" for part in group.parts)
        done = f"{whole.done:,} of {whole.total:,}" + (f", {failed:,} failed" if failed else "")
        figures = (f"{whole.rows:,}" if whole.rows else "", f"{whole.rejected:,}" if whole.rejected else "")
        rows.append((whole.name, done, lasting(whole.seconds), *figures))
    if len(rows) == 1:
        return []
    sizes = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(f"{cell:<{size}}" for cell, size in zip(row, sizes, strict=True)) for row in rows)
    return [line[:width].rstrip() for line in lines]
