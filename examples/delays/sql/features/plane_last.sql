-- How late a plane left last. Grain: tailnum, departed_at.
-- entity: tailnum
-- event_time: departed_at
-- ttl: 18 hours
select tailnum, departed_at, max(dep_delay_minutes) as plane_last_delay_minutes
from staging.departures
where tailnum is not null and departed_at is not null
group by all
