-- How a user has rated movies of a genre so far. Grain: user_id, genre, rated_at.
-- entity: user_id, genre
-- event_time: rated_at
select distinct
    ratings.user_id,
    string_split(movies.genres, '|')[1] as genre,
    ratings.rated_at,
    count(*) over so_far as user_genre_ratings,
    avg(ratings.rating_stars) over so_far as user_genre_avg_stars
from staging.ratings as ratings
inner join staging.movies as movies on movies.movie_id = ratings.movie_id
window so_far as (
    partition by ratings.user_id, string_split(movies.genres, '|')[1] order by ratings.rated_at
    range between unbounded preceding and current row
)
