-- fail: flights look for their weather in the delivery of their own day
select weather_date, origin, year, month, day, hour
from raw.weather
where make_date(year, month, day) is distinct from weather_date
