-- Scheduled departures from New York, with units in the names. Grain: flight_date, origin, carrier, flight.
-- The clock columns are local time written as hhmm: 517 is 05:17. A flight that never departed is cancelled.
-- materialized: view
-- column: is_cancelled = Whether the flight never departed.
select
    flight_date,
    origin,
    carrier,
    flight,
    dest,
    tailnum,
    time_hour as sched_dep_hour,
    sched_dep_time as sched_dep_hhmm,
    dep_time as dep_hhmm,
    dep_delay as dep_delay_minutes,
    sched_arr_time as sched_arr_hhmm,
    arr_time as arr_hhmm,
    arr_delay as arr_delay_minutes,
    air_time as air_time_minutes,
    distance as distance_miles,
    dep_time is null as is_cancelled
from raw.flights
