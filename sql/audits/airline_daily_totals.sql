-- fail: the airlines of a day must add up to its routes: the same flights, counted another way
with airlines as (
    select
        flight_date,
        sum(flights) as flights,
        sum(cancelled_flights) as cancelled_flights,
        sum(late_flights) as late_flights
    from marts.airline_daily
    group by flight_date
),

routes as (
    select
        flight_date,
        sum(flights) as flights,
        sum(cancelled_flights) as cancelled_flights,
        sum(late_flights) as late_flights
    from marts.route_daily
    group by flight_date
)

select flight_date, airlines.flights as airline_flights, routes.flights as route_flights
from airlines
full join routes using (flight_date)
where
    (airlines.flights, airlines.cancelled_flights, airlines.late_flights)
    is distinct from (routes.flights, routes.cancelled_flights, routes.late_flights)
