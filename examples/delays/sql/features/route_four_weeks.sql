-- How late flights of a route landed in the last four weeks, known when a day is over. Grain: origin, dest, known_at.
-- By day of landing: one that left a day late is not known on its own day.
-- entity: origin, dest
-- event_time: known_at
-- ttl: 60 days
with daily as (
    select
        origin,
        dest,
        cast(arrived_at at time zone 'America/New_York' as date) as arrived_on,
        sum(arr_delay_minutes) as delay_minutes,
        count(*) as arrived,
        count(*) filter (where arr_delay_minutes >= 15) as late
    from staging.departures
    where arr_delay_minutes is not null
    group by all
)

select
    origin,
    dest,
    cast(arrived_on + 1 as timestamp) at time zone 'America/New_York' as known_at,
    sum(delay_minutes) over four_weeks / sum(arrived) over four_weeks as route_delay_minutes,
    sum(late) over four_weeks / sum(arrived) over four_weeks as route_late_ratio
from daily
window four_weeks as (
    partition by origin, dest order by arrived_on range between interval 27 days preceding and current row
)
