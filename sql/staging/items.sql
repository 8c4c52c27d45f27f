-- The items that orders name, with their numbers. Grain: item_key, the item in lower case.
-- materialized: view
-- column: item_key = The item in lower case, without spaces around it.
select
    lower(trim(item)) as item_key,
    item,
    item_nb
from raw.items
