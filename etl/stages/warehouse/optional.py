"""Models that may fail: what they held before stays, the rest goes on, and the next night tries them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.engine import is_damage
from etl.errors import TransformError, few
from etl.ledger import FAILED, Receipt
from etl.ledger.keys import transform_key
from etl.stages.warehouse.build import NOTED, drop_model, transaction
from etl.stages.warehouse.work import Build

if TYPE_CHECKING:
    import duckdb


@dataclass(kw_only=True)
class Failures:
    """What failed in a step; `sources_of` are the sources that each table depends on, None if nothing may fail."""

    con: duckdb.DuckDBPyConnection
    run_id: str
    sources_of: Mapping[str, Sequence[str]] | None = None
    #: What is to be said of each model that fails the step; nothing of one that only reads such a model.
    problems: dict[str, str] = field(default_factory=dict)
    #: Where each model that fails the step did.
    traces: dict[str, str] = field(default_factory=dict)
    #: The optional models that failed: since when they hold what they hold, or nothing.
    optional: dict[str, str] = field(default_factory=dict)
    #: How often a model was begun that failed more than once.
    attempts: dict[str, int] = field(default_factory=dict)

    def add(self, build: Build, problem: str, trace: str = "") -> Receipt | None:
        """Note that a model failed; return its receipt if the step goes on without it.

        Raises nothing. A model with content of an earlier night keeps all of it, unless that may hold personal
        data which was masked or withdrawn since.
        """
        model = build.model
        self.traces[model.name] = trace
        if problem:
            old = sorted({*model.reads, *model.whole, *model.by_date} & self.optional.keys())
            problem += "".join(f"\n    {name}, which it reads, failed and is as it was before" for name in old)
        # a damaged file is not the model's fault: the step ends, and the file is built again
        if not model.header.optional or self.sources_of is None or is_damage(TransformError(problem)):
            self.problems[model.name] = problem
            return None
        query = "select fingerprint, rows, seconds, built_at::varchar from etl.models where name = $1"
        held = self.con.execute(query, [model.name]).fetchall()
        if not held or held[0][1] is None:  # a view has no rows to keep
            with transaction(self.con):
                drop_model(self.con, model.name)
            return self._receipt(build, problem, "", "", None, 0.0)
        content, rows, seconds, since = held[0]
        if personal := self._removed(model.name):
            self.problems[model.name] = (
                f"{problem}\n    It is optional, but what it holds since {since[:10]} may be personal data of "
                f"{few(personal)} that was masked or withdrawn, so it cannot stay as it is."
            )
            return None
        return self._receipt(build, problem, content, since, rows, seconds)

    def add_without_input(self, build: Build) -> tuple[bool, Receipt | None]:
        """Return whether a model reads one without content, with its receipt if the step goes on without it."""
        reads = set(build.model.reads)
        if reads & self.problems.keys() and not build.model.header.optional:
            self.problems[build.model.name] = ""
            return True, None
        lacking = sorted(reads & {*self.problems, *(name for name, since in self.optional.items() if not since)})
        if not lacking:
            return False, None
        why = f"{build.model.place} could not be built: {few(lacking)}, which it reads, failed and has no content."
        return True, self.add(build, why)

    def _receipt(
        self, build: Build, problem: str, content: str, since: str, rows: int | None, seconds: float
    ) -> Receipt:
        name = build.model.name
        self.optional[name] = since
        details = {"rows": rows, "seconds": seconds, "built": False, "why": "it failed", "partitions": None}
        details |= {"failed": problem, "held": content, "since": since}
        return Receipt(transform_key(name), build.content, self.run_id, outcome=FAILED, details=details)

    def _removed(self, name: str) -> list[str]:
        """Return the sources of removed personal data that what a model holds may have been made from.

        One that is no source of the project any more may have been read by an earlier text of the model.
        """
        sources_of = self.sources_of or {}
        noted = {row[0] for row in self.con.execute(f"select source from {NOTED}").fetchall()}
        loaded = {row[0] for row in self.con.execute("select source from etl._tables").fetchall()}
        known = {source for sources in sources_of.values() for source in sources}
        return sorted(noted & {*sources_of[name]} | (noted | loaded) - known)
