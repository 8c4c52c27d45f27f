"""Features: what was known of an entity at a moment, and the SELECT that joins them to rows that ask for it.

A feature is a model with `entity` and `event_time`. A model with `features` and `at` is a feature set: to each of
its rows come the newest values of these features that were known at the row's moment, as asof joins. The SELECT
that is made of it is plain SQL: it is what is built, shown, and traced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from etl.engine.quoting import identifier, literal, qualified
from etl.errors import ModelError, sentence, unknown
from etl.models.asked import ALWAYS, DELIVERY, Header
from etl.models.binding import Bound
from etl.models.header import header_lines, read_header
from etl.models.misplaced import check_misplaced
from etl.models.model import Model
from etl.models.query import Query, explained, first_word, message_of, parse

if TYPE_CHECKING:
    import duckdb

#: Where a feature is looked for that is named without its schema.
FOLDER = "features"
#: The moment of a row, while the SELECT is made; and when a value became known.
_AT, _KNOWN = "_etl_at", "_etl_known"
_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


class _Feature(NamedTuple):
    """A feature of a set: its model, the name of its relation in the SELECT, and the columns that it brings."""

    model: Model
    alias: str
    values: tuple[str, ...]


def of_features(con: duckdb.DuckDBPyConnection, queries: Mapping[str, Query]) -> dict[str, Query]:
    """Return the view of the newest values of each feature; let the feature sets read their features."""
    found = {}
    for name, query in queries.items():
        keys = () if query.is_audit else {line.key for line in header_lines(query.text)}
        if "entity" in keys or "features" in keys:
            header, _ = read_header(query.file, query.text)
            query.features = tuple(map(full_name, header.features))
            if header.entity and header.event_time:
                found[f"{name}_newest"] = parse(con, {query.file: _newest(name, header)})[query.file]
    for name in found.keys() & queries.keys():
        what = f"{queries[name].file} makes {name}, which is the view of the newest values of a feature"
        raise ModelError(f"{found[name].file}: {what}. Rename one of them.")
    return found


def widened(query: Query, bound: Bound, known: Mapping[str, Model]) -> Query:
    """Return the SELECT of a feature set with its features joined."""
    import duckdb

    header, lines = read_header(query.file, query.text)
    check_misplaced(query.file, query.text)
    with explained(query.file, 2):
        bound.con.execute(f"explain\n{query.sql}")
    own = bound.con.execute(f"describe from (\n{query.sql}\n)").fetchall()
    try:
        moment = bound.con.execute(f"describe {_asked(query.sql, header)}").fetchall()[-1][1]
    except duckdb.Error as error:
        raise query.error_at(lines["at"], f"at: {message_of(error)}") from None
    text = _joined(query.file, query.sql, header, lines, [(row[0], row[1]) for row in own], moment, known)
    wide = parse(bound.con, {query.file: text})[query.file]
    wide.features = query.features
    return wide


def full_name(feature: str) -> str:
    """Return the table of a feature that a header names."""
    name = feature.lower()
    return name if "." in name else f"{FOLDER}.{name}"


def check_feature(model: Model, lines: Mapping[str, int]) -> None:
    """Raise ModelError for a model whose table lacks what its header names, or whose times are none."""
    stored = {name.lower(): type for name, type in model.stored}
    header = model.header
    times = (header.known, *(time for _, time in header.known_columns))
    for key, names in (("entity", header.entity), ("event_time", (header.event_time,)), ("known", times)):
        for name in names:
            if name in ("", ALWAYS):
                continue
            if name.lower() not in stored:
                raise _error(model.file, lines, key, f"{key}: a {model.kind.name} keeps no column {name}")
            if key != "entity" and stored[name.lower()] not in _TIMES:
                what = f"{key}: {name} is {stored[name.lower()]}, not a date or timestamp. Cast it"
                raise _error(model.file, lines, key, what)


def _newest(name: str, header: Header) -> str:
    """Return the SELECT of the newest values of each entity."""
    known = header.partition if header.known == DELIVERY else header.known
    times = [header.event_time, *filter(None, [known])]
    order = ", ".join(f"{identifier(time)} desc" for time in times)
    entity = ", ".join(map(identifier, header.entity))
    return (
        f"-- The newest values of {name}. Grain: {', '.join(header.entity)}.\n-- materialized: view\n"
        f"select * from {qualified(name)}\n"
        f"qualify row_number() over (partition by {entity} order by {order}) = 1\n"
    )


def _joined(
    file: str,
    sql: str,
    header: Header,
    lines: Mapping[str, int],
    own: Sequence[tuple[str, str]],
    moment: str,
    known: Mapping[str, Model],
) -> str:
    """Return the SELECT of a feature set: its rows, with the values of its features at their moments.

    `own` are the columns of its own SELECT, `moment` is the type of its `at`. A value that is older than the
    feature's `ttl` is null, and so is one of a row without a moment. Raises ModelError naming file and line for a
    name that is not a feature's, a column that comes twice, and times that cannot be compared.
    """
    features = [_feature(file, lines, name, known) for name in header.features]
    _check(file, lines, features, own, moment)
    start = first_word(sql)
    columns = [f"asked.{identifier(name)}" for name, _ in own]
    columns += [_value(feature, name, moment) for feature in features for name in feature.values]
    joins = "".join(f"\nasof left join {_relation(feature, moment)}" for feature in features)
    selected = ",\n    ".join(columns)
    return f"{sql[:start]}select\n    {selected}\nfrom ({_asked(sql[start:], header)}) as asked{joins}\n"


def _asked(sql: str, header: Header) -> str:
    """Return the SELECT of a feature set's own rows, with the moment of each behind its columns."""
    return f"\n    select *, ({header.at}) as {_AT} from (\n{sql}\n    )\n"


def _feature(file: str, lines: Mapping[str, int], name: str, known: Mapping[str, Model]) -> _Feature:
    table = full_name(name)
    model = known.get(table)
    if model is None or not model.header.entity:
        there = [other for other, each in known.items() if each.header.entity]
        instead = "A feature is a model with `-- entity: ...` and `-- event_time: ...`"
        raise _error(
            file, lines, "features", unknown(f"features: {table} is not a feature", table, there, instead)
        )
    header = model.header
    other = {*header.entity, header.event_time, header.known, header.partition}
    values = tuple(column for column, _ in model.stored if column not in other)
    return _Feature(model, table.replace(".", "_"), values)


def _check(
    file: str, lines: Mapping[str, int], features: Sequence[_Feature], own: Sequence[tuple[str, str]], moment: str
) -> None:
    """Raise ModelError for columns that the rows lack, that come twice, or whose times cannot be compared."""
    made = {name.lower(): "the SELECT" for name, _ in own}
    types = {name.lower(): type for name, type in own}
    if moment not in _TIMES:
        raise _error(file, lines, "at", f"at: the moment is {moment}, not a date or timestamp. Cast it")
    for feature in features:
        header, stored = feature.model.header, {name.lower(): type for name, type in feature.model.stored}
        for name in header.entity:
            if name.lower() not in types:
                what = f"features: {feature.model.name} is by {name}, which the SELECT lacks. Add the column"
                raise _error(file, lines, "features", what)
            if (types[name.lower()] == "VARCHAR") != (stored[name.lower()] == "VARCHAR"):
                what = f"{name} is {types[name.lower()]}, and {stored[name.lower()]} in {feature.model.name}"
                raise _error(file, lines, "features", f"features: {what}. Cast it")
        for time in filter(None, [header.event_time, header.known]):
            if ("ZONE" in stored[time.lower()]) != ("ZONE" in moment) and stored[time.lower()] != "DATE":
                what = f"at: the moment is {moment}, but {time} of {feature.model.name} is {stored[time.lower()]}"
                raise _error(file, lines, "at", f"{what}. Give both a time zone, or none")
        for name in feature.values:
            if other := made.get(name.lower()):
                what = f"features: {name} of {feature.model.name} comes from {other} too. Rename one of them"
                raise _error(file, lines, "features", what)
            made[name.lower()] = feature.model.name


def _value(feature: _Feature, name: str, moment: str) -> str:
    header, column = feature.model.header, f"{feature.alias}.{identifier(name)}"
    if not header.ttl:
        return column
    time = f"cast({feature.alias}.{identifier(header.event_time)} as {_as_time(moment)})"
    fresh = f"asked.{_AT} - interval {literal(header.ttl)} <= {time}"
    return f"case when {fresh} then {column} end as {identifier(name)}"


def _relation(feature: _Feature, moment: str) -> str:
    """Return the relation of a feature and the condition on which it joins."""
    header = feature.model.header
    time, table = header.event_time, qualified(feature.model.name)
    if header.known:
        time, table = _KNOWN, f"({_versions(feature.model, moment)})"
    equal = "".join(
        f"asked.{identifier(name)} = {feature.alias}.{identifier(name)} and " for name in header.entity
    )
    return f"{table} as {feature.alias}\n    on {equal}asked.{_AT} >= {feature.alias}.{identifier(time)}"


def _versions(model: Model, moment: str) -> str:
    """Return the SELECT of what was the newest value of each entity, each time that something became known.

    A correction of an earlier time that comes late does not hide the newer value that was known before.
    """
    header, time = model.header, _as_time(moment)
    entity = ", ".join(map(identifier, header.entity))
    event = f"cast({identifier(header.event_time)} as {time})"
    # a day is known when it is over
    is_day = dict(model.stored)[header.known] == "DATE"
    known = f"cast({identifier(header.known)}{' + 1' if is_day else ''} as {time})"
    others = [name for name, _ in model.stored if name not in header.entity]
    kept = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in others)
    back = ", ".join(f"newest.{identifier(name)}" for name in others)
    return (
        f"\n    select {entity}, {_KNOWN}, {back} from (\n"
        f"        select {entity}, greatest({event}, {known}) as {_KNOWN},\n"
        f"            arg_max(struct_pack({kept}), struct_pack(event := {event}, known := {known})) over (\n"
        f"                partition by {entity} order by greatest({event}, {known})\n"
        f"            ) as newest\n        from {qualified(model.name)}\n"
        f"        qualify row_number() over (partition by {entity}, greatest({event}, {known})) = 1\n    )\n"
    )


def _as_time(moment: str) -> str:
    return "TIMESTAMP" if moment == "DATE" else moment


def _error(file: str, lines: Mapping[str, int], key: str, what: str) -> ModelError:
    return ModelError(f"{file}:{lines[key]}: {sentence(what)}")
