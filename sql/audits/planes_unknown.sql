-- warn: flights of planes that the register lacks have no model and no seats; one row per airline
select
    carrier,
    count(*) as flights,
    count(distinct tailnum) as planes,
    min(tailnum) as example_tailnum
from marts.flights
anti join staging.planes using (tailnum)
where tailnum is not null
group by carrier
