"""A job and its answer, as texts that any host can carry."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from etl.ledger import Key, Receipt
from etl.sources import Source
from etl.stages.raw import Delivery, File


@dataclass(frozen=True, kw_only=True)
class Job:
    """Deliveries of one source that are to be taken into the lake. It holds no secret."""

    #: What names the project; its folders are at the same place for every worker.
    project: str
    source: Source
    deliveries: Sequence[Delivery]
    content: Mapping[date, str]
    run_id: str
    before: Mapping[date, Receipt]
    is_forced: bool = False
    #: What DuckDB may have of a worker's memory; empty: DuckDB's own limit.
    memory_limit: str = ""
    #: What a worker must be like, and the definition of the source there; see alike.py.
    worker: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The job as text."""
        facts = {
            "project": self.project,
            "source": self.source.to_dict(),
            "root": str(self.deliveries[0].files[0].raw),
            "deliveries": [_delivery_to(delivery) for delivery in self.deliveries],
            "content": {str(day): text for day, text in self.content.items()},
            "run_id": self.run_id,
            "before": {str(day): _receipt_to(receipt) for day, receipt in self.before.items()},
            "is_forced": self.is_forced,
            "memory_limit": self.memory_limit,
            "worker": self.worker,
        }
        return json.dumps(facts)

    @classmethod
    def of(cls, text: str) -> Job:
        """Return the job that a text is of."""
        facts = json.loads(text)
        root = Path(facts.pop("root"))
        name = facts["source"]["name"]
        made = {
            "source": Source.from_dict(facts["source"]),
            "deliveries": [_delivery_of(name, root, one) for one in facts["deliveries"]],
            "content": {date.fromisoformat(day): found for day, found in facts["content"].items()},
            "before": {date.fromisoformat(day): _receipt_of(one) for day, one in facts["before"].items()},
        }
        return cls(**{**facts, **made})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a worker says of a job: the receipts of what is in place, and what is wrong with the rest."""

    receipts: Sequence[Receipt] = ()
    problems: Sequence[str] = ()
    traces: Sequence[str] = ()
    has_crashed: bool = False
    #: Why the worker did nothing: it is not like the process that holds the run.
    refused: str = ""

    @property
    def text(self) -> str:
        """The answer as text."""
        receipts = [_receipt_to(receipt) for receipt in self.receipts]
        return json.dumps({**asdict(replace(self, receipts=())), "receipts": receipts})

    @classmethod
    def of(cls, text: str) -> Answer:
        """Return the answer that a text is of."""
        facts = json.loads(text)
        return cls(**{**facts, "receipts": [_receipt_of(one) for one in facts["receipts"]]})


def _delivery_to(delivery: Delivery) -> dict[str, Any]:
    files = [(f.name, f.size, f.changed_ns, f.inode, f.sha256) for f in delivery.files]
    given = {"problem": delivery.problem, "corrections": delivery.corrections}
    return {"date": str(delivery.date), "files": files, **given}


def _delivery_of(source: str, root: Path, facts: Mapping[str, Any]) -> Delivery:
    files = tuple(
        File(name, root / name, size, changed, inode=inode, sha256=sha256)
        for name, size, changed, inode, sha256 in facts["files"]
    )
    given = {"problem": facts["problem"], "corrections": facts["corrections"]}
    return Delivery(source=source, date=date.fromisoformat(facts["date"]), files=files, **given)


def _receipt_to(receipt: Receipt) -> dict[str, Any]:
    names = ("fingerprint", "run_id", "outcome", "seconds", "details", "finished_at")
    return {"key": receipt.key, **{name: getattr(receipt, name) for name in names}}


def _receipt_of(facts: Mapping[str, Any]) -> Receipt:
    return Receipt(**{**facts, "key": Key(*facts["key"])})
