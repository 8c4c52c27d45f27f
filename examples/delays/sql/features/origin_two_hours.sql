-- How late the planes of an airport left in the two hours up to a departure. Grain: origin, departed_at.
-- entity: origin
-- event_time: departed_at
-- ttl: 3 hours
select distinct
    origin,
    departed_at,
    avg(dep_delay_minutes) over two_hours as origin_delay_minutes,
    count(*) over two_hours as origin_departures
from staging.departures
where departed_at is not null
window two_hours as (
    partition by origin order by departed_at range between interval 2 hours preceding and current row
)
