-- warn: flights without the weather of their hour count as "unknown" in weather_delay; one row per day and airport
select flight_date, origin, count(*) as flights
from marts.flights
where not has_weather
group by flight_date, origin
