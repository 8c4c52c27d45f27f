"""The example of the delays: what each flight gets was known two hours before, and a leak in it is found."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from etl import engine
from etl.errors import AuditError
from etl.ledger import Ledger
from etl.models.trained import read_learned
from etl.operations import sample_flights
from etl.operations.leaks import check_leaks
from etl.project import Project, load_project
from etl.stages.trained import Rows, Trainer
from tests.support import tiny

EXAMPLE = Path(__file__).parents[2] / "examples" / "delays"
UNTIL = date(2013, 1, 6)
HOUR_EARLY = "select * replace (weather_hour - interval 1 hour as weather_hour) from staging"
KEY = "flight_date, origin, carrier, flight"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the example, with six days published."""
    root = tmp_path_factory.mktemp("delays") / "project"
    copytree(EXAMPLE, root, ignore=ignore_patterns("data"))
    project = load_project(root)
    sample_flights.deliver(project.raw, UNTIL)
    tiny.night(project, UNTIL)
    return project


def test_no_feature_holds_what_nobody_could_have_known(project: Project) -> None:
    found = check_leaks(project, Ledger(project.ledger))
    assert {one.feature: (bool(one.rows), one.differing, one.why) for one in found} == {
        f"features.{name}": (True, 0, "")
        for name in ("carrier_week", "origin_two_hours", "plane_last", "route_four_weeks", "weather_now")
    }


@pytest.mark.parametrize(
    ("file", "right", "leaking"),
    [
        ("features/route_four_weeks", "arrived_on + 1 as", "arrived_on as"),
        ("features/carrier_week", "and current row", "and interval 1 day following"),
        ("features/plane_last", "departed_at, max(dep", "departed_at - interval 1 minute as departed_at, max(dep"),
        ("features/plane_last", "max(dep_delay_minutes)", "max(cast(arr_delay_minutes as bigint))"),
        ("features/origin_two_hours", "current row", "interval 1 hour following"),
        ("features/weather_now", "from staging", HOUR_EARLY),
    ],
)  # fmt: skip
def test_a_leak_is_found_in_each_of_them(
    project: Project, tmp_path: Path, file: str, right: str, leaking: str
) -> None:
    copytree(project.root, tmp_path / "copy", symlinks=True)
    copy = load_project(tmp_path / "copy")
    path = copy.sql / f"{file}.sql"
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, leaking))

    (found,) = check_leaks(copy, Ledger(copy.ledger), [file.replace("/", ".")])
    assert found.differing


def test_each_flight_gets_how_late_its_plane_left_last(project: Project) -> None:
    departed: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    times = "select tailnum, epoch_us(departed_at), dep_delay_minutes from staging.departures"
    query = f"{times} where departed_at is not null"
    for plane, microseconds, delay in tiny.published(project, query):
        departed[plane].append((datetime.fromtimestamp(microseconds / 1e6), delay))

    def last(plane: str, asked: datetime) -> int | None:
        known = [(at, delay) for at, delay in departed[plane] if asked - timedelta(hours=18) <= at <= asked]
        return max(known, default=(asked, None))[1]

    asked = "select tailnum, epoch_us(sched_at), plane_last_delay_minutes from ml.delay_training"
    rows = tiny.published(project, asked)
    assert len(rows) > 4_000
    for plane, microseconds, value in rows:
        assert value == last(plane, datetime.fromtimestamp(microseconds / 1e6) - timedelta(hours=2))


def test_no_flight_is_lost_and_none_comes_twice(project: Project) -> None:
    counts = f"count(*), count(distinct ({KEY})), count(route_late_ratio), count(wind_mph)"
    query = f"select {counts} from ml.delay_training"
    ((rows, flights, routes, winds),) = tiny.published(project, query)
    ((landed,),) = tiny.published(project, "select count(arr_delay) from raw.flights")
    assert rows == flights == landed
    assert 0 < routes < rows and winds > 0.99 * rows


def test_the_model_learns_the_same_twice_from_what_was_known(project: Project) -> None:
    pytest.importorskip("lightgbm")
    learned = read_learned(project.root)["delay"]
    curve: list[float] = []
    with engine.reading(project, project.warehouse) as con, Trainer.of(learned) as trainer:
        rows = Rows(con, learned).before(UNTIL)
        one, other = (
            trainer.module.train(rows, learned.params, lambda step, name, value: curve.append(value))
            for _ in range(2)
        )
        told = trainer.module.predict(one, rows.drop(columns=[learned.label]))
    assert one.model_to_string() == other.model_to_string()
    assert curve[0] > min(curve) and len(told) == len(rows) and 0 <= min(told) <= max(told) <= 1


def test_a_feature_that_breaks_its_contract_is_not_published(project: Project, tmp_path: Path) -> None:
    copytree(project.root, tmp_path / "copy", symlinks=True)
    copy = load_project(tmp_path / "copy")
    path = copy.sql / "features/route_four_weeks.sql"
    path.write_text(path.read_text().replace("as route_late_ratio", "+ 1 as route_late_ratio"))
    with pytest.raises(AuditError, match=r"features\.route_four_weeks\.route_late_ratio"):
        tiny.night(copy, UNTIL)


def test_the_model_learns_in_its_night_the_same_on_one_thread_and_on_two(project: Project, tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    made = []
    for threads in (1, 2):
        copytree(project.root, tmp_path / str(threads), symlinks=True)
        config, model = (tmp_path / str(threads) / name for name in ("luigi.cfg", "ml/delay.py"))
        config.write_text(config.read_text() + f"threads = {threads}\n")
        text = model.read_text()
        assert text.count('HELD_OUT = "30 days"') == 1
        model.write_text(text.replace('HELD_OUT = "30 days"', 'HELD_OUT = "2 days"\nRETRAIN = "always"'))
        copy = load_project(tmp_path / str(threads))
        tiny.night(copy, UNTIL)
        made.append(tiny.published(copy, "from ml.delay, ml.delay_predictions order by all"))
    assert made[0] == made[1]
    assert len(made[0]) == len(tiny.published(project, "from ml.delay_training")) > 5_000
