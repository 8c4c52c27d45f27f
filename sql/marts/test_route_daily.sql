-- test: a cancelled flight is a flight, and in no average
-- given: staging.flights (flight_date, origin, dest, is_cancelled, dep_delay_minutes, arr_delay_minutes)
values
    ('2013-01-01', 'EWR', 'ORD', false, 4, 20),
    ('2013-01-01', 'EWR', 'ORD', true, null, null);
-- expect: (origin, dest, flights, cancelled_flights, avg_dep_delay_minutes, avg_arr_delay_minutes)
values ('EWR', 'ORD', 2, 1, 4, 20);

-- test: late is 15 minutes or more
-- given: staging.flights (flight_date, origin, dest, is_cancelled, arr_delay_minutes)
values
    ('2013-01-01', 'EWR', 'ORD', false, 14),
    ('2013-01-01', 'EWR', 'ORD', false, 15),
    ('2013-01-01', 'EWR', 'ORD', false, 90);
-- expect: (arrived_flights, late_flights)
values (3, 2);

-- test: a flight that departed and never arrived is not late
-- given: staging.flights (flight_date, origin, dest, is_cancelled, dep_delay_minutes, arr_delay_minutes)
values ('2013-01-01', 'JFK', 'LAX', false, 120, null);
-- expect: (flights, cancelled_flights, arrived_flights, late_flights, avg_arr_delay_minutes)
values (1, 0, 0, 0, null);

-- test: a day, an origin and a destination have a row each
-- given: staging.flights (flight_date, origin, dest, distance_miles)
values
    ('2013-01-01', 'EWR', 'ORD', 719),
    ('2013-01-01', 'EWR', 'ORD', 719),
    ('2013-01-01', 'LGA', 'ORD', 733),
    ('2013-01-02', 'EWR', 'ORD', 719),
    ('2013-01-02', 'EWR', 'MIA', 1085);
-- expect: (flight_date, origin, dest, flights, distance_miles)
values
    ('2013-01-01', 'EWR', 'ORD', 2, 1438),
    ('2013-01-01', 'LGA', 'ORD', 1, 733),
    ('2013-01-02', 'EWR', 'ORD', 1, 719),
    ('2013-01-02', 'EWR', 'MIA', 1, 1085);

-- test: a day that is delivered again is replaced, and no other
-- night: 2013-01-01
-- given: raw.flights (origin, dest, dep_time)
values ('EWR', 'ORD', 517), ('EWR', 'ORD', 533);
-- night: 2013-01-02
-- given: raw.flights (origin, dest, dep_time)
values ('EWR', 'ORD', 517);
-- night: 2013-01-03
-- given: raw.flights (flight_date, origin, dest, dep_time)
values ('2013-01-01', 'EWR', 'ORD', null);
-- expect: (flight_date, flights, cancelled_flights)
values ('2013-01-01', 1, 1), ('2013-01-02', 1, 0);
