-- The planes of the FAA register. Grain: tailnum.
-- materialized: view
select
    tailnum,
    year as built_year,
    type as plane_type,
    manufacturer,
    model,
    engines,
    seats,
    speed as cruise_speed_mph,
    engine as engine_type
from raw.planes
