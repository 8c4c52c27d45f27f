-- How the weather at departure goes with delays and cancellations.
-- Grain: origin, wind_band, precip_band, visibility_band; "unknown" where no value was measured.
-- sums_to: flights = marts.route_daily.flights by origin
with banded as (
    select
        origin,
        is_cancelled,
        dep_delay_minutes,
        case
            when wind_speed_mph < 10 then 'below 10 mph'
            when wind_speed_mph < 20 then '10 to 20 mph'
            when wind_speed_mph >= 20 then '20 mph or more'
            else 'unknown'
        end as wind_band,
        case
            when precip_inches = 0 then 'dry'
            when precip_inches < 0.1 then 'below 0.1 inches'
            when precip_inches >= 0.1 then '0.1 inches or more'
            else 'unknown'
        end as precip_band,
        case
            when visibility_miles < 3 then 'below 3 miles'
            when visibility_miles < 10 then '3 to 10 miles'
            when visibility_miles >= 10 then '10 miles'
            else 'unknown'
        end as visibility_band
    from marts.flights
)

select
    origin,
    wind_band,
    precip_band,
    visibility_band,
    count(*) as flights,
    count(*) filter (where is_cancelled) as cancelled_flights,
    count(*) filter (where dep_delay_minutes >= 15) as late_departures,
    avg(dep_delay_minutes) as avg_dep_delay_minutes
from banded
group by origin, wind_band, precip_band, visibility_band
