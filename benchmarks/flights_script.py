"""The warehouse of the flights as a script written by hand: what `etl` is measured against.

Usage: python flights_script.py RAW SQL PUBLISHED. Reads the days that PUBLISHED lacks, makes the tables from
the same SELECTs, makes one check and replaces PUBLISHED. No contracts, no quarantine, no history.
"""

import os
import shutil
import sys
from pathlib import Path

import duckdb

COLUMNS = {
    "flights": "year bigint, month bigint, day bigint, dep_time bigint, sched_dep_time bigint, "
    "dep_delay bigint, arr_time bigint, sched_arr_time bigint, arr_delay bigint, carrier varchar, "
    "flight bigint, tailnum varchar, origin varchar, dest varchar, air_time bigint, distance bigint, "
    "hour bigint, minute bigint, time_hour timestamptz",
    "weather": "origin varchar, year bigint, month bigint, day bigint, hour bigint, temp double, "
    "dewp double, humid double, wind_dir bigint, wind_speed double, wind_gust double, precip double, "
    "pressure double, visib double, time_hour timestamptz",
    "airlines": "carrier varchar, name varchar",
    "airports": "faa varchar, name varchar, lat double, lon double, alt bigint, tz bigint, dst varchar, "
    "tzone varchar",
    "planes": "tailnum varchar, year bigint, type varchar, manufacturer varchar, model varchar, "
    "engines bigint, seats bigint, speed bigint, engine varchar",
}
DATED = {"flights": "flight_date", "weather": "weather_date"}
# weather_delay reads the mart of flights
MARTS = ("flights", "airline_daily", "route_daily", "weather_delay", "plane_use", "airport_monthly")
CHECK = "flights_exactly_once"


def read_csv(source: str, files: list[str]) -> str:
    """Return the call that reads deliveries of a source with its types, nothing guessed."""
    types = dict(column.split() for column in COLUMNS[source].split(", "))
    options = "auto_detect = false, header = true, delim = ',', nullstr = 'NA'"
    return f"read_csv({files}, columns = {types}, {options})"


def new_days(raw: Path, published: Path) -> dict[str, list[str]]:
    """Return the files of each dated source whose day is not in the published file."""
    files = {source: {path.stem: str(path) for path in (raw / source).glob("*.csv")} for source in DATED}
    if published.exists():
        with duckdb.connect(str(published), read_only=True) as con:
            for source, column in DATED.items():
                for (day,) in con.execute(f"select distinct {column}::varchar from raw.{source}").fetchall():
                    files[source].pop(day, None)
    return {source: sorted(by_day.values()) for source, by_day in files.items()}


def build(con: duckdb.DuckDBPyConnection, raw: Path, sql: Path, new: dict[str, list[str]]) -> None:
    """Load the new days and the lists, and make every table that analysts query."""
    con.execute("set TimeZone = 'UTC'")
    con.execute("create schema if not exists raw; create schema if not exists staging")
    con.execute("create schema if not exists marts")
    for source, column in DATED.items():
        con.execute(f"create table if not exists raw.{source} ({COLUMNS[source]}, {column} date)")
        if new[source]:
            day = f"parse_filename(filename, true)::date as {column}"
            con.execute(
                f"insert into raw.{source} by name select * exclude (filename), {day} "
                f"from {read_csv(source, new[source])[:-1]}, filename = true)"
            )
    for source in COLUMNS.keys() - DATED.keys():
        delivered = read_csv(source, [str(raw / f"{source}.csv")])
        con.execute(f"create or replace table raw.{source} as from {delivered}")
    for source in COLUMNS:
        select = (sql / "staging" / f"{source}.sql").read_text(encoding="utf-8")
        con.execute(f"create or replace view staging.{source} as\n{select}")
    for mart in MARTS:
        select = (sql / "marts" / f"{mart}.sql").read_text(encoding="utf-8")
        con.execute(f"create or replace table marts.{mart} as\n{select}")


def main(raw: Path, sql: Path, published: Path) -> None:
    """Bring the published file up to date; readers see the old one or the new one."""
    new = new_days(raw, published)
    if not any(new.values()):
        return
    candidate = published.with_suffix(".candidate")
    candidate.unlink(missing_ok=True)
    if published.exists():
        shutil.copyfile(published, candidate)
    with duckdb.connect(str(candidate)) as con:
        con.execute("begin")
        build(con, raw, sql, new)
        con.execute("commit")
        if days := con.execute((sql / "audits" / f"{CHECK}.sql").read_text(encoding="utf-8")).fetchall():
            sys.exit(f"flights lost or doubled on {len(days)} days, such as {days[0][0]}")
    os.replace(candidate, published)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
