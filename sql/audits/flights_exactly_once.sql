-- fail: every number about flights is wrong if a delivered flight is missing from the mart, or in it twice
with delivered as (
    select flight_date, count(*) as flights, sum(hash(origin, carrier, flight)) as fingerprint
    from raw.flights
    group by flight_date
),

kept as (
    select flight_date, count(*) as flights, sum(hash(origin, carrier, flight)) as fingerprint
    from marts.flights
    group by flight_date
)

select
    flight_date,
    coalesce(delivered.flights, 0) as delivered_flights,
    coalesce(kept.flights, 0) as mart_flights
from delivered
full join kept using (flight_date)
where delivered.fingerprint is distinct from kept.fingerprint
