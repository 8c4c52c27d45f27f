-- test: the newest delivery of an order counts, in whatever order they come
-- night: 2018-05-26
-- given: raw.orders (order_nb, item)
values (1, 'lamp'), (2, 'chair');
-- night: 2018-05-27
-- given: raw.orders (delivery_date, order_nb, item)
values ('2018-05-25', 1, 'table'), ('2018-05-25', 3, 'sofa');
-- expect: (order_nb, item)
values (1, 'lamp'), (2, 'chair'), (3, 'sofa');

-- test: a delivery that is sent again without an order gives way to the one before
-- night: 2018-05-24
-- given: raw.orders (order_nb, item)
values (1, 'table');
-- night: 2018-05-25
-- given: raw.orders (order_nb, item)
values (1, 'lamp'), (2, 'chair');
-- expect: (order_nb, item)
values (1, 'lamp'), (2, 'chair');
-- night: 2018-05-25
-- given: raw.orders (order_nb, item)
values (2, 'chair');
-- expect: (order_nb, item)
values (1, 'table'), (2, 'chair');

-- test: of two orders with one number in a delivery the later by date counts
-- given: raw.orders (delivery_date, order_nb, order_date, item)
values ('2018-05-24', 1, '2018-05-23', 'table'), ('2018-05-24', 1, '2018-05-24', 'chair');
-- expect: (item)
values ('chair');
