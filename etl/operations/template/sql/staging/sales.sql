-- Sales as delivered, with the product's name in one spelling. Grain: sale_id.
-- materialized: view
select
    sale_date,
    sale_id,
    lower(trim(product)) as product,
    quantity,
    price_eur
from raw.sales
