"""The flights of New York and what explains them: weather, airlines, airports, planes, as delivered.

Clock times are local and written as hhmm (517 is 05:17); delays and air time are minutes.
"""

# ruff: noqa: RUF012 (pandera reads the lists of a Config, nothing changes them)
from typing import Annotated

import pandas as pd
import pandera.pandas as pa

from etl import Csv, Source

NEW_YORK = ["EWR", "JFK", "LGA"]
CARRIER_CODE = r"^[0-9A-Z]{2}$"
AIRPORT_CODE = r"^[0-9A-Z]{3}$"


class Flights(pa.DataFrameModel):
    """One row per scheduled departure from New York; without a departure time it was cancelled."""

    year: int
    month: int = pa.Field(in_range={"min_value": 1, "max_value": 12})
    day: int = pa.Field(in_range={"min_value": 1, "max_value": 31})
    dep_time: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": 1, "max_value": 2400})
    sched_dep_time: int = pa.Field(in_range={"min_value": 0, "max_value": 2359})
    dep_delay: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": -120, "max_value": 2880})
    arr_time: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": 1, "max_value": 2400})
    sched_arr_time: int = pa.Field(in_range={"min_value": 0, "max_value": 2359})
    arr_delay: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": -240, "max_value": 2880})
    carrier: str = pa.Field(str_matches=CARRIER_CODE)
    flight: int = pa.Field(gt=0)
    tailnum: str = pa.Field(nullable=True, str_matches=r"^[0-9A-Z]{5,6}$")
    origin: str = pa.Field(isin=NEW_YORK)
    dest: str = pa.Field(str_matches=AIRPORT_CODE)
    air_time: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": 1, "max_value": 1440})
    distance: int = pa.Field(gt=0, description="miles")
    hour: int = pa.Field(in_range={"min_value": 0, "max_value": 23})
    minute: int = pa.Field(in_range={"min_value": 0, "max_value": 59})
    time_hour: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(description="the scheduled hour")

    class Config:
        unique = ["origin", "carrier", "flight"]
        metadata = {
            "sql": {
                "departs_at_a_clock_time": "dep_time % 100 < 60",
                "arrives_at_a_clock_time": "arr_time % 100 < 60",
                "schedule_agrees_with_hour_and_minute": "sched_dep_time = hour * 100 + minute",
                "arrives_only_if_departed": "dep_time is not null or arr_time is null",
                "goes_somewhere_else": "origin <> dest",
            },
            "sql_warn": {"slower_than_650_mph": "distance * 60 <= air_time * 650"},
        }


class Weather(pa.DataFrameModel):
    """Hourly observations at the three airports, in US units; hours that nobody observed are absent.

    An hour told twice is accepted: `staging.weather` keeps one row of it.
    """

    origin: str = pa.Field(isin=NEW_YORK)
    year: int
    month: int = pa.Field(in_range={"min_value": 1, "max_value": 12})
    day: int = pa.Field(in_range={"min_value": 1, "max_value": 31})
    hour: int = pa.Field(in_range={"min_value": 0, "max_value": 23})
    temp: float = pa.Field(nullable=True, in_range={"min_value": -80, "max_value": 140})
    dewp: float = pa.Field(nullable=True, in_range={"min_value": -80, "max_value": 140})
    humid: float = pa.Field(nullable=True, in_range={"min_value": 0, "max_value": 100})
    wind_dir: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": 0, "max_value": 360})
    wind_speed: float = pa.Field(nullable=True, ge=0)
    wind_gust: float = pa.Field(nullable=True, ge=0)
    precip: float = pa.Field(nullable=True, ge=0)
    pressure: float = pa.Field(nullable=True, in_range={"min_value": 850, "max_value": 1100})
    visib: float = pa.Field(nullable=True, ge=0)
    time_hour: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(description="the observed hour")

    class Config:
        # No gust measured on the ground was ever faster than 253 mph; one row of the real year says 1048.
        metadata = {"sql_warn": {"wind_below_253_mph": "wind_speed <= 253"}}


class Airlines(pa.DataFrameModel):
    """The names of the airlines."""

    carrier: str = pa.Field(unique=True, str_matches=CARRIER_CODE)
    name: str


class Airports(pa.DataFrameModel):
    """Where the airports are."""

    faa: str = pa.Field(unique=True, str_matches=AIRPORT_CODE)
    name: str
    lat: float = pa.Field(in_range={"min_value": -90, "max_value": 90})
    lon: float = pa.Field(in_range={"min_value": -180, "max_value": 180})
    alt: int = pa.Field(in_range={"min_value": -1500, "max_value": 20000}, description="feet")
    tz: int = pa.Field(in_range={"min_value": -12, "max_value": 14}, description="hours from UTC")
    dst: str = pa.Field(isin=["A", "N", "U"], description="daylight saving: as the US, none, unknown")
    tzone: str = pa.Field(nullable=True)


class Planes(pa.DataFrameModel):
    """The planes in the FAA register."""

    tailnum: str = pa.Field(unique=True, str_matches=r"^[0-9A-Z]{5,6}$")
    year: pd.Int64Dtype = pa.Field(nullable=True, in_range={"min_value": 1903, "max_value": 2100})
    type: str
    manufacturer: str
    model: str
    engines: int = pa.Field(gt=0)
    seats: int = pa.Field(gt=0)
    speed: pd.Int64Dtype = pa.Field(nullable=True, gt=0, description="cruising, mph")
    engine: str


flights = Source(contract=Flights, files="flights/{date}.csv", partition="flight_date", format=Csv(null="NA"))
weather = Source(contract=Weather, files="weather/{date}.csv", partition="weather_date", format=Csv(null="NA"))
airlines = Source(contract=Airlines, files="airlines.csv", format=Csv(null="NA"))
airports = Source(contract=Airports, files="airports.csv", format=Csv(null="NA"))
planes = Source(contract=Planes, files="planes.csv", format=Csv(null="NA"))
