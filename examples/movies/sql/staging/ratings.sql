-- What each user gave each movie last. Grain: user_id, movie_id.
-- A fetch brings ratings near its cursor again, and those that have changed: the newest fetch counts.
-- materialized: merge
-- key: user_id, movie_id
-- order: file_name
-- partition: fetched_date
-- known: rated_at
-- column: file_name = The fetched file that the rating is from.
-- warn references: movie_id = staging.movies.movie_id
select user_id, movie_id, rating as rating_stars, rated_at, fetched_date, parse_filename(_file) as file_name
from raw.ratings
