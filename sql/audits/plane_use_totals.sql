-- fail: the planes and the flights without a tail number must add up to all flights
with counted as (
    select
        (select coalesce(sum(flights), 0) from marts.plane_use) as plane_flights,
        (select count(*) from marts.flights where tailnum is not null) as flights_with_tailnum
)

select plane_flights, flights_with_tailnum
from counted
where plane_flights <> flights_with_tailnum
