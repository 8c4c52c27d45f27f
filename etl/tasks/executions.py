"""Which run a task belongs to that is asked for without one: that of the execution of Luigi it is asked for in.

Luigi asks a task for what it requires many times, in its workers' processes too. A task of somebody else that
requires `PublishedWarehouse()` must mean the same run each time, or each time another one would begin.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakKeyDictionary

from luigi.cmdline_parser import CmdlineParser
from luigi.worker import KeepAliveThread

from etl.plan.scope import Scope
from etl.run.active import new_run_id

#: The runs of each execution, by the project and the scope.
_runs: WeakKeyDictionary[object, dict[tuple[str, Scope], str]] = WeakKeyDictionary()
#: The runs that were joined to an execution.
_joined: set[str] = set()
#: The execution that was under way last, and its process, for the workers that are forked from it.
_last: tuple[int, object] = (0, None)


def run_id_of(project: str, scope: Scope | None, default: Scope) -> str:
    """Return the id of the run of this scope in the execution that is under way; without one, a new id.

    Without a scope, a task takes part in whatever run of the project there is; in a new one, it has the default.
    """
    execution = _execution()
    if execution is None:
        return new_run_id()
    runs = _runs.setdefault(execution, {})
    if scope is None:
        scope = next((known for place, known in runs if place == project), default)
    return runs.setdefault((project, scope), new_run_id())


def join(project: str, scope: Scope, run_id: str) -> None:
    """Let tasks that are asked for later, in the execution that is under way, belong to this run."""
    if run_id in _joined:
        return
    if execution := _execution():
        _joined.add(run_id)
        _runs.setdefault(execution, {}).setdefault((project, scope), run_id)


def _execution() -> object:
    """Return what lives as long as the command of Luigi, or its build(), that is under way; None if none is."""
    global _last
    pid, execution = _last
    if execution is not None and pid != os.getpid():
        return execution
    threads = (thread for thread in threading.enumerate() if isinstance(thread, KeepAliveThread))
    found = CmdlineParser.get_instance() or next(threads, None)
    _last = (os.getpid(), found)
    return found
