"""Promotion: what one environment has published becomes that of another: the same bytes, no rebuild."""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from etl import engine
from etl.errors import ConfigError, PromotionRefused, PublishError, counted, few, sentence
from etl.ledger import Approval, Ledger, now
from etl.ledger.lock import take_lock
from etl.operations.losses import losses
from etl.project import Project, load_project
from etl.reports import events
from etl.stages import published
from etl.stages.mirrored import keep_up
from etl.stages.published import Generation

log = logging.getLogger("etl")

_FAILED = "select name from etl.checks where severity = 'error' and not passed order by name"
_AUDITED = "select count(*) from etl.checks"


@dataclass
class Promotion:
    """A promotion from one environment to another; the target is locked from is_done() until promote() ends."""

    source: Project
    target: Project
    lock: int = -1
    #: The generation that is known, and was said, to be there.
    done: str = ""

    def is_done(self) -> bool:
        """Return whether the target's current generation is that of the source; else lock the target."""
        name = published.current(self.source)
        is_there = name is not None and published.current(self.target) == name
        if not is_there or published.read_hold(self.source):
            if self.lock < 0:
                self.lock = take_lock(self.target, f"promotion from {self.source.environment_name}")
            return False
        if name and name != self.done:
            names = self.target.environment_name, name, self.source.environment_name
            log.info("%s has generation %s of %s already: nothing to promote", *names)
            self.done = name
        return True

    def promote(self, by: str = "", reason: str = "") -> None:
        """Make the source's current generation that of the target, on somebody's word, and release the lock.

        Raises PromotionRefused that says why not.
        """
        try:
            self._promote(self._candidate(), by or getpass.getuser(), reason)
        except FileNotFoundError as error:
            raise PublishError(
                f"{sentence(str(error))} Did {self.source.environment_name} publish meanwhile? Run again."
            ) from error
        finally:
            if self.lock >= 0:
                os.close(self.lock)
            self.lock = -1
        keep_up(self.target, Ledger(self.target.ledger))
        events.keep_up(self.target, Ledger(self.target.ledger))

    def _candidate(self) -> str:
        """Return the generation to promote. Raises PromotionRefused if there is none, or it is rolled back to."""
        name, hold = published.current(self.source), published.read_hold(self.source)
        if name is None:
            raise PromotionRefused(f"{self.source.environment_name} has published nothing that could be promoted.")
        if hold:
            raise PromotionRefused(
                f"{self.source.environment_name} is {hold.told}. Fix that first; or promote {hold.held} after "
                "`etl rollback` has made it the current one again."
            )
        return name

    def _promote(self, name: str, by: str, reason: str) -> None:
        approvals = Ledger(self.source.ledger).approvals(name)
        record = self._checked(name, approvals)
        origin = {
            "environment": self.source.environment_name,
            # through any number of environments
            "built_in": record.origin.get("built_in", self.source.environment_name),
            "generation": name,
            "by": by,
            "reason": reason,
            "at": now(),
            "git_commit": record.git_commit,
            "approvals": [asdict(approval) for approval in approvals],
        }
        ledger = Ledger(self.target.ledger)
        # before it is the current one, and so done
        ledger.note_approvals(approvals)
        how = published.promote(self.source, self.target, ledger, replace(record, origin=origin))
        self.done = name
        commit = f" (commit {record.git_commit[:10]})" if record.git_commit else ""
        log.info(
            "promoted generation %s%s from %s to %s: %s, the same bytes",
            *(name, commit, self.source.environment_name, self.target.environment_name, how),
        )

    def _checked(self, name: str, approvals: Sequence[Approval]) -> Generation:
        record = published.read_record(self.source.generations / name)
        if record is None:
            raise PromotionRefused(f"Generation {name} has no record of its inputs. Publish a new one.")
        problems = [
            *self._unaudited(name),
            *losses(self.source, self.target, record),
            *self._lacking_approvals(name, approvals),
        ]
        if problems:
            names = f"{name} of {self.source.environment_name}", self.target.environment_name
            listed = "\n    ".join(problems)
            raise PromotionRefused(f"{names[0]} is not promoted to {names[1]}:\n    {listed}\nThen promote again.")
        return record

    def _unaudited(self, name: str) -> Iterator[str]:
        """Yield what the generation's own file says against its audit."""
        with engine.reading(self.source, self.source.generations / name / published.FILE) as con:
            failed = [check for (check,) in con.execute(_FAILED).fetchall()]
            if not con.execute(_AUDITED).fetchall()[0][0]:
                yield "it was not audited: its etl.checks is empty"
        if failed:
            yield f"it did not pass its audit: {few(failed)}"

    def _lacking_approvals(self, name: str, approvals: Sequence[Approval]) -> Iterator[str]:
        wanted, there = self.target.settings.approvals, {approval.by.casefold() for approval in approvals}
        if len(there) < wanted:
            yield (
                f"it needs {counted(wanted, 'approval')} of different people, and has {len(there)}: "
                f"ETL_ENV={self.source.environment_name} etl approve {name} --by NAME --reason TEXT"
            )


_open: dict[tuple[str, str], Promotion] = {}


def promotion(root: str, source: str, target: str) -> Promotion:
    """Return the promotion between two environments of a project, of which there is one in this process.

    Raises ConfigError for an environment that there is not, or if they are the same.
    """
    projects = load_project(root, source), load_project(root, target)
    if projects[0].data == projects[1].data:
        raise ConfigError(f"{source} and {target} are the same environment.")
    return _open.setdefault((projects[0].identity, projects[1].identity), Promotion(*projects))


def approve(project: Project, generation: str, by: str, reason: str) -> Approval:
    """Record that somebody approves a generation of the project's environment; return their first word on it.

    A run that is under way there is not in the way. Raises PublishError if the generation is not there,
    ConfigError without a name or a reason.
    """
    if not by.strip() or not reason.strip():
        raise ConfigError("An approval needs --by NAME and --reason TEXT.")
    name = published.find(project, generation).parent.name
    ledger, given = Ledger(project.ledger), Approval(name, by.strip(), reason.strip(), now())
    ledger.note_approvals([given])
    return next(approval for approval in ledger.approvals(name) if approval.by == given.by)
