-- On-time performance of each airline, day by day. Grain: flight_date, carrier.
-- Late is 15 minutes or more at the gate, as the US authorities count it; averages leave cancelled flights out.
-- materialized: incremental
-- partition: flight_date
-- sums_to: flights = marts.route_daily.flights by flight_date
-- sums_to: cancelled_flights = marts.route_daily.cancelled_flights by flight_date
-- sums_to: late_flights = marts.route_daily.late_flights by flight_date
with daily as (
    select
        flight_date,
        carrier,
        count(*) as flights,
        count(*) filter (where is_cancelled) as cancelled_flights,
        count(arr_delay_minutes) as arrived_flights,
        count(*) filter (where arr_delay_minutes >= 15) as late_flights,
        avg(dep_delay_minutes) as avg_dep_delay_minutes,
        avg(arr_delay_minutes) as avg_arr_delay_minutes,
        cast(sum(distance_miles) as bigint) as distance_miles
    from staging.flights
    group by flight_date, carrier
)

select
    daily.flight_date,
    daily.carrier,
    airlines.airline_name,
    daily.flights,
    daily.cancelled_flights,
    daily.arrived_flights,
    daily.late_flights,
    daily.avg_dep_delay_minutes,
    daily.avg_arr_delay_minutes,
    daily.distance_miles
from daily
left join staging.airlines as airlines on airlines.carrier = daily.carrier
