-- How each movie is rated. Grain: movie_id.
-- sums_to: ratings = staging.ratings.*
select
    ratings.movie_id,
    movies.title,
    movies.year,
    count(*) as ratings,
    avg(ratings.rating_stars) as avg_rating_stars,
    cast(min(ratings.rated_at) as date) as first_rated_date,
    cast(max(ratings.rated_at) as date) as last_rated_date
from staging.ratings as ratings
left join staging.movies as movies on movies.movie_id = ratings.movie_id
group by ratings.movie_id, movies.title, movies.year
