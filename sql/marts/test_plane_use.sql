-- test: miles are flown only by a flight that was in the air
-- given: staging.flights (flight_date, carrier, tailnum, is_cancelled, air_time_minutes, distance_miles)
values
    ('2013-01-03', 'UA', 'N14228', false, 227, 1400),
    ('2013-01-01', 'UA', 'N14228', false, 100, 719),
    ('2013-01-02', 'DL', 'N14228', true, null, 719);
-- expect: (tailnum, flights, cancelled_flights, carriers, first_flight_date, last_flight_date,
--     air_time_minutes, flown_miles)
values ('N14228', 3, 1, 2, '2013-01-01', '2013-01-03', 327, 2119);

-- test: a plane that the register lacks is there, and a flight without a tail number is not
-- given: staging.flights (tailnum)
values ('N14228'), ('N999ZZ'), (null);
-- given: staging.planes (tailnum, manufacturer)
values ('N14228', 'BOEING'), ('N24211', 'BOEING');
-- expect: (tailnum, manufacturer, air_time_minutes)
values ('N14228', 'BOEING', 0), ('N999ZZ', null, 0);
