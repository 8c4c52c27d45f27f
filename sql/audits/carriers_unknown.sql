-- warn: flights whose airline is in no list have no airline name
select carrier, count(*) as flights, min(flight_date) as first_flight_date
from marts.flights
where airline_name is null
group by carrier
