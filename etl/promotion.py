"""Promotion: what one environment has published becomes that of another: the same bytes, no rebuild."""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property

from etl import engine
from etl.errors import ConfigError, PromotionRefused, counted
from etl.ledger import Approval, Ledger, now
from etl.project import Project, load_project
from etl.run import take_lock
from etl.stages import published
from etl.stages.published import Generation, Input

log = logging.getLogger("etl")

#: So many inputs are named.
_NAMED = 5
_FAILED = "select name from etl.checks where severity = 'error' and not passed order by name"
_AUDITED = "select count(*) from etl.checks"


@dataclass
class Promotion:
    """A promotion under way from one environment to another, on the word of somebody; the target is locked."""

    source: Project
    target: Project
    by: str
    reason: str
    lock: int = -1

    @property
    def name(self) -> str:
        """The generation to promote. Raises PromotionRefused if there is none, or if it is rolled back to."""
        name, hold = published.current(self.source), published.read_hold(self.source)
        if name is None:
            raise PromotionRefused(f"{self.source.environment_name} has published nothing that could be promoted.")
        if hold:
            raise PromotionRefused(
                f"{self.source.environment_name} is {hold.told}. Mend that first; or promote {hold.held} after "
                "`etl rollback` has made it the current one again."
            )
        return name

    def is_done(self) -> bool:
        """Return whether the target has that generation as its current one; else lock the target."""
        if published.current(self.target) == self.name:
            return True
        if self.lock < 0:
            self.lock = take_lock(self.target, f"promotion from {self.source.environment_name}")
        return False

    def promote(self) -> None:
        """Make the source's current generation that of the target. Raises PromotionRefused that says why not."""
        record = self._checked()
        origin = {
            "environment": self.source.environment_name,
            "by": self.by,
            "reason": self.reason,
            "at": now(),
            "git_commit": record.git_commit,
            "approvals": [asdict(approval) for approval in self._approvals],
        }
        ledger = Ledger(self.target.ledger)
        how = published.promote(self.source, self.target, ledger, replace(record, origin=origin))
        ledger.note_approvals(self._approvals)
        commit = f" (commit {record.git_commit[:10]})" if record.git_commit else ""
        log.info(
            "promoted generation %s%s from %s to %s: %s, the same bytes",
            *(record.generation, commit, self.source.environment_name, self.target.environment_name, how),
        )

    def _checked(self) -> Generation:
        record = published.read_record(self.source.generations / self.name)
        if record is None:
            raise PromotionRefused(
                f"generation {self.name} has no record of what it was made from; publish it anew."
            )
        problems = [*self._unaudited(), *self._newer_inputs(record), *self._lacking_approvals()]
        if problems:
            names = f"{self.name} of {self.source.environment_name}", self.target.environment_name
            raise PromotionRefused(f"{names[0]} is not promoted to {names[1]}:\n    " + "\n    ".join(problems))
        return record

    def _unaudited(self) -> Iterator[str]:
        """Yield what the generation's own file says against its audit."""
        with engine.reading(self.source, self.source.generations / self.name / published.FILE) as con:
            failed = [name for (name,) in con.execute(_FAILED).fetchall()]
            if not con.execute(_AUDITED).fetchall()[0][0]:
                yield "it was not audited: its etl.checks is empty"
        if failed:
            yield f"it did not pass its audit: {', '.join(failed[:_NAMED])}"

    def _newer_inputs(self, record: Generation) -> Iterator[str]:
        """Yield the inputs that the target has published, and would lose."""
        there = published.read_record(self.target.current)
        newer = [
            f"{source} {day} ({item.file})"
            for source, days in (there.inputs.items() if there else ())
            for day, item in days.items()
            if self._is_newer(item, day, record, record.inputs.get(source, {}))
        ]
        if newer:
            more = f" and {len(newer) - _NAMED:,} more" if len(newer) > _NAMED else ""
            names = ", ".join(newer[:_NAMED])
            yield (
                f"{self.target.environment_name} has newer inputs: {names}{more}. First run the night: "
                f"ETL_ENV={self.source.environment_name} luigi --module etl Nightly"
            )

    def _is_newer(self, item: Input, day: str, record: Generation, days: Mapping[str, Input]) -> bool:
        """Return whether an input of the target is none of the generation's, nor one that was replaced since."""
        mine = days.get(day) or next((other for other in days.values() if other.file == item.file), None)
        if mine is None:
            return (self.target.raw / item.file).exists() or item.taken_at > record.published_at
        return mine.sha256 != item.sha256 and item.taken_at > mine.taken_at

    def _lacking_approvals(self) -> Iterator[str]:
        wanted, there = self.target.settings.approvals, {approval.by for approval in self._approvals}
        if len(there) < wanted:
            yield (
                f"it needs {counted(wanted, 'approval')} of different people, and has {len(there)}: "
                f"ETL_ENV={self.source.environment_name} etl approve {self.name} --by NAME --reason TEXT"
            )

    @cached_property
    def _approvals(self) -> list[Approval]:
        return Ledger(self.source.ledger).approvals(self.name)


_open: dict[tuple[str, str], Promotion] = {}


def promotion(source: str, target: str, by: str = "", reason: str = "") -> Promotion:
    """Return the promotion between two environments, of which there is one in this process.

    Raises ConfigError for an environment that there is not, or if they are the same.
    """
    if (source, target) not in _open:
        projects = load_project(environment=source), load_project(environment=target)
        if projects[0].data == projects[1].data:
            raise ConfigError(f"{source} and {target} are the same environment.")
        _open[source, target] = Promotion(*projects, by or getpass.getuser(), reason)
    return _open[source, target]


def approve(project: Project, generation: str, by: str, reason: str) -> Approval:
    """Record that somebody approves a generation of the project's environment; a second time it is no more.

    Raises PublishError if the generation is not there, ConfigError without a name or a reason.
    """
    if not by.strip() or not reason.strip():
        raise ConfigError("an approval needs --by NAME and --reason TEXT.")
    name = published.find(project, generation).parent.name
    approval = Approval(name, by.strip(), reason.strip(), now())
    lock = take_lock(project, "approve")
    try:
        Ledger(project.ledger).note_approvals([approval])
    finally:
        os.close(lock)
    return approval
