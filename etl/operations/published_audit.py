"""The audit of what is published, between two nights: told as a night tells, rolled back where an audit asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from etl.errors import AuditError, PublishError, StepError, counted, few
from etl.ledger import Check, Ledger, fingerprint
from etl.ledger.history import History
from etl.ledger.lock import locked
from etl.models import Models
from etl.plan.definitions import definitions
from etl.plan.personal import personal_columns
from etl.project import Project
from etl.project.channels import is_told
from etl.reports import events
from etl.reports.notices import night, sending, telling
from etl.reports.notices.causes import AUDITED, DOUBTED, ROLLED_BACK, Cause
from etl.run.origin import new_run_id
from etl.run.reporting import refresh_report
from etl.sources import Catalog
from etl.stages import audited, published
from etl.stages.audited import Candidate, Verdict
from etl.stages.mirrored import keep_up

#: Who rolls back, as the hold and the ledger have it.
BY = "etl audit --published"
_KINDS = (AUDITED, DOUBTED, ROLLED_BACK)


@dataclass(frozen=True, kw_only=True)
class Audited:
    """What became of an audit of what is published: `rolled_back` is the generation that is current since."""

    generation: str
    verdict: Verdict
    rolled_back: str = ""
    #: What was to be rolled back, if nothing passes it.
    stuck: Sequence[str] = ()

    def check(self) -> None:
        """Raise AuditError that names every check of error severity that found something, and what was done."""
        if not self.verdict.failed:
            return
        lines = [*self.verdict.failed.values()]
        if self.rolled_back:
            lines.append(
                f"{self.generation} was rolled back, and {self.rolled_back} is the current generation. "
                "To see what publishing waits for: etl status"
            )
        elif self.stuck:
            lines.append(f"{_no_other(self.stuck)} To see what there is: etl generations")
        raise AuditError("\n".join(lines))


def audit_published(project: Project, ledger: Ledger) -> Audited:
    """Audit the current generation, roll back if an audit asks for it, note the results, and tell what is new.

    The project is locked meanwhile. Raises PublishError if nothing is published, StepError for a generation that
    cannot be read, and what the definitions raise.
    """
    with locked(project, BY):
        # a rollback of before may have been killed before the ledger knew of it
        current = published.note_missed(project, ledger)
        if not current:
            raise PublishError("Nothing is published yet. Run `luigi --module etl Nightly` first.")
        catalog, models = definitions(project, ledger)
        auditing = _Auditing(project=project, ledger=ledger, catalog=catalog, models=models, run_id=new_run_id())
        found, causes = auditing.audited(current)
        History(ledger).note_checks(found.verdict.checks)
        if is_told():
            auditing.note(causes)
    if is_told():
        sending.send_waiting(ledger)
    if found.rolled_back:
        keep_up(project, ledger)
        events.keep_up(project, ledger)
    return found


@dataclass(frozen=True, kw_only=True)
class _Auditing:
    """An audit of what is published, as `run_id` of the history."""

    project: Project
    ledger: Ledger
    catalog: Catalog
    models: Models
    run_id: str

    def audited(self, current: str) -> tuple[Audited, list[Cause]]:
        """Audit the current generation and roll back if that is asked for; return what is to be told, too."""
        verdict = self._verdict(current)
        broken = [
            name
            for name in verdict.failed
            if name in verdict.run and name in self.models.audits and self.models.audits[name].rolls_back
        ]
        if not broken:
            return Audited(generation=current, verdict=verdict), self._causes(verdict)
        target, standing = self._passing(current, broken)
        if standing is None:
            stuck = Audited(generation=current, verdict=verdict, stuck=broken)
            return stuck, self._causes(verdict, broken)
        reason = "; ".join(verdict.failed[name].splitlines()[0] for name in broken)
        published.rollback(self.project, self.ledger, target, BY, reason)
        refresh_report(self.project, self.ledger)
        done = Audited(generation=current, verdict=verdict, rolled_back=target)
        return done, self._causes(standing)

    def note(self, causes: Sequence[Cause]) -> None:
        """Note what is news, and who is to hear of it."""
        telling.note(
            self.ledger,
            causes,
            telling.place_of(self.project, day=str(self.project.today()), run_id=self.run_id),
            owners=night.owners_of(self.catalog, self.models),
            is_judged=lambda incident: incident.kind in _KINDS,
        )

    def _passing(self, current: str, names: Sequence[str]) -> tuple[str, Verdict | None]:
        """Return the newest generation before the current one that these audits pass, if there is one."""
        there = published.generations(self.project)
        for name in reversed(there[: there.index(current)]):
            try:
                verdict = self._verdict(name)
            except StepError:
                # one that cannot be read is none to go back to
                continue
            if verdict.passes(names):
                return name, verdict
        return "", None

    def _verdict(self, generation: str) -> Verdict:
        file = self.project.generations / generation / published.FILE
        return audited.judge(self.project, self._candidate, self.ledger, self.run_id, file)

    @property
    def _candidate(self) -> Candidate:
        """What the code says now; what a generation holds of it is for its file to say."""
        models = self.models.models
        return Candidate(
            sources=list(self.catalog.sources.values()),
            contracts=self.catalog.tables,
            audits=list(self.models.audits.values()),
            models=list(models),
            tables={},
            arrivals={},
            warnings={},
            batch_date=self.project.today(),
            is_build_trusted=False,
            macros={name: macro.sql for name, macro in self.models.macros.items()},
            partitions={name: model.header.partition for name, model in models.items()},
            replaced={m.name: m.header.partition for m in models.values() if m.kind.is_partitioned},
            personal=personal_columns(self.catalog, self.models, self.ledger),
        )

    def _causes(self, verdict: Verdict, stuck: Sequence[str] = ()) -> list[Cause]:
        """Return what is wrong with the current generation; a rollback, as long as it holds."""
        failed: Mapping[str, str] = verdict.failed
        checks = [check for check in verdict.checks if not check.passed]
        found = [_error(check, stuck) for check in checks if check.name in failed]
        # what the night has warned of is told already
        found += [_warning(check) for check in checks if check.name not in {*failed, *verdict.known}]
        return [*found, *self._rolled_back()]

    def _rolled_back(self) -> Iterator[Cause]:
        hold = published.read_hold(self.project)
        if hold and hold.by == BY:
            yield Cause(
                key=fingerprint(ROLLED_BACK, hold.current, hold.held),
                kind=ROLLED_BACK,
                what=f"An audit rolled back what was published: {hold.current} is the current generation",
                why=hold.reason,
                next=f"Publishing waits until one of these changes: {hold.came_with}. To see it: etl status",
                step="audit",
            )


def _error(check: Check, stuck: Sequence[str]) -> Cause:
    return Cause(
        key=fingerprint(AUDITED, check.name),
        kind=AUDITED,
        subject=check.table_name,
        what=f"What is published breaks an audit: {_found(check)}",
        why=_no_other([check.name]) if check.name in stuck else "It passed on its night, or was not asked then.",
        next=f"To go back: etl rollback. To look again: {BY}",
        step="audit",
        examples=tuple(check.examples),
    )


def _warning(check: Check) -> Cause:
    return Cause(
        key=fingerprint(DOUBTED, check.name),
        kind=DOUBTED,
        subject=check.table_name,
        what=f"In what is published, {_found(check)}",
        next=f"To look again: {BY}",
        examples=tuple(check.examples),
    )


def _found(check: Check) -> str:
    return f"{check.name} found {counted(check.failing, 'row')} in {check.table_name}"


def _no_other(names: Sequence[str]) -> str:
    return f"No earlier generation passes {few(names)}, so nothing was rolled back."
