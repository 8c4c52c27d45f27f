"""Two tables of a database, movies and ratings, and what the marts promise."""

# ruff: noqa: RUF012 (pandera reads the lists of a Config, nothing changes them)
from datetime import date
from decimal import Decimal
from typing import Annotated

import pandas as pd
import pandera.pandas as pa
import pyarrow

from etl import Source, Table

STARS = {"unit": "stars"}


class Movie(pa.DataFrameModel):
    """One row per movie that somebody has rated."""

    movie_id: int = pa.Field(unique=True, gt=0)
    title: str = pa.Field(nullable=True)
    year: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": 1880, "max_value": 2100})
    genres: str = pa.Field(description="Its genres, parted by |.")


class Rating(pa.DataFrameModel):
    """One row per user and movie: what the user gave it last."""

    user_id: int = pa.Field(gt=0)
    movie_id: int = pa.Field(gt=0)
    rating: Annotated[pd.ArrowDtype, pyarrow.decimal128(2, 1)] = pa.Field(
        ge=Decimal("0.5"), le=5, description="From half a star to five.", metadata=STARS
    )
    rated_at: pd.Timestamp = pa.Field(description="When it was given, in UTC.")


# all of it, each night: a new delivery only if something has changed
movies = Source(contract=Movie, fetch=Table("MOVIES_DSN", "movies"))
# what is new or changed, and an hour before that again
ratings = Source(
    contract=Rating, fetch=Table("MOVIES_DSN", "ratings", cursor="rated_at"), partition="fetched_date"
)


class MovieRatings(pa.DataFrameModel):
    """How each movie is rated. Grain: movie_id."""

    movie_id: int = pa.Field(unique=True)
    title: str = pa.Field(nullable=True)
    year: pd.Int64Dtype = pa.Field(nullable=True)
    ratings: int = pa.Field(gt=0, description="Number of users who have rated it.")
    avg_rating_stars: float = pa.Field(ge=0.5, le=5, description="Mean of its ratings.", metadata=STARS)
    first_rated_date: date = pa.Field(description="Day of the oldest of its ratings, in UTC.")
    last_rated_date: date = pa.Field(description="Day of the newest of its ratings, in UTC.")

    class Config:
        name = "marts.movie_ratings"
        metadata = {"sql": {"first_before_last": "first_rated_date <= last_rated_date"}}


class GenreMonthly(pa.DataFrameModel):
    """Ratings of each genre, month by month. Grain: rated_month, genre."""

    rated_month: date = pa.Field(description="First day of the month, in UTC.")
    genre: str
    ratings: int = pa.Field(gt=0, description="Number of ratings; one of a movie of two genres counts in both.")
    users: int = pa.Field(gt=0, description="Number of users who gave them.")
    avg_rating_stars: float = pa.Field(ge=0.5, le=5, description="Mean of the ratings.", metadata=STARS)

    class Config:
        name = "marts.genre_monthly"
        unique = ["rated_month", "genre"]
        metadata = {"sql": {"users_at_most_ratings": "users <= ratings", "starts_a_month": "day(rated_month) = 1"}}
