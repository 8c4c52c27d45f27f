-- Of each order its newest delivery, as delivered. Grain: order_nb.
-- materialized: merge
-- key: order_nb
-- order: delivery_date, order_date
-- partition: delivery_date
select order_nb, order_date, item_key, item, site_key, site, delivery_date
from staging.orders
