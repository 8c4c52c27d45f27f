-- Departures of each New York airport, month by month. Grain: flight_month (its first day), origin.
with monthly as (
    select
        cast(date_trunc('month', flight_date) as date) as flight_month,
        origin,
        count(*) as flights,
        count(*) filter (where is_cancelled) as cancelled_flights,
        count(*) filter (where dep_delay_minutes >= 15) as late_departures,
        count(distinct carrier) as carriers,
        count(distinct dest) as destinations,
        avg(dep_delay_minutes) as avg_dep_delay_minutes,
        avg(distance_miles) as avg_distance_miles
    from staging.flights
    group by all
)

select
    monthly.flight_month,
    monthly.origin,
    airports.airport_name as origin_name,
    monthly.flights,
    monthly.cancelled_flights,
    monthly.late_departures,
    monthly.carriers,
    monthly.destinations,
    monthly.avg_dep_delay_minutes,
    monthly.avg_distance_miles
from monthly
left join staging.airports as airports on airports.airport = monthly.origin
