"""Reproducing a generation: built once more from raw files and the code of its commit, and compared with it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

from etl import engine
from etl.contract.audit import ROW_COUNTS
from etl.contract.folder import catalog_key
from etl.contract.masking import disguised
from etl.errors import NotReproduced, few
from etl.ledger import Ledger, RowCount, Run, now
from etl.ledger.keys import extract_key
from etl.operations.diff import Request, compare
from etl.plan import Plan, Scope, make_plan
from etl.plan.definitions import definitions
from etl.project import Project, load_project
from etl.project.files import copy_file, link_file, sha256
from etl.project.git import check_out
from etl.run import steps
from etl.run.active import ActiveRun, new_run_id
from etl.sources import Source
from etl.sources.connectors import connector_from, connector_to
from etl.stages import lake, published, raw
from etl.stages.lake.corrections import corrections_file, read_corrections
from etl.stages.published import Contents, Generation, Input
from etl.stages.raw import Delivery
from etl.stages.warehouse import open_build

_TABLES = "select schema_name, table_name from duckdb_tables()"
_COUNTS = f"select table_name, batch_date::varchar, run_id, rows, fingerprint from {ROW_COUNTS}"
#: So many inputs that are gone are named.
_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class Reproduced:
    """A build made anew of a generation: where it lies, and what could not be told from the record."""

    project: Project
    record: Generation
    build: Path
    tables: Mapping[str, Contents]
    notes: list[str]

    @property
    def file(self) -> Path:
        """The file of the generation."""
        return self.project.generations / self.record.generation / published.FILE

    @cached_property
    def different(self) -> list[str]:
        """The tables that do not hold what the generation does, those first that others read.

        Where the hashes differ the rows are compared, floating-point numbers to 9 digits: sums of them depend on
        the order of rows.
        """
        held = self.record.tables
        names = [*self.tables, *(name for name in held if name not in self.tables)]
        doubtful = [name for name in names if not _is_same(held.get(name), self.tables.get(name))]
        return [name for name in doubtful if self._is_different(name)]

    def _is_different(self, name: str) -> bool:
        kinds = {side[name].kind if name in side else None for side in (self.record.tables, self.tables)}
        if (kinds == {"view"} and published.is_content(self.record.content)) or len(kinds) > 1:
            return True
        request = Request((self.file, self.build), name, keys=self.keys, digits=True)
        return compare(self.project, request)[0].status != "same"

    @property
    def keys(self) -> dict[str, Sequence[str]]:
        """The columns that name a row of each table."""
        return {name: held.key for name, held in self.record.tables.items()}


@contextmanager
def reproduce(project: Project, generation: str) -> Iterator[Reproduced]:
    """Build a generation anew, in a folder of its own below data/, which is removed at the end.

    Raises NotReproduced if the generation has no record or no commit, or naming its inputs that are gone;
    ConfigError if git does not have the commit.
    """
    record = published.read_record(project.generations / generation)
    if record is None or not record.git_commit:
        lack = "no record of its inputs" if record is None else "no commit: its code was not in git"
        raise NotReproduced(f"Generation {generation} has {lack}. It cannot be rebuilt.")
    folder = project.data / f".reproduce-{secrets.token_hex(4)}"
    try:
        builder = _builder(project, record)
        copy = _copy_of_code(builder, record.git_commit, folder)
        _restore_inputs(builder if builder.data.is_dir() else project, copy, record)
        _restore_counts(project, copy, record)
        plan = _build(project, copy, record)
        yield Reproduced(
            project=project, record=record, build=copy.build, tables=_contents(plan), notes=_notes(plan, record)
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _builder(project: Project, record: Generation) -> Project:
    """Return the project in the environment that built the generation, before it was promoted; it may be gone."""
    name = record.origin.get("built_in", project.environment_name)
    is_here = name == project.environment_name
    return project if is_here else load_project(project.root, name, must_exist=False)


def _copy_of_code(project: Project, commit: str, folder: Path) -> Project:
    root = folder / "project"
    root.mkdir(parents=True)
    check_out(project, commit, root)
    copy = load_project(root, project.environment, must_exist=False)
    return replace(copy, settings=replace(copy.settings, data=str(folder / "data"), raw=""), fetching="")


def _restore_inputs(project: Project, copy: Project, record: Generation) -> None:
    """Copy the raw files that the generation was made from, and link what the lake alone still has of it."""
    catalog, _ = definitions(copy, Ledger(copy.ledger))
    last = date.fromisoformat(record.batch_date)
    gone: list[str] = []
    for name, inputs in record.inputs.items():
        if name not in catalog.sources:
            gone.append(f"{name}: commit {record.git_commit[:10]} has no such source")
            continue
        source = catalog.sources[name]
        found = raw.find(source, source.root(project), last)
        for day, item in inputs.items():
            gone += _restore(project, copy, source, date.fromisoformat(day), item, found)
    if gone:
        more = f"\n    and {len(gone) - _NAMED:,} more" if len(gone) > _NAMED else ""
        lines = "\n    ".join(gone[:_NAMED])
        raise NotReproduced(
            f"Generation {record.generation} cannot be rebuilt. These of its inputs are gone:\n    {lines}{more}\n"
            "Restore them, and try again."
        )


def _restore(
    project: Project, copy: Project, source: Source, day: date, item: Input, found: Mapping[date, Delivery]
) -> list[str]:
    """Have one input in the copy; return what is gone of it."""
    delivery = found.get(day) if source.is_dated else next(iter(found.values()), None)
    decided = corrections_file(project, source, day)
    if decided.exists():
        _copied(decided, corrections_file(copy, source, day))
    if delivery and disguised(_sha256(delivery), source.contract) == item.sha256:
        for file in delivery.files:
            _copied(file.path, source.root(copy) / file.name)
        return []
    if source.is_dated:
        what = "is another file now" if delivery else f"is not in {source.home}/ any more"
        return [f"{source.name} {day}: {item.file} {what}"]
    for base, target in ((project.lake, copy.lake), (project.quarantine, copy.quarantine)):
        if (kept := lake.partition_file(base, source, day)).exists():
            link_file(kept, lake.partition_file(target, source, day))
    if lake.partition_file(copy.lake, source, day).exists():
        return []
    return [f"{source.name} {day}: the snapshot {item.file} is another file now, and the lake did not keep it"]


def _restore_counts(project: Project, copy: Project, record: Generation) -> None:
    """Give the copy the row counts of earlier nights, which models can read: the generation has them."""
    with engine.reading(project, project.generations / record.generation / published.FILE) as con:
        names = {f"{schema}.{table}" for schema, table in con.execute(_TABLES).fetchall()}
        counts = con.execute(_COUNTS).fetchall() if ROW_COUNTS in names else []
    Ledger(copy.ledger).replace_row_counts(RowCount(*row[:4], fingerprint=row[4]) for row in counts)


def _restore_learned(project: Project, run: ActiveRun, record: Generation) -> None:
    """Give the copy what models that learn were before: what they learned last is learned and decided again."""
    if run.project.ml.is_dir():
        from etl.stages.warehouse.learning import carry

        file = project.generations / record.generation / published.FILE
        with open_build(run.project, run.ledger, run.plan.run_id) as con:
            carry(con, run.project, file, run.plan.models.models.values())


def _sha256(delivery: Delivery) -> str:
    files = tuple(replace(file, sha256=sha256(file.path)) for file in delivery.files)
    return replace(delivery, files=files).sha256


def _copied(source: Path, target: Path) -> None:
    # no hard link: it would change the time stamp by which an unchanged raw file is known
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_file(source, target)


def _complete(copy: Project) -> None:
    """Have every file in the copy count, without its marker and however young it is."""
    ledger, key = Ledger(copy.ledger), catalog_key(copy.contracts)
    catalog = json.loads(ledger.cached("catalog", key) or "")
    for source in catalog["sources"]:
        source["connector"] = connector_to(connector_from(source["connector"]).at_once())
    ledger.cache("catalog", key, json.dumps(catalog))


def _build(project: Project, copy: Project, record: Generation) -> Plan:
    """Take every input, snapshots on the dates on which they came, and build all tables."""
    _complete(copy)
    last = date.fromisoformat(record.batch_date)
    catalog, _ = definitions(copy, Ledger(copy.ledger))
    for name, inputs in record.inputs.items():
        if not catalog.sources[name].is_dated:
            for day in map(date.fromisoformat, sorted(inputs)):
                run = _run(copy, Scope(day, source=name))
                if stale := [delivery.date for delivery in run.plan.stale_partitions(name)]:
                    steps.extract(run, name, stale)
    run = _run(copy, Scope(last))
    plan = run.plan
    for source in plan.catalog.sources:
        if days := [delivery.date for delivery in plan.stale_partitions(source)]:
            steps.extract(run, source, days)
    steps.load(run, list(plan.catalog.sources))
    _restore_learned(project, run, record)
    steps.transform(run, list(plan.models.models))
    return plan


def _run(copy: Project, scope: Scope) -> ActiveRun:
    ledger = Ledger(copy.ledger)
    plan = make_plan(copy, ledger, scope, new_run_id())
    row = Run(plan.run_id, str(scope.last), now())
    return ActiveRun(project=copy, ledger=ledger, plan=plan, row=row, lock=-1, pid=os.getpid())


def _contents(plan: Plan) -> dict[str, Contents]:
    """Return what the build holds, in the order in which it was made."""
    models, sources = list(plan.models.models.values()), list(plan.catalog.sources.values())
    publication = published.Publication(fingerprint="", models=models, sources=sources)
    with engine.building(plan.project) as con:
        has_raw_views = plan.project.settings.publish_raw != "no"
        found = published.contents_of(con, publication.partitions, {}, has_raw_views=has_raw_views)
    order = [*(source.table for source in plan.catalog.sources.values()), *plan.models.models]
    # raw tables that are views may not be published
    return {name: found[name] for name in order if name in found}


def _is_same(one: Contents | None, other: Contents | None) -> bool:
    return one is not None and other is not None and (one.kind, one.hash) == (other.kind, other.hash)


def _notes(plan: Plan, record: Generation) -> list[str]:
    """Return what may explain a difference: code or decisions that are not those of the record."""
    notes = [] if record.is_committed else ["not all of its code was committed when it was made"]
    changed = [name for name, text in record.definitions.items() if plan.code.get(name) != text]
    if changed:
        notes.append(f"defined differently since it was made: {', '.join(changed[:_NAMED])}")
    since = _decided_since(plan.project, record)
    others = [name for name in _taken_otherwise(plan, record) if record.is_committed and name not in since]
    if others:
        what = "not taken by its code, but by an earlier contract or source, and kept when that changed"
        notes.append(f"{what}: {few(others)}")
    if since:
        notes.append(f"decisions about rejected records were added since it was made: {few(since)}")
    return notes


def _taken_otherwise(plan: Plan, record: Generation) -> list[str]:
    """Return the partitions of the record whose rows another code made of the same file."""
    return [
        f"{source} {day}"
        for source, inputs in record.inputs.items()
        for day, item in inputs.items()
        if plan.fingerprints.get(extract_key(source, date.fromisoformat(day)), item.fingerprint)
        != item.fingerprint
    ]


def _decided_since(copy: Project, record: Generation) -> list[str]:
    """Return the partitions about whose records somebody decided after the generation was published."""
    files = sorted(copy.corrections.glob("*/*.jsonl"))
    later = [path for path in files if any(item.at > record.published_at for item in read_corrections(path))]
    return [f"{path.parent.name} {path.stem}" for path in later]
