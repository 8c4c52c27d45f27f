-- The movies, as the newest fetch has them. Grain: movie_id.
-- materialized: view
select movie_id, title, year, genres
from raw.movies
