-- test: an order that was delivered twice is there once
-- given: raw.orders (delivery_date, order_nb, item)
values ('2018-05-24', 1, 'chair'), ('2018-05-25', 1, 'table'), ('2018-05-24', 2, 'lamp');
-- expect: (order_nb, item)
values (1, 'table'), (2, 'lamp');

-- test: item and site take the spelling of their lists, however they were typed
-- given: raw.orders (order_nb, item, site)
values (1, ' CHAIR', 'paris,  FRANCE');
-- given: raw.items (item, item_nb)
values ('Chair', 7);
-- given: raw.sites (site, site_nb)
values ('Paris, France', 33);
-- expect: (order_nb, item, item_nb, site, site_nb)
values (1, 'Chair', 7, 'Paris, France', 33);

-- test: what the lists do not know is kept as delivered, without a number
-- given: raw.orders (order_nb, item, site)
values (1, 'Sofa', 'Atlantis');
-- given: raw.items (item, item_nb)
values ('Chair', 7);
-- expect: (item, item_nb, site, site_nb)
values ('Sofa', null, 'Atlantis', null);
