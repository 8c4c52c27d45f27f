"""What the marts about flights promise to analysts. A mart may have more columns than its contract names."""

# ruff: noqa: RUF012 (pandera reads the lists of a Config, nothing changes them)
from datetime import date
from typing import Annotated

import pandas as pd
import pandera.pandas as pa

NEW_YORK = ["EWR", "JFK", "LGA"]


class EnrichedFlights(pa.DataFrameModel):
    """One row per scheduled departure; null where a list or the weather lacks it."""

    flight_date: date
    origin: str = pa.Field(isin=NEW_YORK)
    carrier: str
    airline_name: str = pa.Field(nullable=True)
    flight: int
    dest: str
    dest_name: str = pa.Field(nullable=True)
    dest_latitude_degrees: float = pa.Field(nullable=True)
    dest_longitude_degrees: float = pa.Field(nullable=True)
    distance_miles: int = pa.Field(gt=0)
    sched_dep_hour: Annotated[pd.DatetimeTZDtype, "us", "UTC"]
    sched_dep_hhmm: int
    dep_hhmm: pd.Int64Dtype = pa.Field(nullable=True)
    dep_delay_minutes: pd.Int64Dtype = pa.Field(nullable=True)
    sched_arr_hhmm: int
    arr_hhmm: pd.Int64Dtype = pa.Field(nullable=True)
    arr_delay_minutes: pd.Int64Dtype = pa.Field(nullable=True)
    air_time_minutes: pd.Int64Dtype = pa.Field(nullable=True)
    is_cancelled: bool
    tailnum: str = pa.Field(nullable=True)
    plane_built_year: pd.Int64Dtype = pa.Field(nullable=True)
    plane_manufacturer: str = pa.Field(nullable=True)
    plane_model: str = pa.Field(nullable=True)
    plane_seats: pd.Int64Dtype = pa.Field(nullable=True, gt=0)
    has_weather: bool = pa.Field(description="Whether the weather of the origin and hour was delivered.")
    temp_fahrenheit: float = pa.Field(nullable=True)
    humidity_percent: float = pa.Field(nullable=True)
    wind_speed_mph: float = pa.Field(nullable=True)
    wind_gust_mph: float = pa.Field(nullable=True)
    precip_inches: float = pa.Field(nullable=True)
    pressure_millibars: float = pa.Field(nullable=True)
    visibility_miles: float = pa.Field(nullable=True)

    class Config:
        name = "marts.flights"
        unique = ["flight_date", "origin", "carrier", "flight"]
        metadata = {
            "sql": {
                "delayed_only_if_departed": "not is_cancelled or dep_delay_minutes is null",
                "arrives_only_if_departed": "not is_cancelled or arr_hhmm is null",
            }
        }


class AirlineDaily(pa.DataFrameModel):
    """On-time performance of each airline, day by day."""

    flight_date: date
    carrier: str
    airline_name: str = pa.Field(nullable=True)
    flights: int = pa.Field(gt=0, description="Number of scheduled flights.")
    cancelled_flights: int = pa.Field(ge=0, description="Number of flights that never departed.")
    arrived_flights: int = pa.Field(ge=0, description="Number of flights with a known arrival.")
    late_flights: int = pa.Field(ge=0, description="Number of flights that came 15 minutes late or more.")
    avg_dep_delay_minutes: float = pa.Field(
        nullable=True,
        description="Mean delay at departure, without cancelled flights.",
        metadata={"unit": "minutes"},
    )
    avg_arr_delay_minutes: float = pa.Field(
        nullable=True,
        description="Mean delay at arrival, without cancelled flights.",
        metadata={"unit": "minutes"},
    )
    distance_miles: int = pa.Field(gt=0, description="Sum of the scheduled distances.", metadata={"unit": "miles"})

    class Config:
        name = "marts.airline_daily"
        unique = ["flight_date", "carrier"]
        metadata = {
            "sql": {
                "arrived_or_cancelled_at_most_all": "arrived_flights + cancelled_flights <= flights",
                "late_among_arrived": "late_flights <= arrived_flights",
            }
        }


class RouteDaily(pa.DataFrameModel):
    """On-time performance of each route, day by day."""

    flight_date: date
    origin: str = pa.Field(isin=NEW_YORK)
    dest: str
    flights: int = pa.Field(gt=0, description="Number of scheduled flights.")
    cancelled_flights: int = pa.Field(ge=0, description="Number of flights that never departed.")
    arrived_flights: int = pa.Field(ge=0, description="Number of flights with a known arrival.")
    late_flights: int = pa.Field(ge=0, description="Number of flights that came 15 minutes late or more.")
    avg_dep_delay_minutes: float = pa.Field(
        nullable=True,
        description="Mean delay at departure, without cancelled flights.",
        metadata={"unit": "minutes"},
    )
    avg_arr_delay_minutes: float = pa.Field(
        nullable=True,
        description="Mean delay at arrival, without cancelled flights.",
        metadata={"unit": "minutes"},
    )
    distance_miles: int = pa.Field(gt=0, description="Sum of the scheduled distances.", metadata={"unit": "miles"})

    class Config:
        name = "marts.route_daily"
        unique = ["flight_date", "origin", "dest"]
        metadata = {
            "sql": {
                "arrived_or_cancelled_at_most_all": "arrived_flights + cancelled_flights <= flights",
                "late_among_arrived": "late_flights <= arrived_flights",
            }
        }


class WeatherDelay(pa.DataFrameModel):
    """Delays and cancellations by the weather at departure."""

    origin: str = pa.Field(isin=NEW_YORK)
    wind_band: str = pa.Field(
        isin=["below 10 mph", "10 to 20 mph", "20 mph or more", "unknown"],
        description="Speed of the wind at departure, in bands.",
    )
    precip_band: str = pa.Field(
        isin=["dry", "below 0.1 inches", "0.1 inches or more", "unknown"],
        description="Rain and melted snow of the hour of departure, in bands.",
    )
    visibility_band: str = pa.Field(
        isin=["below 3 miles", "3 to 10 miles", "10 miles", "unknown"],
        description="Visibility at departure, in bands.",
    )
    flights: int = pa.Field(gt=0, description="Number of scheduled flights.")
    cancelled_flights: int = pa.Field(ge=0, description="Number of flights that never departed.")
    late_departures: int = pa.Field(ge=0, description="Number of flights that left 15 minutes late or more.")
    avg_dep_delay_minutes: float = pa.Field(
        nullable=True,
        description="Mean delay at departure, without cancelled flights.",
        metadata={"unit": "minutes"},
    )

    class Config:
        name = "marts.weather_delay"
        unique = ["origin", "wind_band", "precip_band", "visibility_band"]
        metadata = {"sql": {"late_among_departed": "late_departures + cancelled_flights <= flights"}}


class PlaneUse(pa.DataFrameModel):
    """What each plane did; null attributes where the register lacks it."""

    tailnum: str = pa.Field(unique=True)
    manufacturer: str = pa.Field(nullable=True)
    model: str = pa.Field(nullable=True)
    built_year: pd.Int64Dtype = pa.Field(nullable=True)
    seats: pd.Int64Dtype = pa.Field(nullable=True, gt=0)
    flights: int = pa.Field(gt=0, description="Number of scheduled flights of the plane.")
    cancelled_flights: int = pa.Field(ge=0, description="Number of its flights that never departed.")
    carriers: int = pa.Field(gt=0, description="Number of airlines that it flew for.")
    first_flight_date: date = pa.Field(description="Date of its first flight.")
    last_flight_date: date = pa.Field(description="Date of its last flight.")
    air_time_minutes: int = pa.Field(
        ge=0, description="Time in the air of all its flights.", metadata={"unit": "minutes"}
    )
    flown_miles: int = pa.Field(
        ge=0, description="Distance of its flights that were in the air.", metadata={"unit": "miles"}
    )

    class Config:
        name = "marts.plane_use"
        metadata = {"sql": {"first_before_last": "first_flight_date <= last_flight_date"}}


class AirportMonthly(pa.DataFrameModel):
    """Departures of each New York airport, month by month."""

    flight_month: date = pa.Field(description="First day of the month.")
    origin: str = pa.Field(isin=NEW_YORK)
    origin_name: str = pa.Field(nullable=True)
    flights: int = pa.Field(gt=0, description="Number of scheduled flights.")
    cancelled_flights: int = pa.Field(ge=0, description="Number of flights that never departed.")
    late_departures: int = pa.Field(ge=0, description="Number of flights that left 15 minutes late or more.")
    carriers: int = pa.Field(gt=0, description="Number of airlines.")
    destinations: int = pa.Field(gt=0, description="Number of destinations.")
    avg_dep_delay_minutes: float = pa.Field(
        nullable=True,
        description="Mean delay at departure, without cancelled flights.",
        metadata={"unit": "minutes"},
    )
    avg_distance_miles: float = pa.Field(gt=0, description="Mean scheduled distance.", metadata={"unit": "miles"})

    class Config:
        name = "marts.airport_monthly"
        unique = ["flight_month", "origin"]
        metadata = {"sql": {"starts_a_month": "day(flight_month) = 1"}}
