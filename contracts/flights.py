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

    year: int = pa.Field(description="Year of the scheduled departure, local time.")
    month: int = pa.Field(
        in_range={"min_value": 1, "max_value": 12}, description="Month of the scheduled departure, 1 to 12."
    )
    day: int = pa.Field(
        in_range={"min_value": 1, "max_value": 31}, description="Day of the month of the scheduled departure."
    )
    dep_time: pd.Int64Dtype = pa.Field(
        nullable=True,
        in_range={"min_value": 1, "max_value": 2400},
        description="Local time of the departure as hhmm: 517 is 05:17; null if the flight was cancelled.",
    )
    sched_dep_time: int = pa.Field(
        in_range={"min_value": 0, "max_value": 2359}, description="Scheduled local time of departure as hhmm."
    )
    dep_delay: pd.Int64Dtype = pa.Field(
        nullable=True,
        in_range={"min_value": -120, "max_value": 2880},
        description="Delay at departure; negative if it left early.",
        metadata={"unit": "minutes"},
    )
    arr_time: pd.Int64Dtype = pa.Field(
        nullable=True,
        in_range={"min_value": 1, "max_value": 2400},
        description="Local time of the arrival as hhmm.",
    )
    sched_arr_time: int = pa.Field(
        in_range={"min_value": 0, "max_value": 2359}, description="Scheduled local time of arrival as hhmm."
    )
    arr_delay: pd.Int64Dtype = pa.Field(
        nullable=True,
        in_range={"min_value": -240, "max_value": 2880},
        description="Delay at the gate of arrival; negative if it came early.",
        metadata={"unit": "minutes"},
    )
    carrier: str = pa.Field(str_matches=CARRIER_CODE, description="Two-letter code of the airline.")
    flight: int = pa.Field(gt=0, description="Flight number of the airline.")
    tailnum: str = pa.Field(
        nullable=True,
        str_matches=r"^[0-9A-Z]{5,6}$",
        description="Tail number of the plane; null if none was reported.",
    )
    origin: str = pa.Field(isin=NEW_YORK, description="FAA code of the airport of departure.")
    dest: str = pa.Field(str_matches=AIRPORT_CODE, description="FAA code of the airport of arrival.")
    air_time: pd.Int64Dtype = pa.Field(
        nullable=True,
        in_range={"min_value": 1, "max_value": 1440},
        description="Time in the air.",
        metadata={"unit": "minutes"},
    )
    distance: int = pa.Field(gt=0, description="Distance between the airports.", metadata={"unit": "miles"})
    hour: int = pa.Field(
        in_range={"min_value": 0, "max_value": 23}, description="Hour of the scheduled departure, local time."
    )
    minute: int = pa.Field(
        in_range={"min_value": 0, "max_value": 59}, description="Minute of the scheduled departure."
    )
    time_hour: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(
        description="Scheduled hour of departure, as a moment in UTC."
    )

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

    origin: str = pa.Field(isin=NEW_YORK, description="FAA code of the airport of the observation.")
    year: int = pa.Field(description="Year of the observation, local time.")
    month: int = pa.Field(
        in_range={"min_value": 1, "max_value": 12}, description="Month of the observation, 1 to 12."
    )
    day: int = pa.Field(
        in_range={"min_value": 1, "max_value": 31}, description="Day of the month of the observation."
    )
    hour: int = pa.Field(
        in_range={"min_value": 0, "max_value": 23}, description="Hour of the observation, local time."
    )
    temp: float = pa.Field(
        nullable=True,
        in_range={"min_value": -80, "max_value": 140},
        description="Temperature.",
        metadata={"unit": "degrees Fahrenheit"},
    )
    dewp: float = pa.Field(
        nullable=True,
        in_range={"min_value": -80, "max_value": 140},
        description="Dew point.",
        metadata={"unit": "degrees Fahrenheit"},
    )
    humid: float = pa.Field(
        nullable=True,
        in_range={"min_value": 0, "max_value": 100},
        description="Relative humidity.",
        metadata={"unit": "percent"},
    )
    wind_dir: pd.Int64Dtype = pa.Field(
        nullable=True,
        in_range={"min_value": 0, "max_value": 360},
        description="Direction from which the wind blows.",
        metadata={"unit": "degrees"},
    )
    wind_speed: float = pa.Field(nullable=True, ge=0, description="Speed of the wind.", metadata={"unit": "mph"})
    wind_gust: float = pa.Field(
        nullable=True, ge=0, description="Speed of the strongest gust.", metadata={"unit": "mph"}
    )
    precip: float = pa.Field(
        nullable=True, ge=0, description="Rain and melted snow of the hour.", metadata={"unit": "inches"}
    )
    pressure: float = pa.Field(
        nullable=True,
        in_range={"min_value": 850, "max_value": 1100},
        description="Air pressure at sea level.",
        metadata={"unit": "millibars"},
    )
    visib: float = pa.Field(nullable=True, ge=0, description="Visibility.", metadata={"unit": "miles"})
    time_hour: Annotated[pd.DatetimeTZDtype, "us", "UTC"] = pa.Field(
        description="Observed hour, as a moment in UTC."
    )

    class Config:
        # No gust measured on the ground was ever faster than 253 mph; one row of the real year says 1048.
        metadata = {"sql_warn": {"wind_below_253_mph": "wind_speed <= 253"}}


class Airlines(pa.DataFrameModel):
    """The names of the airlines."""

    carrier: str = pa.Field(unique=True, str_matches=CARRIER_CODE, description="Two-letter code of the airline.")
    name: str = pa.Field(description="Name of the airline.")


class Airports(pa.DataFrameModel):
    """Where the airports are."""

    faa: str = pa.Field(unique=True, str_matches=AIRPORT_CODE, description="FAA code of the airport.")
    name: str = pa.Field(description="Name of the airport.")
    lat: float = pa.Field(
        in_range={"min_value": -90, "max_value": 90},
        description="Latitude of the airport.",
        metadata={"unit": "degrees"},
    )
    lon: float = pa.Field(
        in_range={"min_value": -180, "max_value": 180},
        description="Longitude of the airport.",
        metadata={"unit": "degrees"},
    )
    alt: int = pa.Field(
        in_range={"min_value": -1500, "max_value": 20000},
        description="Altitude of the airport.",
        metadata={"unit": "feet"},
    )
    tz: int = pa.Field(
        in_range={"min_value": -12, "max_value": 14},
        description="Offset of the local time from UTC.",
        metadata={"unit": "hours"},
    )
    dst: str = pa.Field(
        isin=["A", "N", "U"], description="Daylight saving: A as the US has it, N none, U unknown."
    )
    tzone: str = pa.Field(nullable=True, description="Name of the time zone, as IANA has it.")


class Planes(pa.DataFrameModel):
    """The planes in the FAA register."""

    tailnum: str = pa.Field(unique=True, str_matches=r"^[0-9A-Z]{5,6}$", description="Tail number of the plane.")
    year: pd.Int64Dtype = pa.Field(
        nullable=True,
        in_range={"min_value": 1903, "max_value": 2100},
        description="Year in which the plane was built.",
    )
    type: str = pa.Field(description="Type of the plane.")
    manufacturer: str = pa.Field(description="Manufacturer of the plane.")
    model: str = pa.Field(description="Model of the plane.")
    engines: int = pa.Field(gt=0, description="Number of engines.")
    seats: int = pa.Field(gt=0, description="Number of seats.")
    speed: pd.Int64Dtype = pa.Field(nullable=True, gt=0, description="Cruising speed.", metadata={"unit": "mph"})
    engine: str = pa.Field(description="Type of the engines.")


flights = Source(contract=Flights, files="flights/{date}.csv", partition="flight_date", format=Csv(null="NA"))
weather = Source(contract=Weather, files="weather/{date}.csv", partition="weather_date", format=Csv(null="NA"))
airlines = Source(contract=Airlines, files="airlines.csv", format=Csv(null="NA"))
airports = Source(contract=Airports, files="airports.csv", format=Csv(null="NA"))
planes = Source(contract=Planes, files="planes.csv", format=Csv(null="NA"))
