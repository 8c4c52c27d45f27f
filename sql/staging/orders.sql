-- Orders as delivered, with keys that do not depend on how item and site are spelled.
-- Grain: one delivered line; an order that was delivered twice is here twice.
-- materialized: view
-- column: item_key = The item in lower case, without spaces around it.
-- column: site_key = The words of the site in lower case.
select
    order_nb,
    order_date,
    lower(trim(item)) as item_key,
    item,
    trim(regexp_replace(lower(site), '[\s,]+', ' ', 'g')) as site_key,
    site,
    delivery_date
from raw.orders
