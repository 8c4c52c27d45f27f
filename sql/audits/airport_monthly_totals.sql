-- fail: the months of an airport must add up to its routes
with airports as (
    select flight_month, origin, flights, cancelled_flights
    from marts.airport_monthly
),

routes as (
    select
        cast(date_trunc('month', flight_date) as date) as flight_month,
        origin,
        sum(flights) as flights,
        sum(cancelled_flights) as cancelled_flights
    from marts.route_daily
    group by all
)

select flight_month, origin, airports.flights as airport_flights, routes.flights as route_flights
from airports
full join routes using (flight_month, origin)
where
    (airports.flights, airports.cancelled_flights)
    is distinct from (routes.flights, routes.cancelled_flights)
