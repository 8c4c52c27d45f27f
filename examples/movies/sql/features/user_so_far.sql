-- How a user has rated so far. Grain: user_id, rated_at.
-- entity: user_id
-- event_time: rated_at
select distinct
    user_id,
    rated_at,
    count(*) over so_far as user_ratings,
    avg(rating_stars) over so_far as user_avg_stars
from staging.ratings
window so_far as (partition by user_id order by rated_at range between unbounded preceding and current row)
