"""A proposal tried on its own files: saved in a project of the moment, and extracted as a night would."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

from etl import engine
from etl.errors import ContractError, Crash, DeliveryError
from etl.ledger import Ledger, fingerprint
from etl.project import CONFIG, Project, load_project
from etl.project.files import sha256
from etl.sources import Source
from etl.sources.catalog import load_catalog
from etl.stages import lake
from etl.stages.raw import Delivery, File, state

#: More rejects than these tell nothing new.
_MOST_REJECTS = 1000


class Rejected(NamedTuple):
    """A record that a proposal would reject."""

    file: str
    line: int
    message: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of the files; `problem` is why one was refused as a whole, if it was."""

    records: int = 0
    rows: int = 0
    skipped: int = 0
    rejects: Sequence[Rejected] = ()
    problem: str = ""

    @property
    def rejected(self) -> int:
        """The number of records that would be rejected."""
        return self.records - self.rows

    @property
    def is_perfect(self) -> bool:
        """Whether every record is a row."""
        return not self.problem and self.records == self.rows

    @property
    def is_useless(self) -> bool:
        """Whether a file is refused, or no record is a row."""
        return bool(self.problem) or self.rows == 0 < self.records


def tried(text: str, days: Mapping[Path, date]) -> Trial:
    """Return what becomes of files if `text` is their contract; those of one date are one delivery."""
    with tempfile.TemporaryDirectory(prefix="etl-sniff-") as folder:
        root = Path(folder)
        (root / CONFIG).write_text("[etl]\n")
        (root / "contracts").mkdir()
        (root / "contracts" / "proposed.py").write_text(text, "utf-8")
        project = load_project(root)
        try:
            (source,) = load_catalog(project.contracts).sources.values()
        except ContractError as error:
            return Trial(problem=str(error).removeprefix(f"{project.contracts / 'proposed.py'}: "))
        # no number of rejects hides what else is wrong
        source.max_reject_ratio = 1.0
        return _extracted(project, source, days)


def _extracted(project: Project, source: Source, days: Mapping[Path, date]) -> Trial:
    deliveries = [
        Delivery(source=source.name, date=day, files=tuple(_file(path) for path in days if days[path] == day))
        for day in sorted(set(days.values()))
    ]
    content = {delivery.date: fingerprint([file.sha256 for file in delivery.files]) for delivery in deliveries}
    ledger, problem = Ledger(project.ledger), ""
    try:
        lake.extract(project, source, deliveries, content, ledger, "trial")
    except (DeliveryError, Crash) as error:
        problem = str(error)
    facts = [receipt.details for receipt in ledger.receipts().values()]
    return Trial(
        records=sum(fact["records"] for fact in facts),
        rows=sum(fact["rows"] for fact in facts),
        skipped=sum(fact["skipped"] for fact in facts),
        rejects=_rejects(project, source),
        problem=problem,
    )


def _file(path: Path) -> File:
    size, changed_ns, inode = state(path)
    return File(path.name, path, size, changed_ns, inode=inode, sha256=sha256(path))


def _rejects(project: Project, source: Source) -> list[Rejected]:
    files = sorted(map(str, project.quarantine.rglob("*.parquet")))
    if not files:
        return []
    with engine.in_memory(project) as con:
        rows: list[tuple[str, int, str, str]] = con.execute(
            "select file, line, message, text from read_parquet(?, hive_partitioning = false) "
            f"order by file, line limit {_MOST_REJECTS}",
            [files],
        ).fetchall()
    return [Rejected(*row) for row in rows]
