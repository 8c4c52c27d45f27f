-- The airports. Grain: airport, the FAA code.
-- materialized: view
select
    faa as airport,
    name as airport_name,
    lat as latitude_degrees,
    lon as longitude_degrees,
    alt as altitude_feet,
    tz as utc_offset_hours,
    dst as daylight_saving_code,
    tzone as time_zone
from raw.airports
