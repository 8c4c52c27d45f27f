"""What is news: a cause is told when it appears, a failure each night in one line, and its end once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from etl.ledger.notices import Incident
from etl.reports.notices.causes import FAILURES, Cause


@dataclass(frozen=True, kw_only=True)
class News:
    """What a run has to say beyond what was told before."""

    new: Sequence[Cause]
    #: What failed again on another night, as it is known since.
    again: Sequence[tuple[Cause, Incident]]
    #: What was told, and is over.
    over: Sequence[Incident]
    #: What was told, and is over without a word, by its key.
    dropped: Sequence[str]

    def of(self, is_wanted: Callable[[Sequence[str], str], bool]) -> News:
        """Return what is for a reader who wants what has such owners and is of such a kind."""
        return News(
            new=[cause for cause in self.new if is_wanted(cause.owners, cause.kind)],
            again=[pair for pair in self.again if is_wanted(pair[0].owners, pair[0].kind)],
            over=[incident for incident in self.over if is_wanted(incident.owners, incident.kind)],
            dropped=[],
        )

    @property
    def is_empty(self) -> bool:
        """Whether nobody need hear of it."""
        return not (self.new or self.again or self.over)

    def incidents(self, run_id: str, day: str) -> list[Incident]:
        """Return what is wrong since this run or longer, as the ledger is to know it."""
        fresh = [
            Incident(
                key=cause.key,
                kind=cause.kind,
                subject=cause.subject,
                headline=cause.what,
                owners=cause.owners,
                run_id=run_id,
                last_date=day,
            )
            for cause in self.new
        ]
        return [*fresh, *(incident for _, incident in self.again)]


def news(
    causes: Iterable[Cause],
    known: Iterable[Incident],
    day: str,
    is_judged: Callable[[Incident], bool],
) -> News:
    """Return what differs from what was told.

    `is_judged` says of an incident whether this run tells if it is over.
    """
    there = {cause.key: cause for cause in causes}
    before = {incident.key: incident for incident in known}
    over = [i for key, i in before.items() if key not in there and is_judged(i)]
    again = [
        (cause, _again(before[key], day))
        for key, cause in there.items()
        if key in before and cause.is_failure and before[key].last_date != day
    ]
    return News(
        new=[cause for key, cause in there.items() if key not in before],
        again=again,
        over=[incident for incident in over if incident.kind in FAILURES],
        dropped=[incident.key for incident in over],
    )


def _again(incident: Incident, day: str) -> Incident:
    """Return an incident with one night more."""
    return replace(incident, nights=incident.nights + 1, last_date=day)
