-- The items that orders name, with their numbers. Grain: item_key, the item in lower case.
-- materialized: view
select
    lower(trim(item)) as item_key,
    item,
    item_nb
from raw.items
