-- test: a flight has the weather of its origin and hour, and only of its own day's delivery
-- given: staging.flights (flight_date, origin, flight, sched_dep_hour)
values
    ('2013-01-01', 'EWR', 1, '2013-01-01 10:00+00'),
    ('2013-01-01', 'JFK', 2, '2013-01-01 10:00+00'),
    ('2013-01-02', 'EWR', 3, '2013-01-01 10:00+00');
-- given: staging.weather (weather_date, origin, weather_hour, temp_fahrenheit)
values ('2013-01-01', 'EWR', '2013-01-01 10:00+00', 39.02), ('2013-01-01', 'JFK', '2013-01-01 11:00+00', 41);
-- expect: (flight, has_weather, temp_fahrenheit)
values (1, true, 39.02), (2, false, null), (3, false, null);

-- test: a flight is there once, even if no list knows its airline, plane or destination
-- given: staging.flights (flight, carrier, tailnum, dest)
values (1, 'UA', 'N14228', 'IAH'), (2, 'ZZ', null, 'BQN');
-- given: staging.airlines (carrier, airline_name)
values ('UA', 'United Air Lines Inc.');
-- given: staging.planes (tailnum, seats)
values ('N14228', 149);
-- given: staging.airports (airport, airport_name)
values ('IAH', 'George Bush Intercontinental');
-- expect: (flight, airline_name, plane_seats, dest_name)
values (1, 'United Air Lines Inc.', 149, 'George Bush Intercontinental'), (2, null, null, null);
