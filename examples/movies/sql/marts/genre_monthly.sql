-- Ratings of each genre, month by month. Grain: rated_month, genre.
-- A rating of a movie of two genres counts in both.
with rated as (
    select
        ratings.user_id,
        ratings.rating_stars,
        cast(date_trunc('month', ratings.rated_at) as date) as rated_month,
        unnest(string_split(coalesce(movies.genres, '(unknown)'), '|')) as genre
    from staging.ratings as ratings
    left join staging.movies as movies on movies.movie_id = ratings.movie_id
)

select
    rated_month,
    genre,
    count(*) as ratings,
    count(distinct user_id) as users,
    avg(rating_stars) as avg_rating_stars
from rated
group by rated_month, genre
