"""Making the plan, and what the rest of the run asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from etl.contract.audit import ROW_COUNTS
from etl.errors import ConfigError, unknown
from etl.ledger import Key, Ledger, Receipt, fingerprint
from etl.ledger.cleared import cleared_steps
from etl.ledger.keys import extract_key, transform_key
from etl.models import (
    PARTITIONS,
    Models,
    select,
)
from etl.plan.definitions import definitions
from etl.plan.deliveries import Deliveries, Taken
from etl.plan.rhythm import Holes, due_since, find_holes, newest_due
from etl.plan.scope import Scope
from etl.plan.stale import Held, Staleness, definitions_of, fingerprints
from etl.project import Project, environments, load_project
from etl.sources import Catalog, Source
from etl.stages import lake
from etl.stages.raw import Delivery
from etl.stages.warehouse import Build


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one run will do: everything that a step depends on is fixed in here, and nothing else counts."""

    project: Project
    scope: Scope
    run_id: str
    catalog: Catalog
    models: Models
    #: The deliveries that the warehouse should hold, by source and partition.
    held: Held
    #: What each step's receipt must say for the step to be done.
    fingerprints: Mapping[Key, str]
    #: The steps to do, with the reason.
    stale: Mapping[Key, str]
    #: Whether build.duckdb is as the last run left it.
    is_build_intact: bool
    #: Those of them that are done only because the scope says `force`, or they were cleared.
    forced: frozenset[Key]
    #: The receipts of before.
    receipts: Mapping[Key, Receipt]
    #: What became of the deliveries of each source.
    taken: Mapping[str, Taken]
    #: Published partitions whose files vanished, by source.
    withdrawn: Mapping[str, Sequence[date]]
    #: The newest expected day of each required source that has no delivery for it.
    missing: Mapping[str, date]
    #: Snapshot sources that had a delivery once, and have it neither in raw/ nor in the lake.
    lost: frozenset[str]

    def is_done(self, key: Key, receipt: Receipt | None) -> bool:
        """Return whether `receipt` proves the step `key`; by this run, if it was stale at the start."""
        if key not in self.fingerprints:
            raise ConfigError(self._unknown(key))
        if receipt is None or receipt.fingerprint != self.fingerprints[key]:
            return False
        return key not in self.stale or receipt.run_id == self.run_id

    def build(self, name: str) -> Build:
        """Return how a model should be built."""
        key = transform_key(name)
        definition = self.definitions[name]
        is_read = name in self.models.read
        return Build(
            self.models.models[name],
            self.fingerprints[key],
            definition,
            key in self.forced,
            is_read=is_read,
            folder=self.project.sql.parent,
            variables=self.project.variables,
            parts=self.project.parts if self.models.models[name].is_in_files else None,
        )

    def selected(self, text: str) -> list[str]:
        """Return the models that `text` selects, with the stale ones under them, in order; see models.select()."""
        return self.with_stale_models(select(self.models, text))

    def with_stale_models(self, names: Iterable[str] | None = None) -> list[str]:
        """Return models, by default the stale ones, with the stale ones under them, in order.

        Raises ConfigError for a name that is no model's.
        """
        stale = {name for name in self.models.models if transform_key(name) in self.stale}
        wanted = set(stale if names is None else names)
        for name in wanted - self.models.models.keys():
            raise ConfigError(self._unknown(transform_key(name)))
        for model in reversed(self.models.models.values()):
            wanted |= stale & set(model.reads) if model.name in wanted else set()
        return [name for name in self.models.models if name in wanted]

    def stale_partitions(self, source: str) -> list[Delivery]:
        """Return the deliveries of a source that are to be extracted."""
        held = self.held[source]
        return [held[day] for day in self.moving(source) if extract_key(source, day) in self.stale]

    def moving(self, source: str) -> list[date]:
        """Return the partitions of a source, in order, but for settled ones that nothing is done about."""
        held = self.held[source]
        stale = {date.fromisoformat(key.partition) for key in self.stale if key[:2] == ("extract", source)}
        return sorted(held.others.keys() | (held.settled.keys() & stale))

    def is_forced(self, source: str, days: Iterable[date]) -> bool:
        """Return whether any of these deliveries is to be taken as if nothing were known of it."""
        return self.scope.force or any(extract_key(source, day) in self.forced for day in days)

    def _unknown(self, key: Key) -> str:
        if key.step == "transform":
            return unknown(f"There is no model {key.name}", key.name, self.models.models)
        if key.name not in self.catalog.sources:
            return unknown(f"There is no source {key.name}", key.name, self.catalog.sources)
        return f"{key.name} has no delivery of {key.partition}."

    @cached_property
    def definitions(self) -> Mapping[str, str]:
        """The fingerprint of each model's own code."""
        return definitions_of(self.models, self.project.settings.timezone)

    @cached_property
    def holes(self) -> Mapping[str, Holes]:
        """The days without a delivery of each dated source, up to the newest one that it should have."""
        # a backfill asks for given days: what else should be there is no question of it
        is_night = self.scope.first == date.min
        dated = (source for source in self.catalog.sources.values() if source.is_dated)
        return {
            s.name: find_holes(self.held[s.name], _expected(s, self.scope) if is_night else None, s.every)
            for s in dated
        }

    @cached_property
    def awaited(self) -> Mapping[str, Sequence[date]]:
        """The deliveries that are not there, by source, which are to be fetched or made by the task that it names.

        Whether that of a snapshot is up to date only its task knows.
        """
        made = {name: source for name, source in self.catalog.sources.items() if source.task}
        if made and not _has_own_raw(self.project):
            made = {}
        fetched = {name: s for name, s in self.catalog.sources.items() if s.fetch and self.project.fetches}
        return {name: days for name, s in {**made, **fetched}.items() if (days := list(self._awaited(s)))}

    def _awaited(self, source: Source) -> Iterator[date]:
        scope, held = self.scope, self.held[source.name]
        if source.is_asked_each_night:
            # whether anything is new only the other side knows; of earlier dates it cannot say any more
            is_now = scope.last >= self.project.today() or not any(day > scope.last for day in held)
            is_night = scope.first == date.min and is_now
            yield from [scope.last] if is_night and scope.takes_source(source.name) else []
            return
        if not source.is_dated:
            days = [scope.last]
        elif scope.first > date.min:
            days = [scope.first + timedelta(n) for n in range((scope.last - scope.first).days + 1)]
        else:
            days = due_since(held, _expected(source, scope), source.every)
        takes_it = scope.takes_source(source.name)
        yield from (day for day in days if takes_it and not (source.is_dated and day in held))

    @cached_property
    def code(self) -> Mapping[str, str]:
        """The fingerprint of each source, model, contract and audit, by the name that messages use."""
        timezone = self.project.settings.timezone
        sources = {
            f"the source {name}": "".join(lake.definition(source.at(v.since), timezone) for v in source.variants)
            for name, source in self.catalog.sources.items()
        }
        models: dict[str, str] = {}
        for name, model in self.models.models.items():
            # a feature's file makes the view of its newest values too
            models[model.file] = f"{models.get(model.file, '')} {self.definitions[name]}".strip()
        checks = {f"the contract of {n}" if n in self.catalog.tables else n: p for n, p in self.checks.items()}
        return {**sources, **models, **checks}

    @cached_property
    def checks(self) -> Mapping[str, str]:
        """The fingerprint of each contract of a built table, of each audit, and of those of raw contracts."""
        contracts = {name: fingerprint(contract.to_dict()) for name, contract in self.catalog.tables.items()}
        sources = self.catalog.sources.values()
        contracts |= {
            s.table: fingerprint(list(map(str, s.contract.audits))) for s in sources if s.contract.audits
        }
        return contracts | {name: fingerprint(a.normal, a.severity) for name, a in self.models.audits.items()}

    @property
    def unique(self) -> dict[str, Sequence[str]]:
        """The columns that an audit of each table's header holds to be unique."""
        audits = self.models.audits.values()
        return {
            a.table: a.columns for a in audits if a.severity == "error" and a.name.startswith(f"{a.table}.unique.")
        }

    @cached_property
    def sources_of(self) -> Mapping[str, tuple[str, ...]]:
        """The sources that each table depends on, through any number of models."""
        found: dict[str, tuple[str, ...]] = {s.table: (s.name,) for s in self.catalog.sources.values()}
        found |= {PARTITIONS: tuple(sorted(self.catalog.sources)), ROW_COUNTS: ()}
        for model in self.models.models.values():
            found[model.name] = tuple(sorted({name for read in model.reads for name in found[read]}))
        return found


def make_plan(project: Project, ledger: Ledger, scope: Scope, run_id: str = "") -> Plan:
    """Look at raw/, the contracts, the SQL and the ledger, and return what is to be done.

    Without a `run_id` nobody will do it, and of the ledger only caches are written. Raises ContractError,
    ModelError or ConfigError when a definition is wrong.
    """
    catalog, models = definitions(project, ledger)
    _check_scope(scope, catalog)
    receipts = _receipts(project, ledger, catalog, is_run=run_id != "")
    deliveries = Deliveries(project, ledger, scope, receipts, run_id=run_id)
    found = {name: deliveries.find(source) for name, source in catalog.sources.items()}
    deliveries.remember()
    held = {name: taken.held for name, taken in found.items()}
    withdrawn = {name: taken.withdrawn for name, taken in found.items()}
    prints = fingerprints(project, catalog, models, held, deliveries.kept, scope.last, ledger, receipts)
    staleness = Staleness(
        project=project,
        scope=scope,
        catalog=catalog,
        models=models,
        held=held,
        prints=prints,
        receipts=receipts,
        withdrawn=withdrawn,
        cleared=cleared_steps(ledger),
    )
    stale, forced = staleness.find()
    missing = _missing(catalog, scope, held)
    known = {key.name for key in receipts if key.step == "extract"}
    lost = frozenset(n for n, s in catalog.sources.items() if not s.is_dated and n in known and not held[n])
    return Plan(
        project=project,
        scope=scope,
        run_id=run_id,
        catalog=catalog,
        models=models,
        held=held,
        fingerprints=prints,
        stale=stale,
        is_build_intact=staleness.is_build_intact(),
        forced=forced,
        receipts=receipts,
        taken=found,
        withdrawn=withdrawn,
        missing=missing,
        lost=lost,
    )


def _has_own_raw(project: Project) -> bool:
    """Return whether deliveries may be made in raw/: those of another environment are only read."""
    usual = environments(project)[0]
    return not project.environment or load_project(project.root, usual).raw != project.raw


def _check_scope(scope: Scope, catalog: Catalog) -> None:
    if scope.first > scope.last:
        raise ConfigError(f"The first date, {scope.first}, is after the last, {scope.last}.")
    for name in filter(None, [scope.source, *scope.allow_withdrawn.split(",")]):
        if name not in catalog.sources:
            raise ConfigError(unknown(f"There is no source {name}", name, catalog.sources))


def _receipts(project: Project, ledger: Ledger, catalog: Catalog, is_run: bool) -> Mapping[Key, Receipt]:
    receipts = ledger.receipts()
    if not any(key.step == "extract" for key in receipts) and project.lake.is_dir():
        adopted = lake.adopt(project, list(catalog.sources.values()))
        if is_run:
            ledger.write(*adopted)
        receipts |= {receipt.key: receipt for receipt in adopted}
    return receipts


def _missing(catalog: Catalog, scope: Scope, held: Held) -> dict[str, date]:
    # a backfill asks for given days: what else should be there is no question of it
    if scope.first > date.min:
        return {}
    expected = {s.name: _required(s, scope, held) for s in catalog.sources.values() if s.required}
    return {name: day for name, day in expected.items() if not _is_there(catalog.sources[name], day, held)}


def _expected(source: Source, scope: Scope) -> date:
    return scope.last - timedelta(source.lag_days)


def _required(source: Source, scope: Scope, held: Held) -> date:
    """Return the newest day that a source must have: what it declares, never what its history suggests."""
    expected = _expected(source, scope)
    return newest_due(held[source.name], expected, source.every) if source.is_dated else expected


def _is_there(source: Source, day: date, held: Held) -> bool:
    if source.has_days:
        return day in held[source.name]
    if source.is_asked_each_night:
        # that it could not be fetched, the run says
        return True
    return any(delivery.is_in_raw for delivery in held[source.name].values())
