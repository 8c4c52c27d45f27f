-- warn: orders from a site that the list lacks have no site number
select site, count(*) as orders, min(order_nb) as example_order_nb
from marts.orders
where site_nb is null
group by site
