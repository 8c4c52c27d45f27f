"""How far a run is, from what the ledger has of it: steps, rows, and the time that is left by its history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from etl.ledger import Ledger
from etl.ledger.history import DONE, FAILED, KEPT, RUNNING, SKIPPED, WAITING, History, StepId, StepRow

_OVER = (DONE, KEPT, FAILED, SKIPPED)

_COUNTED = """
select step, name, count(*), coalesce(sum(json_extract(details, '$.rows')), 0),
    coalesce(sum(json_extract(details, '$.rejected')), 0)
from receipts where run_id = ? group by step, name"""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One step of a run, or all of a kind together: so many parts of it are done, with so many rows."""

    name: str
    done: int
    total: int
    rows: int = 0
    rejected: int = 0
    #: Since when it is under way, or was; None if it was not begun.
    seconds: float | None = None
    outcome: str = WAITING

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 1.0


@dataclass(frozen=True)
class Group:
    """The steps of one kind: what is done, and to what."""

    whole: Part
    parts: Sequence[Part]


@dataclass(frozen=True)
class Look:
    """How a run stands; `left` are the seconds that it will still take, None if nobody knows."""

    groups: Sequence[Group]
    seconds: float
    left: float | None


class Watch:
    """What looks at a run as it goes on, from another thread: with a connection of its own."""

    def __init__(self, ledger: Ledger, run_id: str, workers: int) -> None:
        self._ledger, self._run_id, self._workers = ledger, run_id, workers
        self._history = History(ledger)
        self._usual = self._history.usual_seconds()
        self._began = datetime.now(UTC)

    def look(self) -> Look:
        """Return how the run stands now."""
        counts = {
            StepId(*row[:2]): (row[2], row[3], row[4]) for row in self._ledger.ask(_COUNTED, (self._run_id,))
        }
        now = datetime.now(UTC)
        groups = list(_groups(self._history.steps([self._run_id]), counts, now))
        left = seconds_left(groups, self._usual, self._workers)
        return Look(groups, (now - self._began).total_seconds(), left)


def _groups(
    rows: Sequence[StepRow], counts: Mapping[StepId, tuple[int, int, int]], now: datetime
) -> Iterator[Group]:
    kinds: dict[str, list[Part]] = {}
    spans: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        kinds.setdefault(row.step, []).append(_part(row, counts.get(row.id, (0, 0, 0)), now))
        if row.started_at:
            since = _since(row.started_at, now)
            spans.setdefault(row.step, []).append((since, max(since - (row.seconds or 0), 0.0)))
    for kind, parts in kinds.items():
        if kind != "plan":
            known = spans.get(kind, [])
            is_over = all(part.done >= part.total for part in parts)
            # from the first that began to now, or to the last that ended
            ended = min((end for _, end in known), default=0.0) if is_over else 0.0
            seconds = max(begun for begun, _ in known) - ended if known else None
            yield Group(_together(kind, parts, seconds), parts)


def _part(row: StepRow, counted: tuple[int, int, int], now: datetime) -> Part:
    done, rows, rejected = counted
    is_over = row.outcome in _OVER or done >= row.parts
    seconds = row.seconds
    if not is_over and row.started_at:
        seconds = _since(row.started_at, now)
    outcome = row.outcome
    if is_over and outcome in (WAITING, RUNNING):
        outcome = DONE
    return Part(
        name=row.name,
        done=row.parts if is_over else done,
        total=row.parts,
        rows=rows,
        rejected=rejected,
        seconds=seconds,
        outcome=outcome,
    )


def _together(kind: str, parts: Sequence[Part], seconds: float | None) -> Part:
    outcomes = {part.outcome for part in parts}
    outcome = next((one for one in (FAILED, RUNNING, WAITING) if one in outcomes), DONE)
    if outcome == WAITING and outcomes != {WAITING}:
        outcome = RUNNING
    return Part(
        name=kind,
        done=sum(part.done for part in parts),
        total=sum(part.total for part in parts),
        rows=sum(part.rows for part in parts),
        rejected=sum(part.rejected for part in parts),
        seconds=seconds,
        outcome=outcome,
    )


def seconds_left(groups: Sequence[Group], usual: Mapping[StepId, float], workers: int = 1) -> float | None:
    """Return how long what is not done yet will take; None if a part of it has no history and did not begin.

    A step that has done some of its parts goes on at its own pace; another one takes what it usually takes.
    """
    left = 0.0
    for group in groups:
        together = workers if group.whole.name == "extract" else 1
        for part in group.parts:
            if part.done >= part.total:
                continue
            if part.done and part.seconds is not None:
                left += part.seconds / part.done * (part.total - part.done) / together
                continue
            known = usual.get(StepId(group.whole.name, part.name))
            if known is None:
                return None
            left += max(known - (part.seconds or 0), 0.0) / together
    return left


def _since(at: str, now: datetime) -> float:
    moment = datetime.fromisoformat(at)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((now - moment).total_seconds(), 0.0)
