"""Judging features: built of what was known at a moment, each must say of then what it says now."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from etl import engine
from etl.engine.quoting import identifier, literal
from etl.errors import ConfigError, StepError, counted, few, plain, sentence, unknown
from etl.ledger import Ledger
from etl.models import Model, Models
from etl.operations.leaks.world import PUBLISHED, World, instant, usable
from etl.plan.definitions import definitions, raw_tables
from etl.project import Project
from etl.stages import published
from etl.stages.warehouse import define_own

#: A feature made of so many rows is judged at few moments, since each costs one build of it; another one at more.
_MANY_ROWS, _FEW_MOMENTS, _MOMENTS = 20_000, 2, 8
#: The first part of the rows is too little to judge by, and behind the last part nothing comes that could leak.
_FROM, _TO = 0.2, 0.95


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a feature: at which moments it was judged, and how many rows of then are other ones now.

    `columns` are those that differ, `example` is the time of the newest row that does, `why` tells why there was
    nothing to judge. `undated` are the tables of which nothing says since when their rows are known.
    """

    feature: str
    moments: tuple[str, ...] = ()
    rows: int = 0
    differing: int = 0
    columns: tuple[str, ...] = ()
    example: str = ""
    moment: str = ""
    why: str = ""
    undated: tuple[str, ...] = ()


def check_leaks(
    project: Project, ledger: Ledger, names: Collection[str] = (), at: datetime | None = None
) -> list[Judged]:
    """Judge the features `names`, or those of a feature set, or all: built of what was known at some moments.

    The moments are times of their own rows, or `at`. Raises ConfigError for a name that is not a feature's,
    PublishError if nothing is published, StepError if a model cannot be built, and what the definitions raise.
    """
    import duckdb

    catalog, models = definitions(project, ledger)
    features = _features(models, names)
    file = published.find(project, published.CURRENT)
    record = published.read_record(file.parent)
    with engine.in_memory(project) as con:
        try:
            con.execute(f"attach {literal(str(file))} as {PUBLISHED} (read_only)")
            engine.show_beside(con, file)
            define_own(con)
            raw = {table.name: table for table in raw_tables(catalog)}
            world = World(
                project=project, con=con, models=models, raw=raw, definitions=record.definitions if record else {}
            )
            world.rebuild_changed([feature.name for feature in features])
            return [_judged(world, feature, at) for feature in features]
        except duckdb.Error as error:
            raise StepError(
                f"The features could not be judged: {sentence(plain(str(error)))} "
                "If the project has changed since it was published, run a night first: etl run"
            ) from error


def _features(models: Models, names: Collection[str]) -> list[Model]:
    there = {name: model for name, model in models.models.items() if model.header.entity}
    wanted: list[str] = []
    for name in names:
        if name in there:
            wanted.append(name)
        elif name in models.models and models.models[name].header.features:
            wanted += [read for read in models.models[name].reads if read in there]
        else:
            sets = [other for other, model in models.models.items() if model.header.features]
            instead = "A feature is a model with `-- entity: ...` and `-- event_time: ...`"
            raise ConfigError(unknown(f"There is no feature {name}", name, [*there, *sets], instead))
    return [there[name] for name in (dict.fromkeys(wanted) if names else there)]


def _judged(world: World, feature: Model, at: datetime | None) -> Judged:
    undated = tuple(world.undated(feature.name))
    if not world.is_cut(feature.name):
        why = "nothing tells since when its rows are known: no table below it is dated"
        return Judged(feature=feature.name, why=why, undated=undated)
    moments = [at] if at else list(_moments(world, feature))
    found: dict[str, Any] = {"feature": feature.name, "moments": tuple(map(_shown, moments)), "undated": undated}
    rows = 0
    for moment in moments:
        with world.cut([feature.name], moment):
            judged, differing, example, columns = _compared(world, feature, moment)
        rows += judged
        if differing:
            found |= {"differing": differing, "example": example, "columns": columns, "moment": _shown(moment)}
            break
    why = "" if rows else "it has no rows that were in use before something came"
    return Judged(**found, rows=rows, why=why)


def _moments(world: World, feature: Model) -> Iterator[datetime]:
    """Yield times of a feature's rows, from late to early: in each part of its time the one that most rows have.

    A row is asked for at the very time from which it is used: whatever comes later, by a second or a year, is
    gone, and most rows are asked for at once.
    """
    last = world.last(feature.name)
    if last is None:
        return
    is_large = world.rows_below(feature.name) >= _MANY_ROWS
    number = _FEW_MOMENTS if is_large else _MOMENTS
    counts = (
        f"select {_used(feature)} as used, count(*) as rows from {world.now(feature.name)} group by all "
        f"having used < {instant(last)}"
    )
    parts = f"select used, rows, sum(rows) over (order by used) / sum(rows) over () as part from ({counts})"
    slices = f"least(greatest(floor((part - {_FROM}) / {_TO - _FROM} * {number}), 0), {number - 1})"
    judged = f"part between {_FROM} and {_TO}" if is_large else "true"
    picked = (
        f"select epoch_us(arg_max(used, (rows, used))) from ({parts}) where {judged} "
        f"group by {slices} order by {slices} desc"
    )
    found = [world.moment(time) for (time,) in world.con.execute(picked).fetchall()]
    # what keeps the newest alone has no row of before any more; it had some
    yield from found or [last - timedelta(hours=12)]


def _used(feature: Model) -> str:
    """Return the SQL of the instant from which a feature set uses a row."""
    header, types = feature.header, dict(feature.stored)
    event = f"cast({identifier(header.event_time)} as timestamptz)"
    return f"greatest({event}, {usable(header.known, types[header.known])})" if header.known else event


def _compared(world: World, feature: Model, moment: datetime) -> tuple[int, int, str, tuple[str, ...]]:
    """Return rows that are used by a moment, how many are others now, the time of one, and which columns are."""
    header = feature.header
    keys = list(dict.fromkeys([*header.entity, header.event_time, *filter(None, [header.known])]))
    values = [(name, type) for name, type in feature.stored if name not in keys]
    # what has no entity joins nothing
    there = "".join(f" and {identifier(name)} is not null" for name in header.entity)
    where = f"where {_used(feature)} <= {instant(moment)}{there}"
    sides = [
        f"(select *, true as _etl_here from {table} {where}) as {alias}"
        for table, alias in ((world.now(feature.name), "a"), (_own(feature.name), "b"))
    ]
    on = " and ".join(f"a.{identifier(name)} = b.{identifier(name)}" for name in keys)
    is_one = "(a._etl_here is null or b._etl_here is null)"
    other = {name: _differs(identifier(name), type) for name, type in values}
    differs = " or ".join([is_one, *other.values()])
    counts = ", ".join(f"count(*) filter (where not {is_one} and {text})" for text in other.values())
    time = f"coalesce(a.{identifier(header.event_time)}, b.{identifier(header.event_time)})"
    query = (
        f"select count(*), count(*) filter (where {differs}), "
        f"cast(max({time}) filter (where {differs}) as varchar)"
        f"{', ' if counts else ''}{counts} from {sides[0]} full join {sides[1]} on {on}"
    )
    rows, differing, example, *by_column = world.con.execute(query).fetchall()[0]
    columns = tuple(name for (name, _), count in zip(values, by_column, strict=True) if count)
    return rows, differing, example or "", columns


def _own(table: str) -> str:
    schema, name = table.split(".", 1)
    return f"memory.{identifier(schema)}.{identifier(name)}"


def _differs(name: str, type: str) -> str:
    """Return the condition that two values differ; sums of floating-point numbers depend on the order of rows."""
    differs = f"a.{name} is distinct from b.{name}"
    if type not in ("DOUBLE", "FLOAT"):
        return differs
    near = f"abs(a.{name} - b.{name}) <= 1e-9 * greatest(1, abs(a.{name}))"
    return f"({differs} and ({near}) is not true)"


def _shown(moment: datetime) -> str:
    return moment.isoformat(sep=" ")


def leaks_of(one: Judged) -> str:
    """Return what is wrong with a feature that leaks."""
    columns = f" The columns: {few(one.columns)}." if one.columns else ""
    return (
        f"{one.feature} leaks: of {counted(one.rows, 'row')} that were in use by {one.moment}, {one.differing:,} "
        f"cannot be made of what was known then, such as one of {one.example}.{columns}"
    )
