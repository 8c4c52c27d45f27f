-- How a movie was rated so far. Grain: movie_id, rated_at.
-- entity: movie_id
-- event_time: rated_at
select distinct
    movie_id,
    rated_at,
    count(*) over so_far as movie_ratings,
    avg(rating_stars) over so_far as movie_avg_stars
from staging.ratings
window so_far as (partition by movie_id order by rated_at range between unbounded preceding and current row)
