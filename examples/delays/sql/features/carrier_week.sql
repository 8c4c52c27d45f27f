-- How late an airline's flights landed in the last week, known when a day is over. Grain: carrier, origin, known_at.
-- entity: carrier, origin
-- event_time: known_at
-- ttl: 30 days
with daily as (
    select
        carrier,
        origin,
        cast(arrived_at at time zone 'America/New_York' as date) as arrived_on,
        sum(arr_delay_minutes) as delay_minutes,
        count(*) as arrived
    from staging.departures
    where arr_delay_minutes is not null
    group by all
)

select
    carrier,
    origin,
    cast(arrived_on + 1 as timestamp) at time zone 'America/New_York' as known_at,
    sum(delay_minutes) over one_week / sum(arrived) over one_week as carrier_delay_minutes
from daily
window one_week as (
    partition by carrier, origin order by arrived_on range between interval 6 days preceding and current row
)
