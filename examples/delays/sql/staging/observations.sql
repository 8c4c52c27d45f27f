-- The weather of each airport and hour, known when it was observed. Grain: origin, weather_hour.
-- materialized: view
-- known: weather_hour
select origin, time_hour as weather_hour, max(wind_speed) as wind_mph, max(precip) as precip_inches, min(visib) as visibility_miles
from raw.weather
group by all
