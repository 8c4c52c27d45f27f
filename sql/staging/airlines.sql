-- The airlines. Grain: carrier, the two-letter code.
-- materialized: view
select
    carrier,
    name as airline_name
from raw.airlines
