"""Features: to each row come the newest values that were known at its moment, and never a later one."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ModelError
from etl.models import Given, Models, read_models

FEATURE = "-- entity: plane\n-- event_time: at_time\nselect plane, at_time, delay as last_delay from raw.seen"
SET = "-- features: last\n-- at: asked_at\nselect id, plane, asked_at from raw.asked"
START = datetime(2024, 4, 10)
#: Every type of a moment, and those of event times that can be compared with it.
TYPES = {
    "DATE": ["DATE", "TIMESTAMP"],
    "TIMESTAMP": ["DATE", "TIMESTAMP"],
    "TIMESTAMP WITH TIME ZONE": ["DATE", "TIMESTAMP WITH TIME ZONE"],
}


def read(
    root: Path, feature: str = FEATURE, asks: str = SET, event: str = "TIMESTAMP", at: str = "TIMESTAMP"
) -> Models:
    for name, text in (("features/last", feature), ("ml/training", asks)):
        path = root / "sql" / f"{name}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    seen = (("plane", "VARCHAR"), ("at_time", event), ("delay", "BIGINT"), ("delivery_date", "DATE"))
    asked = (("id", "BIGINT"), ("plane", "VARCHAR"), ("asked_at", at), ("number", "BIGINT"))
    return read_models(root / "sql", [Given("raw.seen", seen, "delivery_date"), Given("raw.asked", asked)])


def refusal(root: Path, **texts: str) -> str:
    with pytest.raises(ModelError) as error:
        read(root, **texts)
    return str(error.value)


def answer(models: Models, seen: list[Any], asked: list[Any], event: str, at: str) -> list[tuple[Any, ...]]:
    """Build the feature, its set and the newest values; return the rows of the set, and of the newest."""
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("set timezone = 'Europe/Berlin'; create schema raw; create schema features; create schema ml")
        con.execute(f"create table raw.seen (plane text, at_time {event}, delay bigint, delivery_date date)")
        con.execute(f"create table raw.asked (id bigint, plane text, asked_at {at}, number bigint)")
        for table, rows in (("seen", seen), ("asked", asked)):
            if rows:
                con.executemany(f"insert into raw.{table} values (?, ?, ?, ?)", rows)
        for name, model in models.models.items():
            con.execute(f"create {'view' if not model.kind.is_stored else 'table'} {name} as {model.sql}")
        assert con.execute("select count(*) from ml.training").fetchone() == (len(asked),)
        newest = con.execute("select plane, last_delay from features.last_newest order by plane").fetchall()
        return con.execute("select id, last_delay from ml.training order by id").fetchall() + newest


moments = st.integers(0, 96).map(lambda hours: START + timedelta(hours=hours))
planes = st.sampled_from(["a", "b"])
kinds = st.sampled_from([(event, at) for at, events in TYPES.items() for event in events])


@given(
    kind=kinds,
    seen=st.lists(
        st.tuples(planes, moments, st.none() | st.integers(0, 9), st.integers(0, 5)),
        max_size=12,
    ),
    asked=st.lists(st.tuples(planes | st.none(), moments | st.none()), max_size=8),
    ttl=st.sampled_from(["", "1 hour", "18 hours", "2 days", "1 month"]),
    is_known=st.booleans(),
)
def test_the_newest_value_that_was_known_comes_to_a_row(
    tmp_path_factory: pytest.TempPathFactory,
    kind: tuple[str, str],
    seen: list[tuple[str, datetime, int | None, int]],
    asked: list[tuple[str | None, datetime | None]],
    ttl: str,
    is_known: bool,
) -> None:
    event, at = kind
    header = f"-- ttl: {ttl}\n" if ttl else ""
    header += "-- known: delivery_date\n" if is_known else ""
    text = header + FEATURE.replace("select plane", "select delivery_date, plane")
    models = read(tmp_path_factory.mktemp("features"), text, event=event, at=at)
    # a feature has one row of an entity and its times
    rows = {
        (plane, _as(time, event), START.date() + timedelta(days) if is_known else None): delay
        for plane, time, delay, days in seen
    }
    told = [(plane, time, delay, known) for (plane, time, known), delay in rows.items()]
    questions = [(n, plane, _as(time, at), 0) for n, (plane, time) in enumerate(asked)]

    expected: list[tuple[Any, ...]] = [
        (n, _by_hand(rows, plane, _as(time, at), ttl)) for n, (plane, time) in enumerate(asked)
    ]
    newest = {}
    for (plane, time, known), delay in rows.items():
        if plane not in newest or (_when(time), known or date.min) > newest[plane][0]:
            newest[plane] = ((_when(time), known or date.min), delay)

    assert answer(models, told, questions, event, at) == expected + [
        (plane, delay) for plane, (_, delay) in sorted(newest.items())
    ]


def _by_hand(rows: dict[Any, Any], plane: str | None, moment: Any, ttl: str) -> int | None:
    """Return what a person would find who goes through all rows."""
    best: tuple[Any, int | None] | None = None
    for (entity, time, known), delay in rows.items():
        if entity != plane or moment is None or _when(time) > _when(moment):
            continue
        # the delivery of a day is there when the day is over
        if known and datetime.combine(known + timedelta(1), datetime.min.time()) > _when(moment):
            continue
        if best is None or (_when(time), known or date.min) > best[0]:
            best = ((_when(time), known or date.min), delay)
    if best is None:
        return None
    number, unit = ttl.split() if ttl else ("", "")
    # a month back from a day of April: no moment here is near its end
    ages = {"hour": timedelta(hours=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}
    if unit in ages and _when(moment) - best[0][0] > int(number) * ages[unit]:
        return None
    return best[1]


def _as(time: datetime | None, type: str) -> Any:
    return time.date() if time and type == "DATE" else time


def _when(time: Any) -> datetime:
    return time if isinstance(time, datetime) else datetime.combine(time, datetime.min.time())


def test_a_feature_has_one_row_of_an_entity_and_time(tmp_path: Path) -> None:
    models = read(tmp_path, "-- known: delivery_date\n" + FEATURE.replace("delay", "delivery_date, delay", 1))

    columns = "plane, at_time, delivery_date"
    assert {(audit.why, audit.severity) for audit in models.audits.values()} == {
        (f"not_null: {columns}", "error"),
        (f"unique: {columns}", "error"),
    }


def test_the_select_of_a_set_is_plain_sql_that_says_what_it_reads(tmp_path: Path) -> None:
    model = read(tmp_path).models["ml.training"]

    assert model.reads == ("features.last", "raw.asked")
    assert [name for name, _ in model.columns] == ["id", "plane", "asked_at", "last_delay"]
    assert model.sql.startswith("-- features: last\n-- at: asked_at\nselect")


def test_another_ttl_is_another_set(tmp_path: Path) -> None:
    old = read(tmp_path).models
    new = read(tmp_path, f"-- ttl: 2 hours\n{FEATURE}").models

    assert old["features.last"].normal == new["features.last"].normal
    assert old["ml.training"].normal != new["ml.training"].normal


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("last", "-- event_time: at_time\n", "", "1: entity: it needs a line `-- event_time: ...`."),
        (
            "last",
            "-- entity",
            "-- ttl: soon\n-- entity",
            "1: ttl: soon is not a time such as 18 hours",
        ),
        ("last", "-- entity", "-- known: delivery\n-- entity", "1: known: delivery needs a line `-- partition: "),
        ("last", "time: at_time", "time: last_delay", "2: event_time: last_delay is BIGINT, not a date or timest"),
        ("last", "entity: plane", "entity: plan", "1: entity: the SELECT has no column plan. Did you mean plane?"),
        ("training", "last", "lst", "1: features: features.lst is not a feature. Did you mean features.last?"),
        ("training", "-- at: asked_at\n", "", "1: features: it needs a line `-- at: ...`"),
        ("training", "at: asked_at", "at: asked", "2: at: "),
        ("training", "at: asked_at", "at: asked_at) from raw.asked --", "2: at: "),
        ("training", "at: asked_at", "at: id", "2: at: the moment is BIGINT, not a date or timestamp. Cast it."),
        ("training", "at: asked_at", "at: now()::timestamp", "now() gives another result each night"),
        ("training", "id, plane, ", "id, ", "1: features: features.last is by plane, which the SELECT lacks."),
        (
            "training",
            "id, pl",
            "id, number as pl",
            "features: plane is BIGINT, and VARCHAR in",
        ),
        ("training", "id, ", "id as Last_Delay, ", "last_delay of features.last comes from the SELECT too."),
        ("training", "select", "select\n-- key: id\n", "4: `-- key: id` is below the first word"),
    ],
)
def test_what_cannot_be_joined_by_time_is_refused(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    texts = {"last": FEATURE, "training": SET}
    assert old in texts[file]
    texts[file] = texts[file].replace(old, new, 1)

    message = refusal(tmp_path, feature=texts["last"], asks=texts["training"])

    assert f"{file}.sql:" in message and said in message


def test_a_moment_with_a_time_zone_is_compared_with_such_times_only(tmp_path: Path) -> None:
    said = refusal(tmp_path, at="TIMESTAMP WITH TIME ZONE")

    assert "at: the moment is TIMESTAMP WITH TIME ZONE, but at_time of features.last is TIMESTAMP." in said


@pytest.mark.parametrize(
    ("line", "row", "columns"),
    [
        ("known: at_time", "at_time", ()),
        ("known: Delivery_Date", "delivery_date", ()),
        ("known: always, delay = at_time", "always", (("delay", "at_time"),)),
        (
            "known: at_time, DELAY = at_time, plane = delivery_date",
            "at_time",
            (("delay", "at_time"), ("plane", "delivery_date")),
        ),
    ],
)
def test_any_model_may_say_since_when_its_rows_and_columns_are_known(
    tmp_path: Path, line: str, row: str, columns: tuple[tuple[str, str], ...]
) -> None:
    (tmp_path / "sql/features").mkdir(parents=True)
    (tmp_path / "sql/features/base.sql").write_text(f"-- materialized: view\n-- {line}\nfrom raw.seen")
    header = read(tmp_path).models["features.base"].header
    assert (header.known, header.known_columns) == (row, columns)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("known: always", "2: known: always needs columns that are known later, such as known: always, delay = "),
        ("known: delay = at_time", "2: known: delay = at_time is not the time of a row, with others behind it"),
        ("known: at_time, delay", "2: known: at_time, delay is not the time of a row"),
        ("known: at_time, delay = at_time, delay = at_time", "is not the time of a row"),
        ("known: at_time, dely = at_time", "2: known: the SELECT has no column dely. Did you mean delay?"),
        ("known: delay", "2: known: delay is BIGINT, not a date or timestamp. Cast it."),
        ("known: always, delay = plane", "2: known: plane is VARCHAR, not a date or timestamp. Cast it."),
        ("known: delivery", "2: known: delivery needs a line `-- partition: ...`"),
    ],
)
def test_a_known_that_is_not_a_time_is_refused(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "sql/features").mkdir(parents=True)
    (tmp_path / "sql/features/base.sql").write_text(f"-- materialized: view\n-- {line}\nfrom raw.seen")
    assert said in refusal(tmp_path)


def test_a_feature_has_one_time_at_which_it_is_known(tmp_path: Path) -> None:
    feature = FEATURE.replace("select", "-- known: at_time, delay = at_time\nselect")
    assert "3: known: a feature has one time at which it is known. Name its column alone." in refusal(
        tmp_path, feature=feature
    )
