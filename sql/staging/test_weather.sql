-- test: of an hour that is told twice one row is kept, a measured value before a null
-- given: raw.weather (weather_date, origin, time_hour, temp, humid)
values
    ('2013-01-01', 'EWR', '2013-01-01 10:00+00', null, 50),
    ('2013-01-01', 'EWR', '2013-01-01 10:00+00', 39.02, 60),
    ('2013-01-01', 'EWR', '2013-01-01 10:00+00', 39.02, 59.37);
-- expect: (temp_fahrenheit, humidity_percent)
values (39.02, 59.37);

-- test: when the clocks go back, 1 o'clock is two hours
-- given: raw.weather (weather_date, origin, hour, time_hour)
values
    ('2013-11-03', 'EWR', 1, '2013-11-03 01:00-04'),
    ('2013-11-03', 'EWR', 1, '2013-11-03 01:00-05');
-- expect: (weather_hour)
values ('2013-11-03 05:00+00'), ('2013-11-03 06:00+00');
