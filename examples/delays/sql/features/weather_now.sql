-- The weather of an airport when it was observed last. Grain: origin, weather_hour.
-- entity: origin
-- event_time: weather_hour
-- ttl: 3 hours
from staging.observations
