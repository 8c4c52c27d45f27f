-- What was known a second before each rating, and what the user gave then. Grain: user_id, movie_id.
-- features: user_so_far, movie_so_far, user_genre_so_far
-- at: rated_at - interval 1 second
-- column: genre = The first genre of the movie.
-- column: rated_on = The day of the rating, in UTC.
-- column: stars = What the user gave.
-- unit: stars = stars
-- column: movie_age_years = Years from the movie to the rating.
select
    ratings.user_id,
    ratings.movie_id,
    ratings.rated_at,
    cast(ratings.rated_at as date) as rated_on,
    string_split(movies.genres, '|')[1] as genre,
    year(ratings.rated_at) - movies.year as movie_age_years,
    cast(ratings.rating_stars as double) as stars
from staging.ratings as ratings
inner join staging.movies as movies on movies.movie_id = ratings.movie_id
