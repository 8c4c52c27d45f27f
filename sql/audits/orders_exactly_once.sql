-- fail: an order that is missing or doubled makes every count of orders wrong
with feed as (
    select distinct order_nb
    from raw.orders
),

kept as (
    select order_nb, count(*) as mart_rows
    from marts.orders
    group by order_nb
)

select
    order_nb,
    feed.order_nb is not null as is_delivered,
    coalesce(kept.mart_rows, 0) as mart_rows
from feed
full join kept using (order_nb)
where feed.order_nb is null or kept.mart_rows is distinct from 1
