-- test: a band begins with its lower bound
-- given: marts.flights (wind_speed_mph, precip_inches, visibility_miles)
values (9.9, 0, 2.9), (10, 0.01, 3), (20, 0.1, 10);
-- expect: (wind_band, precip_band, visibility_band, flights)
values
    ('below 10 mph', 'dry', 'below 3 miles', 1),
    ('10 to 20 mph', 'below 0.1 inches', '3 to 10 miles', 1),
    ('20 mph or more', '0.1 inches or more', '10 miles', 1);

-- test: what was not measured is unknown, and its flights are counted
-- given: marts.flights (origin, is_cancelled, dep_delay_minutes)
values ('EWR', false, 15), ('EWR', false, 14), ('EWR', true, null);
-- expect: (origin, wind_band, precip_band, visibility_band,
--     flights, cancelled_flights, late_departures, avg_dep_delay_minutes)
values ('EWR', 'unknown', 'unknown', 'unknown', 3, 1, 1, 29 / 2);
