-- SELECTs with the partition column p; above each, the tables of which a partition needs the same date only.

-- by date: raw.sales
select day as p, * from raw.sales;

-- by date: raw.sales
select day as p, shop from raw.sales where price > 3 and (item = 'a' or shop = 'b');

-- by date: raw.sales
select day as p, shop, sum(price) as s from raw.sales group by all;

-- by date: raw.sales
select day as p, count(*) as n from raw.sales group by day having count(*) > 3;

-- by date: raw.sales
select day as p, count(distinct item) filter (where price > 2) as n from raw.sales group by day;

-- by date: raw.sales
select distinct day as p, shop from raw.sales;

-- by date: raw.sales
select sale_day as p, sum(price) as s from staging.daily group by all;

-- by date: raw.sales
select day as p, shop, item from staging.dearest;

-- by date: raw.sales
select day as p, t.town, price from raw.sales left join raw.shops as t using (shop);

-- by date: raw.sales, raw.visits
select s.day as p, price, visitors
from raw.sales s
join raw.visits v on s.day = visit_day and s.shop = v.shop;

-- by date: raw.sales, raw.visits
select s.day as p, price, visitors
from raw.sales s
left join raw.visits v on s.day = visit_day and s.shop = v.shop;

-- by date: raw.sales, raw.visits
select visit_day as p, price, visitors
from raw.sales s
right join raw.visits v on s.day = visit_day and s.shop = v.shop;

-- by date: raw.sales, raw.visits
select s.day as p, s.price, v.visitors
from raw.sales s
semi join raw.shops t using (shop)
join raw.visits v on v.visit_day = s.day;

-- by date: raw.sales, raw.visits
select day as p, price from raw.sales union all select visit_day, visitors from raw.visits;

-- by date: raw.sales, raw.visits
select day as p, price from raw.sales union select visit_day, visitors from raw.visits;

-- by date: raw.sales, raw.visits
select day as p, price from raw.sales intersect select visit_day, visitors from raw.visits;

-- by date: raw.sales, raw.visits
select day as p, price from raw.sales except select visit_day, visitors from raw.visits;

-- by date: raw.sales
with c as (from raw.sales) select a.day as p, sum(b.price) as s
from c a
join c b on a.day = b.day
group by all;

-- by date: raw.sales
with c as (select day, max(price) as m from raw.sales group by day) select day as p, price - m as d
from raw.sales
join c using (day);

-- by date: raw.sales
select day as p, sum(price) over (partition by day, shop order by item, price) as s, item
from raw.sales;

-- by date: raw.sales
select day as p, item from raw.sales qualify rank() over (partition by day order by price) = 1;

-- by date: raw.sales
select day as p, a, b from (pivot raw.sales on shop in ('a', 'b') using sum(price) group by day);

-- by date: raw.sales
select day as p, unnest([shop, item]) as word from raw.sales;

-- by date: nothing
select day as p, price
from raw.sales
where price > (select avg(g.price) from raw.sales g where g.day = sales.day);

-- by date: raw.sales
select day as p, price, (select count(*) from raw.visits) as n from raw.sales;

-- by date: raw.sales
select day as p, price from raw.sales where shop in (select shop from raw.visits);

-- by date: raw.sales
select day as p, price from raw.sales where exists (from raw.visits v where v.shop = sales.shop);

-- by date: raw.sales
with v as (select visit_day, shop, max(visitors) as n from raw.visits group by all) select s.day as p, price, n
from raw.sales s
asof join v on s.shop = v.shop and s.day >= v.visit_day;

-- by date: raw.sales
select day as p, price from raw.sales where day >= date '2024-03-02';

-- by date: raw.sales
select day as p, price
from raw.sales
where day >= date '2024-03-02' and price > (select avg(visitors) from raw.visits);

-- by date: raw.sales, raw.visits
select coalesce(s.day, v.visit_day) as p, price, visitors
from raw.sales s
full join raw.visits v on s.day = v.visit_day and s.shop = v.shop;

-- by date: nothing
select s.day as p, price, visitors
from raw.sales s
full join raw.visits v on s.day = v.visit_day and s.shop = v.shop;

-- by date: nothing
select day as p, sum(price) over (order by day, shop, item, price) as s from raw.sales;

-- by date: nothing
select day as p, lag(price) over (partition by shop order by day, item, price) as s from raw.sales;

-- by date: nothing
select day as p, sum(price) over (partition by shop) as s from raw.sales;

-- by date: nothing
select day as p, item
from raw.sales
qualify row_number() over (partition by shop order by day, item, price) = 1;

-- by date: nothing
select distinct on (shop) day as p, shop, item, price from raw.sales order by shop, day, item, price;

-- by date: nothing
select day as p, shop, price from staging.picked;

-- by date: nothing
select day as p, price from raw.sales order by price, day, shop, item limit 3;

-- by date: nothing
select day as p, price from raw.sales order by day, price, shop offset 2;

-- by date: nothing
select max(day) as p, shop from raw.sales group by shop;

-- by date: nothing
select day + 1 as p, price from raw.sales;

-- by date: nothing
select cast(date_trunc('month', day) as date) as p, count(*) as n from raw.sales group by all;

-- by date: nothing
select day as p, sum(price) as s from raw.sales group by rollup (day);

-- by date: nothing
select s.day as p, t.price from raw.sales s join raw.sales t on s.day = t.day + 1;

-- by date: nothing
select s.day as p, t.price from raw.sales s, raw.sales t where s.shop = t.shop;

-- by date: nothing
select day as p, price from raw.sales where price > (select avg(price) from raw.sales);

-- by date: nothing
select day as p, price from raw.sales where day = (select max(day) from raw.sales);

-- by date: nothing
select cast(unnest(range(day, day + 2, interval 1 day)) as date) as p, price from raw.sales;

-- by date: nothing
with recursive r as (select day, price from raw.sales where price < 3 union all select day + 1, price + 1 from r where price < 3) select day as p, price
from r;

-- by date: raw.visits
select v.visit_day as p, count(s.price) as n
from raw.visits v
left join raw.sales s on s.shop = v.shop
group by all;

-- by date: nothing
select s.day as p, v.visitors from raw.sales s positional join raw.visits v;

-- by date: nothing
select day as p, price from (from raw.sales order by day desc, shop, item, price limit 5);

-- by date: nothing
select case when price > 2 then day end as p, price from raw.sales;

-- by date: nothing
select make_date(year(day), month(day), day(day)) as p, price from raw.sales;

-- by date: raw.sales
select day as p, first(item order by item, price) as i, list(price order by price) as l
from raw.sales
group by all;
