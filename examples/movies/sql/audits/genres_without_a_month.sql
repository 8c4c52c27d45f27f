-- fail: a month of ratings that no genre has is missing from the mart
select cast(date_trunc('month', rated_at) as date) as rated_month, count(*) as ratings
from staging.ratings
group by all
having rated_month not in (select rated_month from marts.genre_monthly)
