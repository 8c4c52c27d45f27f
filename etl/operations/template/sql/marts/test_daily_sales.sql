-- test: the spellings of a product are sold together
-- given: raw.sales (sale_date, product, quantity, price_eur)
values
    ('2024-03-01', 'apple', 3, 0.5),
    ('2024-03-01', ' Apple', 2, 0.5),
    ('2024-03-01', 'pear', 1, 0.6);
-- expect: (product, quantity, revenue_eur)
values ('apple', 5, 2.5), ('pear', 1, 0.6);
