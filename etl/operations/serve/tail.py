"""What a run under way does and says, as it comes: its steps, and the lines of its log."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from etl.ledger.lock import holder
from etl.ledger.run_log import log_file
from etl.operations.serve.asked import Asked, plain
from etl.operations.serve.reading import Reading
from etl.operations.serve.views import is_under_way, line_text, step_cells
from etl.reports.history import find_run, run_details

_INTERVAL_SECONDS, _ALIVE_SECONDS, _STEPS_TICKS = 0.5, 15.0, 3
#: So much of what was said before is told at first, and so much at once later.
_BEFORE_BYTES, _BLOCK_BYTES = 64_000, 256_000


async def follow(asked: Asked, reading: Reading, place: int | None = None) -> AsyncIterator[tuple[str, Any]]:
    """Yield `line`, `steps` and at last `end`, each with its data; `alive` if there was nothing for a while.

    A line says where it ends in the log: a reader who was cut off goes on from that `place`.
    """
    run_id = (await reading.do(_found, asked)).run_id
    path = log_file(asked.project, run_id)
    place, state, quiet, ticks = _start(path) if place is None else place, None, 0.0, 0
    while True:
        # asked for first: what was said until then is told before the end
        goes_on = holder(asked.project) == run_id or await reading.do(is_under_way, asked, run_id)
        lines, place = await reading.do(read_on, path, place)
        for line in lines:
            yield "line", line
        # a run writes to its ledger all the time, and each look reads all of it
        if (ticks % _STEPS_TICKS == 0 or not goes_on) and (now := reading.state()) != state:
            state = now
            yield "steps", await reading.do(_steps, asked, run_id)
            quiet = 0.0
        if not goes_on and not lines:
            yield "end", None
            return
        quiet = 0.0 if lines else quiet + _INTERVAL_SECONDS
        if quiet >= _ALIVE_SECONDS:
            quiet = 0.0
            yield "alive", None
        ticks += 1
        await asyncio.sleep(_INTERVAL_SECONDS)


def read_on(path: Path, place: int) -> tuple[list[dict[str, Any]], int]:
    """Return the whole lines of a log from a place on, and the place behind them."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            block = file.read(_BLOCK_BYTES)
    except OSError:
        return [], place
    whole = block.rfind(b"\n") + 1 or (len(block) if len(block) == _BLOCK_BYTES else 0)
    found, end = [], place
    for text in block[:whole].splitlines(keepends=True):
        end += len(text)
        try:
            line = json.loads(text)
            found.append({"level": str(line.get("level", "")), "text": line_text(line), "place": end})
        except (ValueError, KeyError, AttributeError):
            # what a kill has cut off, and the end of a line that began before
            continue
    return found, place + whole


def _start(path: Path) -> int:
    try:
        return max(0, os.stat(path).st_size - _BEFORE_BYTES)
    except OSError:
        return 0


def _found(asked: Asked) -> Any:
    return find_run(asked.project, asked.ledger, plain(asked.names[0]))


def _steps(asked: Asked, run_id: str) -> list[list[str]]:
    return [list(cells) for cells in step_cells(run_details(asked.project, asked.ledger, run_id))]
