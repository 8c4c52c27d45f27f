-- What each plane did. Grain: tailnum. Flights without a tail number are in no row; a plane that the register
-- lacks has nulls for what it is.
with used as (
    select
        tailnum,
        count(*) as flights,
        count(*) filter (where is_cancelled) as cancelled_flights,
        count(distinct carrier) as carriers,
        min(flight_date) as first_flight_date,
        max(flight_date) as last_flight_date,
        coalesce(cast(sum(air_time_minutes) as bigint), 0) as air_time_minutes,
        coalesce(cast(sum(distance_miles) filter (where air_time_minutes is not null) as bigint), 0) as flown_miles
    from staging.flights
    where tailnum is not null
    group by tailnum
)

select
    used.tailnum,
    planes.manufacturer,
    planes.model,
    planes.built_year,
    planes.seats,
    used.flights,
    used.cancelled_flights,
    used.carriers,
    used.first_flight_date,
    used.last_flight_date,
    used.air_time_minutes,
    used.flown_miles
from used
left join staging.planes as planes on planes.tailnum = used.tailnum
