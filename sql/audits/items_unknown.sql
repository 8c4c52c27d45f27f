-- warn: orders of an item that the list lacks have no item number
select item, count(*) as orders, min(order_nb) as example_order_nb
from marts.orders
where item_nb is null
group by item
