-- The order feed with the numbers of item and site. Grain: order_nb.
-- Of an order that was delivered more than once, the newest delivery counts. Item and site take the spelling of
-- their lists; what the lists do not know is kept as delivered, without a number.
select
    newest.order_nb,
    newest.order_date,
    coalesce(items.item, newest.item) as item,
    items.item_nb,
    coalesce(sites.site, newest.site) as site,
    sites.site_nb
from staging.orders_newest as newest
left join staging.items as items on items.item_key = newest.item_key
left join staging.sites as sites on sites.site_key = newest.site_key
