-- warn: an order came again with other content; the newest delivery counts
select
    order_nb,
    min(delivery_date) as first_delivery_date,
    max(delivery_date) as last_delivery_date
from staging.orders
group by order_nb
having count(distinct (order_date, item_key, site_key)) > 1
