-- warn: flights to an airport that the list lacks have no destination name and no place on a map
select dest, count(*) as flights, min(flight_date) as first_flight_date
from marts.flights
where dest_name is null
group by dest
