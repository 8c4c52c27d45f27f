-- Every scheduled departure with its airline, plane, destination and the weather of its origin and hour.
-- Grain: flight_date, origin, carrier, flight. Nulls: the plane or the destination is in no list, or the weather
-- of that hour was not delivered (has_weather tells).
-- A day's weather comes in that day's file: joining on the date too lets one day be built from one day's data.
-- materialized: incremental
-- partition: flight_date
-- warn references: carrier = staging.airlines.carrier
select
    flights.flight_date,
    flights.origin,
    flights.carrier,
    airlines.airline_name,
    flights.flight,
    flights.dest,
    airports.airport_name as dest_name,
    airports.latitude_degrees as dest_latitude_degrees,
    airports.longitude_degrees as dest_longitude_degrees,
    flights.distance_miles,
    flights.sched_dep_hour,
    flights.sched_dep_hhmm,
    flights.dep_hhmm,
    flights.dep_delay_minutes,
    flights.sched_arr_hhmm,
    flights.arr_hhmm,
    flights.arr_delay_minutes,
    flights.air_time_minutes,
    flights.is_cancelled,
    flights.tailnum,
    planes.built_year as plane_built_year,
    planes.manufacturer as plane_manufacturer,
    planes.model as plane_model,
    planes.seats as plane_seats,
    weather.weather_hour is not null as has_weather,
    weather.temp_fahrenheit,
    weather.humidity_percent,
    weather.wind_speed_mph,
    weather.wind_gust_mph,
    weather.precip_inches,
    weather.pressure_millibars,
    weather.visibility_miles
from staging.flights as flights
left join staging.airlines as airlines on airlines.carrier = flights.carrier
left join staging.airports as airports on airports.airport = flights.dest
left join staging.planes as planes on planes.tailnum = flights.tailnum
left join staging.weather as weather
    on weather.weather_date = flights.flight_date
    and weather.origin = flights.origin
    and weather.weather_hour = flights.sched_dep_hour
