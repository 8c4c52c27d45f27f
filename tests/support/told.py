"""Nights in this process, and what they tell: who would be sent what is kept, and nothing is sent."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any

import pytest

from etl.errors import EtlError
from etl.ledger.notices import Notice
from etl.plan import Scope
from etl.project import Project
from etl.project.channels import Channel
from etl.reports.notices import sending
from etl.run import active, steps, telling
from tests.support import tiny

ADDRESS = "json://user:canary-pass-41c7@127.0.0.1/hook"


class Told:
    """What was sent since it was last looked at; `refusals` are why channels take nothing, by their names."""

    def __init__(self) -> None:
        self.items: list[tuple[str, Notice]] = []
        self.refusals: dict[str, str] = {}

    def deliver(
        self, items: Sequence[tuple[int, Channel, Notice]], seconds: float = 0
    ) -> Iterator[tuple[int, str]]:
        """Stand for the process that sends."""
        for number, channel, notice in items:
            said = self.refusals.get(channel.name, "")
            if not said:
                self.items.append((channel.variable, notice))
            yield number, said

    def taken(self) -> list[tuple[str, Notice]]:
        """Return what was sent, and forget it."""
        found, self.items = self.items, []
        return found

    def messages(self) -> list[str]:
        """Return the titles and texts that were sent, and forget them."""
        return [f"{notice.title}\n{notice.body}" for _, notice in self.taken()]


@contextmanager
def telling_to(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[Told]:
    """Have everything told that is to be told, with these addresses; by default with one."""
    told = Told()
    for name in [name for name in os.environ if name.startswith(("ETL_NOTIFY", "ETL_PING"))]:
        monkeypatch.delenv(name)
    for name, value in (variables or {"ETL_NOTIFY": ADDRESS}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sending, "deliver", told.deliver)
    monkeypatch.setattr(telling, "_told", set())
    yield told


def night(project: Project, day: str, *, is_killed: bool = False, **scope: Any) -> str:
    """Do a night in this process, as the tasks do it, and return its outcome; one that is killed says nothing."""
    asked = Scope(date.fromisoformat(day), **scope)
    try:
        run = active.active_run(project.identity, active.new_run_id(), asked, True)
    except EtlError as error:
        return type(error).__name__
    if is_killed:
        run.finished = True
        active._active.pop(run.row.run_id)
        os.close(run.lock)
        return "killed"
    if run.same is None and not run.lacking:
        with suppress(EtlError):
            _work(run)
    run.finish()
    return run.row.outcome


def _work(run: active.ActiveRun) -> None:
    """Do what is stale; what fails is noted by the name of the task that would have done it."""
    plan = run.plan
    for source in plan.catalog.sources:
        if days := [delivery.date for delivery in plan.stale_partitions(source)]:
            step(run, "LakePartition", steps.extract, source, days)
    if sources := [key.name for key in plan.stale if key.step == "load"]:
        step(run, "LoadedTable", steps.load, sources)
    for key in plan.stale:
        if key.step == "transform":
            step(run, "BuiltModel", steps.transform, [key.name])
    if tiny.AUDIT in plan.stale:
        step(run, "AuditedWarehouse", steps.audit)
    if tiny.PUBLISH in plan.stale:
        step(run, "PublishedWarehouse", steps.publish)


def step(run: active.ActiveRun, task: str, do: Any, *arguments: Any) -> None:
    """Do a step as its task does: what fails is said and noted."""
    try:
        do(run, *arguments)
    except Exception as error:
        raise steps.failed(error, run, task, []) from error
