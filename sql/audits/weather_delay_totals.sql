-- fail: the weather bands must hold every flight once, also those whose weather is unknown
with bands as (
    select origin, sum(flights) as flights
    from marts.weather_delay
    group by origin
),

routes as (
    select origin, sum(flights) as flights
    from marts.route_daily
    group by origin
)

select origin, bands.flights as band_flights, routes.flights as route_flights
from bands
full join routes using (origin)
where bands.flights is distinct from routes.flights
