-- On-time performance of each route, day by day. Grain: flight_date, origin, dest.
-- Late is 15 minutes or more at the gate; averages leave cancelled flights out.
-- materialized: incremental
-- partition: flight_date
-- sums_to: flights = marts.flights.* by flight_date
-- sums_to: cancelled_flights = marts.flights.is_cancelled by flight_date
-- sums_to: distance_miles = marts.flights.distance_miles by flight_date
select
    flight_date,
    origin,
    dest,
    count(*) as flights,
    count(*) filter (where is_cancelled) as cancelled_flights,
    count(arr_delay_minutes) as arrived_flights,
    count(*) filter (where arr_delay_minutes >= 15) as late_flights,
    avg(dep_delay_minutes) as avg_dep_delay_minutes,
    avg(arr_delay_minutes) as avg_arr_delay_minutes,
    cast(sum(distance_miles) as bigint) as distance_miles
from staging.flights
group by flight_date, origin, dest
