-- What was known two hours before each departure, and whether it came late. Grain: flight_date, origin, carrier, flight.
-- features: plane_last, origin_two_hours, route_four_weeks, carrier_week, weather_now
-- at: sched_at - interval 2 hours
-- warn drift: plane_last_delay_minutes within 0.2 of training
select
    flight_date,
    origin,
    carrier,
    flight,
    dest,
    tailnum,
    sched_at,
    extract(hour from sched_at at time zone 'America/New_York') as hour_local,
    isodow(flight_date) as weekday,
    distance_miles,
    arr_delay_minutes >= 15 as is_late
from staging.departures
where arr_delay_minutes is not null
