"""A Luigi task in this process, whose side effects are counted: at one of them something happens.

    python runner.py PLAN.json Nightly --date 2018-05-27
    python runner.py PLAN.json etl env create dev

With `clock`, an ISO time, the night begins at that time.
PLAN has `at` (the number of the side effect; -1: none), `when` (before or after it), `do` (kill, stop, interrupt,
fail with `errno`, or copy the data to `to`) and `log`, a file for all of them, one JSON list a line. Effects are
what others, or this project after a loss of power, can see: renames, links, deletions, flushes, commits of the
ledger, what a transaction of models notes before its commit, what a model that learns is asked, and the beginning
and end of each step.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

PLAN = json.loads(Path(sys.argv[1]).read_text())
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGTERM, "interrupt": signal.SIGINT}
seen = 0


def happen(number, when, what):
    """Do what the plan says, if this is the side effect that it means."""
    if number != PLAN["at"] or when != PLAN["when"]:
        return
    if PLAN["do"] == "copy":
        # what vanishes meanwhile is not in the copy
        with suppress(shutil.Error):
            shutil.copytree(PLAN["data"], PLAN["to"], symlinks=True)
    elif PLAN["do"] == "fail":
        raise OSError(PLAN["errno"], os.strerror(PLAN["errno"]), what)
    else:
        os.kill(os.getpid(), SIGNALS[PLAN["do"]])


def watch(owner, name, describe):
    """Count calls of a function, and let things happen before and after them."""
    function = getattr(owner, name)

    def watched(*arguments, **options):
        global seen
        what = describe(*arguments, **options)
        if what is None:
            return function(*arguments, **options)
        seen += 1
        number = seen
        with open(PLAN["log"], "a") as log:
            log.write(json.dumps([number, name, *what]) + "\n")
        happen(number, "before", what[0])
        try:
            return function(*arguments, **options)
        finally:
            happen(number, "after", what[0])

    setattr(owner, name, watched)


def path_of(value):
    """Return a path as text, if it is one of the project's data."""
    text = os.path.abspath(os.readlink(f"/proc/self/fd/{value}") if isinstance(value, int) else os.fspath(value))
    inside = text.startswith(PLAN["data"] + "/") and "/raw/" not in text and "ledger.sqlite" not in text
    return text.removeprefix(PLAN["data"] + "/") if inside else None


def one(path, *_, **__):
    found = path_of(path)
    return None if found is None else [found]


def two(source, target, *_, **__):
    # of a link the source is a text, and of a path relative to it
    found = path_of(target)
    return None if found is None else [found, os.fspath(source).removeprefix(PLAN["data"] + "/")]


def raw(file, *_, **__):
    """Count the reading of a delivery."""
    number = file if isinstance(file, int) else file.fileno()
    return ["read"] if "/raw/" in os.readlink(f"/proc/self/fd/{number}") else None


class Clock(datetime):
    """A clock that shows the time of the plan when it is first looked at."""

    began = None

    @classmethod
    def now(cls, tz=None):
        cls.began = cls.began or time.monotonic()
        moment = datetime.fromisoformat(PLAN["clock"]) + timedelta(seconds=time.monotonic() - cls.began)
        return moment.astimezone(tz)


def main():
    """Watch what there is to watch, and run the task."""
    from etl.cli import main as cli
    from etl.ledger import Ledger, rows, spent
    from etl.project import project
    from etl.run import origin, recording, steps
    from etl.stages.published import retention
    from etl.stages.trained.training import Trainer
    from etl.tasks import graph as tasks

    if "clock" in PLAN:
        for module in (origin, recording, project, rows, spent, retention):
            module.datetime = Clock
    watch(hashlib, "file_digest", raw)
    watch(os, "pread", raw)
    for name in ("rename", "replace", "link", "symlink"):
        watch(os, name, two)
    for name in ("unlink", "fsync", "rmdir"):
        watch(os, name, one)
    watch(
        Ledger,
        "_many",
        lambda ledger, sql, rows, *also: ["ledger", sql, [str(row)[:200] for row in rows]],
    )
    for name in ("extract", "load", "transform", "audit", "publish"):
        watch(steps, name, lambda *_, step=name: [f"step {step}"])
    for name in ("train", "predict"):
        watch(Trainer, name, lambda *_, call=name, **__: [f"model {call}"])
    # after it is before the commit, which is C++
    watch(
        sys.modules["etl.stages.warehouse.transform"],
        "_write",
        lambda con, done, run_id: ["commit", *(item.build.model.name for item in done)],
    )
    command, *arguments = sys.argv[2:]
    if command == "etl":
        cli.cli(arguments)
    else:
        tasks.run_luigi([command, *arguments])


main()
