-- Hourly weather at the New York airports. Grain: weather_date, origin, weather_hour.
-- The hour is absolute: when the clocks go back, 1 o'clock is two hours. Should a delivery tell an hour twice,
-- one row of it is kept, a measured value before a null, the smaller before the greater.
-- materialized: view
select
    weather_date,
    origin,
    time_hour as weather_hour,
    temp as temp_fahrenheit,
    dewp as dew_point_fahrenheit,
    humid as humidity_percent,
    wind_dir as wind_direction_degrees,
    wind_speed as wind_speed_mph,
    wind_gust as wind_gust_mph,
    precip as precip_inches,
    pressure as pressure_millibars,
    visib as visibility_miles
from raw.weather
qualify row_number() over (
    partition by weather_date, origin, time_hour
    order by temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib
) = 1
