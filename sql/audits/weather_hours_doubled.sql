-- warn: the weather of an hour was delivered twice; staging keeps one row of it
select
    weather_date,
    origin,
    cast(time_hour as varchar) as weather_hour,
    count(*) as observations
from raw.weather
group by weather_date, origin, time_hour
having count(*) > 1
