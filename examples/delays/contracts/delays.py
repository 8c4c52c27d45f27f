"""The flights of New York and their weather, and what the features that are made of them promise."""

# ruff: noqa: RUF012 (pandera reads the lists of a Config, nothing changes them)
from datetime import date
from typing import Annotated

import pandas as pd
import pandera.pandas as pa

from etl import Csv, Source

NEW_YORK = ["EWR", "JFK", "LGA"]
MINUTES = {"unit": "minutes"}


class Flights(pa.DataFrameModel):
    """One row per scheduled departure from New York, as far as delays are concerned."""

    carrier: str
    flight: int = pa.Field(gt=0)
    tailnum: str = pa.Field(nullable=True)
    origin: str = pa.Field(isin=NEW_YORK)
    dest: str
    sched_dep_time: int = pa.Field(in_range={"min_value": 0, "max_value": 2359})
    dep_delay: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": -120, "max_value": 2880})
    arr_delay: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": -240, "max_value": 2880})
    air_time: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": 1, "max_value": 1440})
    distance: int = pa.Field(gt=0)
    time_hour: Annotated[pd.DatetimeTZDtype, "us", "UTC"]

    class Config:
        strict = "filter"
        unique = ["origin", "carrier", "flight"]


class Weather(pa.DataFrameModel):
    """Hourly observations at the three airports."""

    origin: str = pa.Field(isin=NEW_YORK)
    wind_speed: float = pa.Field(nullable=True, ge=0)
    precip: float = pa.Field(nullable=True, ge=0)
    visib: float = pa.Field(nullable=True, ge=0)
    time_hour: Annotated[pd.DatetimeTZDtype, "us", "UTC"]

    class Config:
        strict = "filter"


flights = Source(contract=Flights, files="flights/{date}.csv", partition="flight_date", format=Csv(null="NA"))
weather = Source(contract=Weather, files="weather/{date}.csv", partition="weather_date", format=Csv(null="NA"))


class PlaneLast(pa.DataFrameModel):
    """How late each plane left, whenever it did."""

    tailnum: str
    departed_at: Annotated[pd.DatetimeTZDtype, "us", "UTC"]
    plane_last_delay_minutes: int = pa.Field(in_range={"min_value": -120, "max_value": 2880}, metadata=MINUTES)

    class Config:
        name = "features.plane_last"


class RouteFourWeeks(pa.DataFrameModel):
    """How late a route was over four weeks, each morning after."""

    origin: str = pa.Field(isin=NEW_YORK)
    dest: str
    known_at: Annotated[pd.DatetimeTZDtype, "us", "UTC"]
    route_delay_minutes: float = pa.Field(nullable=True, metadata=MINUTES)
    route_late_ratio: float = pa.Field(nullable=True, in_range={"min_value": 0, "max_value": 1})

    class Config:
        name = "features.route_four_weeks"


class DelayTraining(pa.DataFrameModel):
    """What was known two hours before each departure, and whether the flight came late."""

    flight_date: date
    origin: str = pa.Field(isin=NEW_YORK)
    carrier: str
    flight: int
    is_late: bool
    route_late_ratio: float = pa.Field(nullable=True, in_range={"min_value": 0, "max_value": 1})

    class Config:
        name = "ml.delay_training"
        unique = ["flight_date", "origin", "carrier", "flight"]
