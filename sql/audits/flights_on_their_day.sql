-- fail: a flight that came in another day's file is counted on the wrong day
select flight_date, origin, carrier, flight, year, month, day
from raw.flights
where make_date(year, month, day) is distinct from flight_date
