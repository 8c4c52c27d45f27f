-- fail: the routes of a day must add up to its flights, or analysts see two truths
with flights as (
    select
        flight_date,
        count(*) as flights,
        count(*) filter (where is_cancelled) as cancelled_flights,
        sum(distance_miles) as distance_miles
    from marts.flights
    group by flight_date
),

routes as (
    select
        flight_date,
        sum(flights) as flights,
        sum(cancelled_flights) as cancelled_flights,
        sum(distance_miles) as distance_miles
    from marts.route_daily
    group by flight_date
)

select flight_date, flights.flights, routes.flights as route_flights
from flights
full join routes using (flight_date)
where
    (flights.flights, flights.cancelled_flights, flights.distance_miles)
    is distinct from (routes.flights, routes.cancelled_flights, routes.distance_miles)
