-- test: a month ends at midnight of its last day
-- given: staging.flights (flight_date, origin, carrier, dest, dep_delay_minutes, is_cancelled)
values
    ('2013-01-31', 'EWR', 'UA', 'ORD', 15, false),
    ('2013-01-31', 'EWR', 'UA', 'MIA', null, true),
    ('2013-02-01', 'EWR', 'DL', 'ORD', 14, false);
-- given: staging.airports (airport, airport_name)
values ('EWR', 'Newark Liberty Intl');
-- expect: (flight_month, origin_name, flights, cancelled_flights, late_departures, carriers, destinations)
values
    ('2013-01-01', 'Newark Liberty Intl', 2, 1, 1, 1, 2),
    ('2013-02-01', 'Newark Liberty Intl', 1, 0, 0, 1, 1);
