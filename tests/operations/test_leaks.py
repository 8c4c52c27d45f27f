"""The leak check: what comes later must not change what a feature said before; each kind of leak is found."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copytree

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import AuditError, ConfigError, PublishError
from etl.ledger import Ledger
from etl.operations.leaks import Judged, check_leaks, tell_leaks
from etl.operations.leaks import check as leaks
from etl.operations.leaks.world import World
from etl.project import Project, load_project
from tests.support import tiny
from tests.support.told import telling_to

CONTRACTS = """
from datetime import date
import pandas as pd
import pandera.pandas as pa
from etl import Source

class Trips(pa.DataFrameModel):
    bus: str
    line: str
    due_at: pd.Timestamp
    left_at: pd.Timestamp = pa.Field(nullable=True)
    delay: int = pa.Field(nullable=True, coerce=True)
    riders: int

class Prices(pa.DataFrameModel):
    price: int

class Crews(pa.DataFrameModel):
    bus: str
    crew: int

class Buses(pa.DataFrameModel):
    bus: str
    seats: int

trips = Source(contract=Trips, files="trips/{date}.csv", partition="trip_date")
prices = Source(contract=Prices, files="prices/{date}.csv", partition="price_date")
crews = Source(contract=Crews, files="crews.csv", partition="seen_date", history=True)
buses = Source(contract=Buses, files="buses.csv")
"""
CODED = """
class Coded(pa.DataFrameModel):
    trip_date: date
    line: str
    v: int

    class Config:
        name = "staging.coded"
"""
DAYS = [date(2024, 3, 1) + timedelta(n) for n in range(8)]
BASE = {
    # a timetable says which trips there are; the delay of one is known when it has left
    "staging/trips.sql": "-- known: always, left_at = left_at, delay = left_at, riders = done_at\n"
    "select *, left_at + interval 1 hour as done_at from raw.trips",
    "staging/daily.sql": "-- materialized: incremental\n-- partition: trip_date\n"
    "select trip_date, line, avg(delay) as delay, count(*) as trips from raw.trips group by all",
    "staging/late.sql": "-- materialized: incremental\n-- partition: trip_date\n"
    "select trip_date, line, max(delay) as delay from raw.trips group by all",
    "staging/versions.sql": "select trip_date, bus, max(riders) as riders from raw.trips group by all",
    "staging/newest.sql": "-- materialized: merge\n-- key: bus\n-- order: trip_date\nfrom staging.versions",
    "staging/history.sql": "-- materialized: scd2\n-- key: bus\n-- partition: trip_date\nfrom staging.versions",
    "staging/coded.py": 'READS = ["raw.trips"]\n\n\ndef model(inputs, ctx):\n    """The riders of a line."""\n'
    '    return inputs["raw.trips"].aggregate("trip_date, line, sum(riders)::bigint as v")\n',
    "staging/due.sql": "-- materialized: view\n-- known: due_at\nfrom raw.trips",
    "macros/late_share.sql": "create macro late_share(minutes) as "
    "avg((minutes >= cast(getvariable('late') as int))::int)",
    "staging/rolling.sql": "-- materialized: incremental\n-- partition: trip_date\n-- lookback: 2 days\n"
    "select trip_date, line, sum(trips) over (partition by line order by trip_date rows 2 preceding) as v "
    "from staging.daily",
    "staging/buses.sql": "-- materialized: view\nselect * from raw.buses",
}
#: So long after the beginning of a day the mean of the day is used.
HOURS = [-30, -1, 0, 1, 12, 23, 24, 25, 48]
OVER, BEGUN = "cast(trip_date + 1 as timestamp) as at_time", "cast(trip_date as timestamp) as at_time"
LEFT = "from staging.trips where left_at is not null group by all"
BY_DAY = "-- materialized: incremental\n-- partition: trip_date\n"
WINDOW = "over (partition by line order by trip_date"
DELIVERED = "from raw.trips where left_at is not null group by all"

PRICES = "from raw.trips join raw.prices on price_date = trip_date"
SEEN = "max(crew) as v from raw.crews group by all"
SEATS = "from raw.trips join staging.buses using (bus) group by all"


def feature(entity: str, event_time: str, select: str, lines: str = "") -> str:
    return f"-- entity: {entity}\n-- event_time: {event_time}\n{lines}select {entity}, {select}"


#: By kind, a feature, and the same with a leak.
FEATURES = {
    "of a moment": (
        feature("bus", "left_at", f"left_at, max(delay) as v {LEFT}"),
        feature("bus", "due_at", "due_at, max(delay) as last from staging.trips group by all"),
    ),
    "of a column that is known later": (
        feature("bus", "done_at", f"done_at, max(riders) as v {LEFT}"),
        feature("bus", "left_at", f"left_at, max(riders) as v {LEFT}"),
    ),
    "of several entities": (
        feature("bus, line", "at_time", f"{OVER}, sum(riders) as v from raw.trips group by all"),
        feature("bus, line", "due_at", "due_at, sum(riders) as v from raw.trips group by all"),
    ),
    "with a ttl": (
        feature("line", "at_time", f"{OVER}, max(delay) as v from raw.trips group by all", "-- ttl: 3 days\n"),
        feature("line", "trip_date", "trip_date, max(delay) as v from raw.trips group by all", "-- ttl: 3 days\n"),
    ),
    "by day": (
        feature("line", "at_time", f"{OVER}, avg(delay) as v from raw.trips group by all"),
        feature("line", "trip_date", "trip_date, avg(delay) as v from raw.trips group by all"),
    ),
    "of two daily tables": (
        feature(
            "line",
            "at_time",
            f"{OVER}, d.delay - e.delay as v from staging.daily d join staging.late e using (trip_date, line)",
        ),
        feature(
            "line",
            "at_time",
            f"{BEGUN}, d.delay - e.delay as v from staging.daily d join staging.late e using (trip_date, line)",
        ),
    ),
    "over several days": (
        feature("line", "at_time", f"{OVER}, avg(delay) {WINDOW} rows 2 preceding) as v from staging.daily"),
        feature(
            "line",
            "at_time",
            f"{OVER}, avg(delay) {WINDOW} rows between 2 preceding and 1 following) as v from staging.daily",
        ),
    ),
    "of all time": (
        feature("line", "at_time", f"{OVER}, avg(delay) {WINDOW}) as v from staging.daily"),
        feature("line", "at_time", f"{OVER}, avg(delay) over (partition by line) as v from staging.daily"),
    ),
    "of the next row": (
        feature("line", "at_time", f"{OVER}, lag(trips) {WINDOW}) as v from staging.daily"),
        feature("line", "at_time", f"{OVER}, lead(trips) {WINDOW}) as v from staging.daily"),
    ),
    "known since a column": (
        feature("bus", "left_at", f"left_at, {OVER}, max(delay) as v {DELIVERED}", "-- known: at_time\n"),
        feature("bus", "due_at", f"due_at, left_at, max(delay) as v {DELIVERED}", "-- known: left_at\n"),
    ),
    "known by delivery": (
        feature(
            "bus", "left_at", f"left_at, trip_date, max(delay) as v {DELIVERED}", f"{BY_DAY}-- known: delivery\n"
        ),
        feature(
            "bus",
            "left_at",
            f"left_at, trip_date - 1 as trip_date, max(delay) as v {DELIVERED}",
            f"{BY_DAY}-- known: delivery\n",
        ),
    ),
    "in a view": (
        feature(
            "line", "at_time", f"{OVER}, avg(delay) as v from raw.trips group by all", "-- materialized: view\n"
        ),
        feature(
            "line", "at_time", f"{BEGUN}, avg(delay) as v from raw.trips group by all", "-- materialized: view\n"
        ),
    ),
    "by partition": (
        feature("line", "at_time", f"trip_date, {OVER}, avg(delay) as v from raw.trips group by all", BY_DAY),
        feature("line", "at_time", f"trip_date, {BEGUN}, avg(delay) as v from raw.trips group by all", BY_DAY),
    ),
    "joined to what has no dates": (
        feature(
            "bus",
            "at_time",
            f"{OVER}, any_value(seats) - max(riders) as v {SEATS}",
        ),
        feature(
            "bus",
            "at_time",
            f"{BEGUN}, any_value(seats) - max(riders) as v {SEATS}",
        ),
    ),
    "that only has rows": (
        feature("bus", "left_at", f"left_at {LEFT}"),
        feature("bus", "due_at", "due_at from staging.trips where delay > 5 group by all"),
    ),
    "of a row that is known at its time": (
        feature("bus", "due_at", "due_at, line as v from staging.due group by all"),
        feature("bus", "at_time", "due_at - interval 1 hour as at_time, line as v from staging.due group by all"),
    ),
    "of the newest row of each key": (
        feature(
            "bus", "at_time", "cast(trip_date + 1 as timestamp) as at_time, riders as v from staging.versions"
        ),
        feature("bus", "at_time", "cast(trip_date + 1 as timestamp) as at_time, riders as v from staging.newest"),
    ),
    "of a history": (
        feature(
            "bus", "at_time", "cast(valid_from + 1 as timestamp) as at_time, riders as v from staging.history"
        ),
        feature(
            "bus", "at_time", "cast(valid_from + 1 as timestamp) as at_time, is_current as v from staging.history"
        ),
    ),
    "of a Python model": (
        feature("line", "at_time", f"{OVER}, v from staging.coded"),
        feature("line", "at_time", f"{BEGUN}, v from staging.coded"),
    ),
    "by a macro and a variable": (
        feature("line", "at_time", f"{OVER}, late_share(delay) as v from raw.trips group by all"),
        feature("line", "at_time", f"{BEGUN}, late_share(delay) as v from raw.trips group by all"),
    ),
    "with a lookback": (
        feature("line", "at_time", f"trip_date, {OVER}, v from staging.rolling", BY_DAY),
        feature("line", "at_time", f"trip_date, {BEGUN}, v from staging.rolling", BY_DAY),
    ),
    "of two sources": (
        feature("line", "at_time", f"{OVER}, max(price) as v {PRICES} group by all"),
        feature("line", "at_time", f"{OVER}, max(price) as v {PRICES} + 1 group by all"),
    ),
    "of a snapshot and its history": (
        feature("bus", "at_time", f"cast(seen_date + 1 as timestamp) as at_time, {SEEN}"),
        feature("bus", "at_time", f"cast(seen_date as timestamp) as at_time, {SEEN}"),
    ),
    "of a feature": (
        feature(
            "line",
            "at_time",
            "at_time, avg(v) over (partition by line order by at_time) as w from features.right_4",
        ),
        feature("line", "at_time", "at_time - interval 2 hours as at_time, v from features.right_4"),
    ),
}


def trips(day: date) -> str:
    rows = ["bus,line,due_at,left_at,delay,riders"]
    for hour in range(6, 22, 3):
        for bus in range(3):
            due = datetime(day.year, day.month, day.day, hour, 10 * bus)
            delay = (day.day * 7 + hour * 5 + bus * 11) % 23
            rows.append(
                f"b{bus},l{bus % 2},{due},{due + timedelta(minutes=delay)},{delay},{(delay * 13 + bus) % 31}"
            )
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of which each kind of feature is published, once right and once with a leak."""
    sql = dict(BASE)
    for number, (right, leaking) in enumerate(FEATURES.values()):
        sql |= {f"features/right_{number}.sql": right, f"features/leak_{number}.sql": leaking}
    for hours in HOURS:
        own = f"trip_date + interval '{hours} hours' as at_time, avg(delay) as v from raw.trips group by all"
        sql[f"features/after_{hours + 100}.sql"] = feature("line", "at_time", own)
    sql["ml/training.sql"] = (
        "-- features: leak_0, right_3\n-- at: due_at\nselect bus, line, due_at, delay as v_label from raw.trips"
    )
    raw = {f"trips/{day}.csv": trips(day) for day in DAYS} | {"buses.csv": "bus,seats\nb0,40\nb1,50\nb2,60\n"}
    raw |= {f"prices/{day}.csv": f"price\n{day.day * 7 % 5}\n" for day in DAYS}
    settings = "threads = 1\n[etl.vars]\nlate = 5\n"
    project = tiny.project(tmp_path_factory.mktemp("leaks"), CONTRACTS + CODED, sql, raw, settings)
    for number, day in enumerate((DAYS[3], DAYS[-1])):
        tiny.deliver(project, {"crews.csv": f"bus,crew\nb0,{number}\nb1,{number + 1}\n"})
        tiny.night(project, day)
    return project


@pytest.fixture(scope="module")
def judged(published: Project) -> dict[str, Judged]:
    return {one.feature: one for one in check_leaks(published, Ledger(published.ledger))}


@pytest.mark.parametrize(("number", "kind"), list(enumerate(FEATURES)))
def test_a_leak_is_found_and_the_same_feature_without_it_is_let_alone(
    judged: dict[str, Judged], number: int, kind: str
) -> None:
    right, leaking = judged[f"features.right_{number}"], judged[f"features.leak_{number}"]
    assert right.rows and not right.differing and not right.why
    assert leaking.differing


@pytest.mark.parametrize("hours", HOURS)
def test_a_mean_of_a_day_leaks_in_each_hour_before_the_day_is_over(judged: dict[str, Judged], hours: int) -> None:
    assert bool(judged[f"features.after_{hours + 100}"].differing) == (hours < 24)


def test_it_says_when_what_and_since_when_all_is_known(judged: dict[str, Judged]) -> None:
    leak = judged["features.leak_4"]
    assert leak.columns == () and leak.example and leak.moment in leak.moments
    assert judged["features.leak_7"].columns == ("v",)
    assert judged["features.right_13"].undated == ("raw.buses",)
    assert judged["features.right_0"].undated == ()


def test_a_world_that_is_cut_on_both_sides_shows_no_leak(
    published: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["features.leak_4"]
    assert check_leaks(published, Ledger(published.ledger), names)[0].differing

    compared = leaks._compared

    def both_cut(world, feature, moment):
        monkeypatch.setattr(World, "now", lambda world, table: f"memory.{table}")
        try:
            return compared(world, feature, moment)
        finally:
            monkeypatch.undo()

    monkeypatch.setattr(leaks, "_compared", both_cut)
    found = check_leaks(published, Ledger(published.ledger), names, datetime(2024, 3, 5, 12, tzinfo=UTC))
    assert (found[0].rows, found[0].differing) == (8, 0)


def test_the_name_of_a_feature_set_stands_for_its_features(published: Project) -> None:
    found = check_leaks(published, Ledger(published.ledger), ["ml.training"])
    assert [one.feature for one in found] == ["features.leak_0", "features.right_3"]


def test_a_moment_that_is_given_is_the_only_one(published: Project) -> None:
    at = datetime(2024, 3, 5, 12, tzinfo=UTC)
    (found,) = check_leaks(published, Ledger(published.ledger), ["features.leak_4"], at)
    assert found.moments == ("2024-03-05 12:00:00+00:00",) and found.differing == 2


def test_code_that_has_changed_since_is_judged_as_it_is_now(published: Project, tmp_path: Path) -> None:
    copytree(published.root, tmp_path / "copy", symlinks=True)
    project = load_project(tmp_path / "copy")
    right, leaking = (project.sql / f"features/{name}_6.sql" for name in ("right", "leak"))
    right.write_text(leaking.read_text())
    daily = project.sql / "staging/daily.sql"
    daily.write_text(daily.read_text().replace("avg(delay)", "max(delay)"))

    names = ["features.right_6", "features.right_7", "features.leak_7"]
    found = check_leaks(project, Ledger(project.ledger), names)
    assert [bool(one.differing) for one in found] == [True, False, True]


def test_what_cannot_be_judged_says_why(tmp_path: Path) -> None:
    feature = (
        "-- entity: bus\n-- event_time: at_time\nselect bus, date '2024-03-01' as at_time, seats from raw.buses"
    )
    empty = "-- entity: bus\n-- event_time: due_at\nselect bus, due_at, delay from raw.trips where false"
    sql = {"features/seats.sql": feature, "features/none.sql": empty}
    project = tiny.project(tmp_path, CONTRACTS, sql, {"buses.csv": "bus,seats\nb0,40\n"})
    with pytest.raises(PublishError, match="Nothing is published yet"):
        check_leaks(project, Ledger(project.ledger))
    tiny.night(project)

    none, seats = check_leaks(project, Ledger(project.ledger))
    assert seats.why == "nothing tells since when its rows are known: no table below it is dated"
    assert none.why == "it has no rows that were in use before something came"
    with pytest.raises(ConfigError, match=r"There is no feature features\.seat\. Did you mean features\.seats\?"):
        check_leaks(project, Ledger(project.ledger), ["features.seat"])


def test_the_command_ends_in_30_and_says_what_to_do(published: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(published.root))
    right = CliRunner().invoke(cli, ["check-leaks", "features.right_13"])
    assert right.exit_code == 0
    assert "all as they are now" in right.output and "no dates: raw.buses." in right.output

    wrong = CliRunner().invoke(cli, ["check-leaks", "features.leak_7", "--at", "2024-03-05 12:00"])
    assert isinstance(wrong.exception, AuditError)
    assert str(wrong.exception).startswith(
        "features.leak_7 leaks: of 8 rows that were in use by 2024-03-05 12:00:00+00:00, 8 cannot be made of what "
        "was known then, such as one of 2024-03-05 00:00:00. The columns: v."
    )
    shown = CliRunner().invoke(cli, ["check-leaks", "features.right_0", "--json"])
    assert json.loads(shown.output)[0]["differing"] == 0


@pytest.mark.parametrize(("timezone", "leaks_at_midnight_utc"), [("UTC", False), ("America/New_York", True)])
def test_a_day_is_over_in_the_time_zone_of_the_project(
    tmp_path: Path, timezone: str, leaks_at_midnight_utc: bool
) -> None:
    own = "select line, {} as at_time, avg(delay) as v from raw.trips group by all"
    times = {
        "local": "cast(trip_date + 1 as timestamp)",
        "early": "cast(trip_date + 1 as timestamp) - interval 1 minute",
        "midnight_utc": "cast(trip_date + 1 as timestamp) at time zone 'UTC'",
        "midnight_here": f"cast(trip_date + 1 as timestamp) at time zone '{timezone}'",
    }
    sql = {
        f"features/{name}.sql": f"-- entity: line\n-- event_time: at_time\n{own.format(time)}"
        for name, time in times.items()
    }
    raw = {f"trips/{day}.csv": trips(day) for day in DAYS}
    project = tiny.project(tmp_path, CONTRACTS, sql, raw, f"threads = 1\ntimezone = {timezone}\n")
    tiny.night(project)
    found = {one.feature.removeprefix("features."): bool(one.differing) for one in _judge(project)}
    expected = {"local": False, "early": True, "midnight_utc": leaks_at_midnight_utc, "midnight_here": False}
    assert found == expected


def _judge(project: Project) -> list[Judged]:
    return check_leaks(project, Ledger(project.ledger))


def test_a_leak_is_told_once_and_so_is_its_end(published: Project, tmp_path: Path, monkeypatch) -> None:
    copytree(published.root, tmp_path / "copy", symlinks=True)
    project = load_project(tmp_path / "copy")
    ledger = Ledger(project.ledger)
    names = ["features.leak_7", "features.right_7"]
    with telling_to(monkeypatch) as told:
        for _ in range(2):
            tell_leaks(project, ledger, check_leaks(project, ledger, names))
        (message,) = told.messages()
        assert "A feature leaks: features.leak_7" in message and "right_7" not in message

        leak, right = (project.sql / f"features/{name}.sql" for name in ("leak_7", "right_7"))
        leak.write_text(right.read_text())
        tell_leaks(project, ledger, check_leaks(project, ledger, ["features.right_8"]))
        assert told.messages() == []
        tell_leaks(project, ledger, check_leaks(project, ledger, names))
        (message,) = told.messages()
        assert "features.leak_7" in message
