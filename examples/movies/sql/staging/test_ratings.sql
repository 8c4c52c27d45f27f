-- test: of a pair that was rated again the newest fetch counts
-- given: raw.ratings (fetched_date, user_id, movie_id, rating)
values ('2015-01-31', 1, 10, 4.0), ('2014-12-31', 1, 10, 2.5), ('2014-12-31', 1, 11, 3.0);
-- expect: (user_id, movie_id, rating_stars)
values (1, 10, 4.0), (1, 11, 3.0);
