"""What a run of a plan would do, table by table, found without doing any of it.

The steps decide at the last moment, by what build.duckdb holds then. Here they are walked through in order, on a
copy of what it holds now: a raw table gets the versions that it will have, a model that will be built a new one.
Its rows may turn out to be the same, and then what reads it is left as it is; that cannot be known before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import date

from etl.errors import counted, few
from etl.ledger import Key, Ledger
from etl.ledger.keys import AUDIT, PUBLISH, extract_key, load_key, transform_key
from etl.models import Model
from etl.plan import costs
from etl.plan.decided import decided_notes
from etl.plan.plan import Plan
from etl.plan.reasons import about_checks, about_definition, about_delivery, about_form, listed
from etl.plan.stale import CHANGED
from etl.stages.warehouse import Build, Built, Day, Part, State, Work, date_inputs, look, work


@dataclass(frozen=True)
class Expected:
    """What a run is expected to do about one table: nothing, unless `is_built`; and why.

    `partitions` are the dates that it makes, None for all of it; `rows` and `seconds` are None if there is nothing
    to judge them by. `diff` is between the SQL as it was built and as it is now.
    """

    name: str
    why: str
    is_built: bool = False
    partitions: Sequence[date] | None = ()
    _: KW_ONLY
    rows: int | None = 0
    seconds: float | None = 0.0
    diff: str = ""


@dataclass(frozen=True)
class Forecast:
    """What a run is expected to do: about raw tables and models, in order, then the audit and the publish."""

    tables: Sequence[Expected]
    audit: Expected
    publish: Expected
    #: What will stop it, or should be known before.
    notes: Sequence[str]


def forecast(plan: Plan, ledger: Ledger, is_under_way: bool = False) -> Forecast:
    """Return what a run of `plan` would do. Nothing is written, and no run has to wait.

    While one `is_under_way`, or has build.duckdb open, receipts alone tell what is left to be done.
    """
    changed_checks = about_checks(plan, ledger)
    if is_under_way or all(key.step not in ("load", "transform") for key in plan.stale):
        tables = list(_Walk(plan=plan, state=None, changed_checks=changed_checks).tables())
    else:
        with look(plan.project) as state:
            tables = list(_Walk(plan=plan, state=state, changed_checks=changed_checks).tables())
    audit = _audit(plan, changed_checks)
    return Forecast(tables, audit, _publish(plan), [*_notes(plan), *decided_notes(plan)])


@dataclass(kw_only=True)
class _Walk:
    """The tables in order, with what becomes of each; `state` is that of build.duckdb, as far as it is walked."""

    plan: Plan
    state: State | None
    changed_checks: Mapping[str, str]
    #: Why raw tables will change.
    loaded: dict[str, str] = field(default_factory=dict)
    #: The models that will be built, and those of another definition.
    built: set[str] = field(default_factory=set)
    redefined: set[str] = field(default_factory=set)

    def tables(self) -> Iterator[Expected]:
        """Yield what becomes of each raw table and model."""
        for name in self.plan.catalog.sources:
            yield self._raw(name)
        for model in self.plan.models.models.values():
            if transform_key(model.name) not in self.plan.stale:
                yield Expected(model.name, self._about_contract(model.name) or "unchanged")
            elif self.state is None:
                yield self._by_receipt(model.name)
            else:
                yield self._model(self.state, self.plan.build(model.name))

    def _raw(self, name: str) -> Expected:
        plan, source = self.plan, self.plan.catalog.sources[name]
        days, gone = self._to_load(name)
        is_made = self.state is not None and source.table not in self.state.raw
        if self.state:
            versions = {day: plan.fingerprints[extract_key(name, day)] for day in plan.held[name]}
            parts: dict[Day, Part] = {day: Part("", version) for day, version in versions.items()}
            self.state.put_raw(source.table, plan.fingerprints[load_key(name)], parts)
        if is_made and not days:
            return Expected(
                source.table, f"no delivery yet ({source.connector.place}): an empty table", is_built=True
            )
        form = about_form(plan, name, costs.rows_of_deliveries(plan, name, plan.held[name]) or 0)
        if not days and not gone:
            return self._as_it_is(name, form)
        kinds: dict[str, list[date]] = {}
        for day in days:
            kinds.setdefault(about_delivery(plan, name, day), []).append(day)
        if gone and (source.has_dates or not days):
            kinds["withdrawn: the file is gone"] = gone
        why = "; ".join(f"{kind} {listed(dates)}" for kind, dates in kinds.items())
        self.loaded[source.table] = why
        why = "; ".join(filter(None, [why, form]))
        extracted = [delivery.date for delivery in plan.stale_partitions(name)]
        return Expected(
            source.table,
            why,
            is_built=True,
            partitions=sorted({*days, *gone}) if source.has_dates else None,
            rows=costs.rows_of_deliveries(plan, name, days),
            seconds=costs.seconds_of_deliveries(plan, name, extracted),
        )

    def _as_it_is(self, name: str, form: str) -> Expected:
        """Return what becomes of a raw table of which no partition changes."""
        plan, table = self.plan, self.plan.catalog.sources[name].table
        if not form or load_key(name) not in plan.stale:
            return Expected(table, "loaded already" if load_key(name) in plan.stale else "nothing new")
        rows = costs.rows_of_deliveries(plan, name, plan.held[name])
        seconds = costs.seconds_of_deliveries(plan, name, [])
        return Expected(table, form, is_built=True, partitions=None, rows=rows, seconds=seconds)

    def _to_load(self, name: str) -> tuple[list[date], list[date]]:
        """Return the partitions that will be loaded, and those that will be taken away."""
        plan, table = self.plan, self.plan.catalog.sources[name].table
        stale = {delivery.date for delivery in plan.stale_partitions(name)}
        if self.state is None:
            return sorted(stale), list(plan.withdrawn[name])
        there = {day: part.version for day, part in self.state.parts(table).items() if day}
        versions = {day: plan.fingerprints[extract_key(name, day)] for day in plan.held[name]}
        days = {day for day, version in versions.items() if there.get(day) != version}
        return sorted(days | stale), sorted(there.keys() - versions.keys())

    def _by_receipt(self, name: str) -> Expected:
        """Return what the ledger alone can say of a stale model."""
        key = transform_key(name)
        receipt, why = self.plan.receipts.get(key), self.plan.stale[key]
        details = receipt.details if receipt else {}
        why = "not done yet" if why == "never done" else why
        return Expected(name, why, True, None, rows=details.get("rows"), seconds=details.get("seconds"))

    def _model(self, state: State, build: Build) -> Expected:
        model, before = build.model, state.built.get(build.model.name)
        parts, todo = state.parts(model.name), work(build, state)
        if before and before.definition != build.definition:
            self.redefined.add(model.name)
        if not todo:
            return Expected(model.name, self._about_rest(model))
        why, diff = self._about(state, build, before, todo)
        _build(state, build, todo)
        self.built.add(model.name)
        if todo.full or before is None:
            rows, seconds = (before.rows, before.full_seconds) if before else (None, None)
            return Expected(model.name, why, True, None, rows=rows, seconds=seconds, diff=diff)
        days = [day for day in todo.days if day]
        rows = costs.rows_of_partitions(parts, days)
        seconds = costs.seconds_of_partitions(before, parts, todo.days)
        return Expected(model.name, why, True, days, rows=rows, seconds=seconds, diff=diff)

    def _about(self, state: State, build: Build, before: Built | None, todo: Work) -> tuple[str, str]:
        """Return why a model is built, and the difference of its SQL."""
        model = build.model
        if before is None or build.anew:
            return todo.why, ""
        if before.definition != build.definition or before.materialized != model.materialized:
            views = [view for view in self.plan.models.views_under[model.name] if view in self.redefined]
            why, diff = about_definition(state, build, before, views)
            return why + _in_full(todo), diff
        inputs = [*model.whole, *model.by_date]
        found = [f"{table}: {self.loaded[table]}" for table in inputs if table in self.loaded]
        if rebuilt := [table for table in inputs if table in self.built]:
            found.append(f"upstream rebuilt: {', '.join(rebuilt)}")
        return ("; ".join(found) + _in_full(todo) if found else todo.why), ""

    def _about_rest(self, model: Model) -> str:
        """Return why a model is left as it is, though something above it changes."""
        views = self.plan.models.views_under[model.name]
        reads = {*model.reads, *(read for view in views for read in self.plan.models.models[view].reads)}
        changing = reads & {*self.loaded, *self.built} - {*model.by_date, *model.whole}
        if not model.kind.is_stored:
            return "a view: it shows what is below it"
        if changing:
            return f"tolerated: {', '.join(sorted(changing))}"
        return self._about_contract(model.name) or "built already"

    def _about_contract(self, name: str) -> str:
        what = self.changed_checks.get(name)
        return f"{what} contract: audited again, not rebuilt" if what else ""


def _build(state: State, build: Build, todo: Work) -> None:
    """Note in `state` that a model is built, with content that is not known yet."""
    model, version = build.model, f"made of {build.content}"
    inputs = date_inputs(model, state)
    if model.kind.is_partitioned and not model.by_date:
        there = {day for table in (model.name, *model.whole) for day in state.parts(table)}
        inputs = dict.fromkeys(there, version)
    parts = {} if todo.full else dict(state.parts(model.name))
    for day in inputs if todo.full else todo.looked_at:
        if day in inputs:
            parts[day] = Part(inputs[day], version, parts[day].rows if day in parts else None)
        else:
            parts.pop(day, None)
    built = Built(
        content=build.content,
        materialized=model.materialized,
        rows=None,
        seconds=0.0,
        definition=build.definition,
        inputs={},
        version=version,
    )
    state.put(model, built, parts)


def _audit(plan: Plan, changed_checks: Mapping[str, str]) -> Expected:
    is_built = any(key not in (AUDIT, PUBLISH) for key in plan.stale)
    kinds = {name: "audit" if name in plan.models.audits else "contract of" for name in changed_checks}
    texts = [f"{what} {kinds[name]} {name}" for name, what in changed_checks.items()]
    other = (
        "changed contract, audit, macro, description, owner or unit"
        if PUBLISH in plan.stale
        else "freshness on another date"
    )
    other = other if AUDIT in plan.stale else "unchanged"
    why = "; ".join(texts) or ("what it is about is built" if is_built else other)
    return Expected("audit", why, AUDIT in plan.stale, None, rows=None, seconds=_seconds(plan, AUDIT))


def _publish(plan: Plan) -> Expected:
    missing = ", ".join(f"{name} {day}" for name, day in plan.missing.items())
    if missing:
        return Expected("publish", f"nothing is published: {missing} is required, and not there")
    reason = "changed export" if plan.stale.get(PUBLISH) == CHANGED else plan.stale.get(PUBLISH, "unchanged")
    why = "a new generation" if {AUDIT, PUBLISH} <= plan.stale.keys() else reason
    return Expected("publish", why, PUBLISH in plan.stale, None, rows=None, seconds=_seconds(plan, PUBLISH))


def _in_full(todo: Work) -> str:
    return f" (built in full: {todo.in_full})" if todo.in_full else ""


def _seconds(plan: Plan, key: Key) -> float | None:
    if key not in plan.stale:
        return 0.0
    return plan.receipts[key].seconds if key in plan.receipts else None


def _notes(plan: Plan) -> Iterator[str]:
    for name, days in plan.awaited.items():
        if fetch := plan.catalog.sources[name].fetch:
            yield f"{name}: the run first fetches it ({fetch.named})"
            continue
        yield f"{name}: the run first has {plan.catalog.sources[name].task} make the delivery of {few(days)}"
    for name, day in plan.missing.items():
        if wait := plan.catalog.sources[name].wait:
            yield f"{name}: a run that begins within {wait} waits for the delivery of {day}"
    allowed = plan.scope.allow_withdrawn.split(",")
    for name, days in plan.withdrawn.items():
        limit = plan.catalog.sources[name].max_withdrawn
        if len(days) > limit and name not in allowed:
            what = f"{counted(len(days), 'file')} vanished, more than max_withdrawn = {limit}"
            yield f"{name}: {what}: the run will fail, unless it has --allow-withdrawn {name}"
    for name, taken in plan.taken.items():
        limit, lost = plan.catalog.sources[name].max_withdrawn, set(taken.lost) - taken.given_up
        if lost:
            unless = f", unless it has --allow-withdrawn {name}"
            then = (
                f"the run will fail{unless}"
                if len(lost) > limit and name not in allowed
                else "they leave the table"
            )
            yield f"{name}: the lake has lost {counted(len(lost), 'snapshot')} ({few(sorted(lost))}): {then}"
