"""Rejected records, counted by the rule that they broke while they are written to quarantine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from etl.errors import cut
from etl.ledger.rows import WHY

__all__ = ["WHY", "Reject", "Tally"]

#: So many records of each rule are kept beside the counts, of so many rules, and so much of a text.
_EXAMPLES, _RULES, _LONGEST = 3, 20, 200


class Reject(NamedTuple):
    """A record that goes to quarantine: `rule` is the first it broke, `message` names them all."""

    file: str
    line: int
    rule: str
    column_name: str | None
    message: str
    text: str
    #: The original bytes, where the text does not say all of them.
    raw: bytes | None
    #: Why a person discarded it; None if nobody did.
    discarded: str | None = None
    #: The rule that a record itself breaks whose partition is refused.
    fault: str | None = None


class Tally:
    """Rejects that are counted while they are read, once: by rule, with a few of each as they are in quarantine.

    Personal data is masked in those texts already. What a person discarded is left out.
    """

    def __init__(self, rejects: Iterable[Reject]) -> None:
        self._rejects = rejects
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[dict[str, Any]]] = {}

    def __iter__(self) -> Iterator[Reject]:
        for reject in self._rejects:
            if reject.discarded is None:
                self._count(reject)
            yield reject

    @property
    def told(self) -> dict[str, Any]:
        """The number of records by rule, and a few of them, as plain data."""
        return {"rules": dict(self._counts), "examples": self._examples}

    def _count(self, reject: Reject) -> None:
        rule = reject.fault or reject.rule
        self._counts[rule] += 1
        known = self._examples.get(rule, [])
        if len(known) < _EXAMPLES and (known or len(self._examples) < _RULES):
            facts = {"file": reject.file, "line": reject.line, "message": cut(reject.message, _LONGEST)}
            self._examples[rule] = [*known, {**facts, "text": cut(reject.text, _LONGEST)}]
