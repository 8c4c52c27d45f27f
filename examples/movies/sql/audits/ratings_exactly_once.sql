-- fail: a rating that was fetched and is missing, or counted twice, makes every mean wrong
with fetched as (
    select distinct user_id, movie_id
    from raw.ratings
),

kept as (
    select user_id, movie_id, count(*) as kept_rows
    from staging.ratings
    group by user_id, movie_id
)

select user_id, movie_id, coalesce(kept_rows, 0) as kept_rows
from fetched
full join kept using (user_id, movie_id)
where kept_rows is distinct from 1
