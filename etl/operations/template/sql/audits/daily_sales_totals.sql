-- fail: revenue that is not in the mart is missing from every report
select sale_date, delivered_quantity, mart_quantity
from (select sale_date, sum(quantity) as delivered_quantity from raw.sales group by sale_date)
full join (select sale_date, sum(quantity) as mart_quantity from marts.daily_sales group by sale_date)
    using (sale_date)
where delivered_quantity is distinct from mart_quantity
