-- test: a cancelled flight is a flight, and in no average
-- given: staging.flights (flight_date, carrier, is_cancelled, dep_delay_minutes, arr_delay_minutes, distance_miles)
values
    ('2013-01-01', 'UA', false, 2, 11, 1400),
    ('2013-01-01', 'UA', false, 4, 20, 1416),
    ('2013-01-01', 'UA', true, null, null, 719);
-- expect: (carrier, flights, cancelled_flights, arrived_flights, late_flights,
--     avg_dep_delay_minutes, avg_arr_delay_minutes, distance_miles)
values ('UA', 3, 1, 2, 1, 3, 15.5, 3535);

-- test: an airline that is in no list keeps its flights, without a name
-- given: staging.flights (flight_date, carrier)
values ('2013-01-01', 'UA'), ('2013-01-01', 'ZZ'), ('2013-01-02', 'ZZ');
-- given: staging.airlines (carrier, airline_name)
values ('UA', 'United Air Lines Inc.'), ('AA', 'American Airlines Inc.');
-- expect: (flight_date, carrier, airline_name, flights)
values
    ('2013-01-01', 'UA', 'United Air Lines Inc.', 1),
    ('2013-01-01', 'ZZ', null, 1),
    ('2013-01-02', 'ZZ', null, 1);
