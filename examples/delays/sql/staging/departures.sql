-- Departures, with the moments at which it is known how late they were. Grain: flight_date, origin, carrier, flight.
-- A timetable says which flights there are; a plane is known to have landed 25 minutes after it was due to, at most.
-- materialized: view
-- known: always, dep_delay_minutes = departed_at, arr_delay_minutes = arrived_at
select
    flight_date,
    origin,
    carrier,
    flight,
    dest,
    tailnum,
    distance as distance_miles,
    time_hour + to_minutes(cast(sched_dep_time % 100 as integer)) as sched_at,
    time_hour + to_minutes(cast(sched_dep_time % 100 + dep_delay as integer)) as departed_at,
    time_hour + to_minutes(cast(sched_dep_time % 100 + dep_delay + air_time + 25 as integer)) as arrived_at,
    dep_delay as dep_delay_minutes,
    arr_delay as arr_delay_minutes
from raw.flights
