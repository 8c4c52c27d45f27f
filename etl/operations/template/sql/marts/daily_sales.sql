-- What was sold. Grain: sale_date, product.
select
    sale_date,
    product,
    sum(quantity)::bigint as quantity,
    sum(quantity * price_eur) as revenue_eur
from staging.sales
group by sale_date, product
