"""Small projects in a folder of their own, run as cron would run them: a process, an exit code, its output."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support import copies, warm

REPOSITORY = Path(__file__).parents[2]
DATE = "2018-05-27"
SNAPSHOTS = {
    "airlines.csv": "carrier,name\nUA,United Air Lines Inc.\nAA,American Airlines Inc.\nB6,JetBlue Airways\n",
    "airports.csv": (
        "faa,name,lat,lon,alt,tz,dst,tzone\n"
        "EWR,Newark Liberty Intl,40.6925,-74.168667,18,-5,A,America/New_York\n"
        "IAH,George Bush Intercontinental,29.984433,-95.341442,97,-6,A,America/Chicago\n"
        "MIA,Miami Intl,25.79325,-80.290556,8,-5,A,America/New_York\n"
    ),
    "planes.csv": (
        "tailnum,year,type,manufacturer,model,engines,seats,speed,engine\n"
        "N14228,1999,Fixed wing multi engine,BOEING,737-824,2,149,NA,Turbo-fan\n"
        "N24211,1998,Fixed wing multi engine,BOEING,737-824,2,149,NA,Turbo-fan\n"
    ),
}
FLIGHTS_HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    "origin,dest,air_time,distance,hour,minute,time_hour\n"
)
WEATHER_HEADER = (
    "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n"
)


def flights_of(day: int, first_number: int = 100) -> str:
    """Return a day of January 2013 with thirty flights, the first of them cancelled."""
    lines = [
        f"2013,1,{day},NA,900,NA,NA,1200,NA,UA,{first_number},NA,EWR,SJU,NA,1608,9,0,2013-01-0{day}T14:00:00Z"
    ]
    for n in range(1, 30):
        carrier, origin = ("UA", "AA", "B6")[n % 3], ("EWR", "JFK", "LGA")[n % 3]
        hour, delay = 6 + n % 12, (n * 7 + day) % 50
        lines.append(
            f"2013,1,{day},{hour}{delay:02},{hour}00,{delay},{hour + 3}{delay:02},{hour + 3}00,{delay},{carrier},"
            f"{first_number + n},{('N14228', 'N24211', 'N99999')[n % 3]},{origin},{('IAH', 'MIA')[n % 2]},"
            f"{150 + n},{1000 + n},{hour},0,2013-01-0{day}T{hour + 5:02}:00:00Z"
        )
    return FLIGHTS_HEADER + "".join(f"{line}\n" for line in lines)


def weather_of(day: int) -> str:
    """Return twelve hours of weather at each of the three airports."""
    return WEATHER_HEADER + "".join(
        f"{origin},2013,1,{day},{hour},{30.1 + hour},26.06,59.37,270,{hour * 1.15078},NA,0.0{hour % 3},1012.3,10,"
        f"2013-01-0{day}T{hour + 5:02}:00:00Z\n"
        for origin in ("EWR", "JFK", "LGA")
        for hour in range(6, 18)
    )


@dataclass
class Night:
    """What a run left behind, as cron sees it; `output` is both streams."""

    exit_code: int
    output: str
    seconds: float

    def __str__(self) -> str:
        return f"exit {self.exit_code} after {self.seconds:.1f} s:\n{self.output}"


@dataclass
class Project:
    """A folder with a luigi.cfg, contracts, SQL and deliveries."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    #: Where the data is, if not in data/.
    folder: Path | None = None

    @property
    def data(self) -> Path:
        return self.folder or self.root / "data"

    @property
    def raw(self) -> Path:
        return self.data / "raw"

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse.duckdb"

    @property
    def generation(self) -> str:
        """The name of what analysts see, or nothing."""
        return self.warehouse.resolve().parent.name if self.warehouse.is_symlink() else ""

    def deliver(self, file: str, text: str) -> None:
        """Drop a raw file as a careful sender does."""
        path = self.raw / file
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(text)
        part.replace(path)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text in one of the project's own files."""
        path = self.root / file
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))

    def forget(self, *names: str) -> None:
        """Delete what matches, below data/."""
        for name in names:
            for path in self.data.glob(name):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def run(self, task: str, *arguments: str, cwd: Path | None = None, is_cold: bool = False, **env: str) -> Night:
        """Run a Luigi task of the package in a process of its own, from the project's folder by default.

        What `is_cold` is all that cron would start; others have their modules in memory.
        """
        started = time.monotonic()
        command = ["-m", "luigi", "--module", "etl", task, *arguments]
        if is_cold:
            done = subprocess.run(
                [sys.executable, *command],
                cwd=cwd or self.root, env=environment(**self.env, **env),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=warm.PATIENCE,
            )  # fmt: skip
        else:
            done = warm.run(command, cwd or self.root, environment(**self.env, **env))
        return Night(done.returncode, done.stdout, time.monotonic() - started)

    def nightly(self, *arguments: str, date: str = DATE, **options: Any) -> Night:
        """Run `Nightly` for a batch date."""
        return self.run("Nightly", "--date", date, *arguments, **options)

    def published(self, *arguments: str, **options: Any) -> Night:
        """Run `Nightly`, which must succeed."""
        night = self.nightly(*arguments, **options)
        assert night.exit_code == 0, str(night)
        return night

    def start(self, task: str, *arguments: str) -> warm.Process:
        """Start a task as the leader of a process group, and do not wait."""
        return warm.start(["-m", "luigi", "--module", "etl", task, *arguments], self.root, environment(**self.env))

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the published warehouse, as an analyst does."""
        return self.answers([query])[0]

    def answers(self, queries: Iterable[str]) -> list[list[tuple[Any, ...]]]:
        """Ask the published warehouse several things at once."""
        with duckdb.connect(str(self.warehouse.resolve()), read_only=True) as con:
            # through Arrow, since DuckDB makes Python values of a timestamptz only with pytz
            tables = [con.sql(query).to_arrow_table() for query in queries]
        return [list(zip(*(column.to_pylist() for column in table.columns), strict=True)) for table in tables]

    def ledger(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the ledger."""
        with closing(sqlite3.connect(self.data / "ledger.sqlite")) as con:
            return con.execute(query).fetchall()

    def content(self) -> dict[str, list[str]]:
        """Return what is published: per table, order-free, floats to 9 digits, without `_` columns."""
        tables = self.sql(
            "select table_schema || '.' || table_name, list(column_name order by ordinal_position) "
            "from information_schema.columns where table_schema in ('raw', 'staging', 'marts') "
            "and column_name[1] <> '_' group by all"
        )
        tables.append(
            ("etl.rejects", ["source", "date", "file", "line", "rule", "column_name", "message", "text"])
        )
        selects = [(table, ", ".join(f'"{name}"' for name in columns)) for table, columns in tables]
        found = self.answers(f"select {names} from {table}" for table, names in selects)
        return {
            table: sorted(str([_plain(value) for value in row]) for row in rows)
            for (table, _), rows in zip(selects, found, strict=True)
        }

    def receipts(self, step: str) -> dict[str, str]:
        """Return when each receipt of a step was written, by name and partition."""
        rows = self.ledger(f"select name, partition, finished_at from receipts where step = '{step}'")
        return {f"{name} {partition}".strip(): finished for name, partition, finished in rows}

    def leftovers(self) -> list[str]:
        """Return half-written files and files of writers that are gone."""
        found = [path for path in (self.data / ".scratch").rglob("*") if path.is_file() or path.is_symlink()]
        found += [*self.data.glob("warehouse/generations/.new*"), *self.data.glob("warehouse/*.wal")]
        return sorted(str(path.relative_to(self.data)) for path in found)


def _plain(value: object) -> object:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def environment(**more: str) -> dict[str, str]:
    """Return an environment as bare as cron's, with the package on the path."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **more}


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float = warm.PATIENCE) -> Any:
    """Return the condition's value as soon as it is true; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return value


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        # it has ended since it was asked for
        return []


def is_alive(pid: int) -> bool:
    """Return whether a process is there and is no zombie."""
    return _stat(pid)[:1] not in ([], ["Z"])


def cpu_seconds(pid: int) -> float:
    """Return the CPU that a process has used, without its children; 0 if it is gone."""
    return sum(map(int, _stat(pid)[11:13])) / os.sysconf("SC_CLK_TCK")


def wait_until_busy(pids: Callable[[], list[int]], seconds: float = 0.5) -> None:
    """Return when one of the processes has used so much CPU from now on: it is in a model that never ends."""
    before: dict[int, float] = {}
    wait_for(lambda: any(cpu_seconds(pid) - before.setdefault(pid, cpu_seconds(pid)) > seconds for pid in pids()))


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill(process: warm.Process) -> None:
    """End a process and all that it started, at once, as the machine's end would."""
    # it may have ended before its random moment came
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Return a ledger that knows nothing but the compiled contracts and models, which saves 1.5 s a project."""
    ledgers: dict[bool, Path] = {}

    def ledger(flights: bool) -> Path:
        if flights not in ledgers:
            project = make(tmp_path_factory.mktemp("compiled"), flights)
            project.forget("raw/*")
            project.published()
            ledgers[flights] = project.data / "ledger.sqlite"
            with closing(sqlite3.connect(ledgers[flights], isolation_level=None)) as con:
                query = "select name from sqlite_master where type = 'table' and name <> 'cache'"
                for (table,) in con.execute(query).fetchall():
                    con.execute(f"delete from {table}")
                con.execute("pragma journal_mode = delete")
        return ledgers[flights]

    return ledger


def make(root: Path, flights: bool = False) -> Project:
    """Write the default project's orders, with `flights` also its flights, and their deliveries."""
    kinds = ["orders"] + ["flights", "flight_marts"] * flights
    (root / "contracts").mkdir(parents=True)
    for kind in kinds:
        shutil.copy(REPOSITORY / "contracts" / f"{kind}.py", root / "contracts")
    for path in (REPOSITORY / "sql").glob("*/*.sql"):
        about_orders = path.stem.startswith(("orders", "items", "sites"))
        if flights or about_orders:
            (root / "sql" / path.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / "sql" / path.parent.name)
    (root / "luigi.cfg").write_text("[etl]\nkeep_generations = 3\nthreads = 1\n")
    project = Project(root)
    raw = REPOSITORY / "data" / "raw"
    for path in [*raw.glob("orders/*.psv"), raw / "items.csv", raw / "sites.csv"]:
        project.deliver(path.relative_to(raw).as_posix(), path.read_text())
    if flights:
        for name, text in SNAPSHOTS.items():
            project.deliver(name, text)
        for day in (1, 2, 3):
            project.deliver(f"flights/2013-01-0{day}.csv", flights_of(day))
            project.deliver(f"weather/2013-01-0{day}.csv", weather_of(day))
    return project


@pytest.fixture
def make_project(tmp_path: Path, compiled: Callable[[bool], Path]) -> Callable[..., Project]:
    """Return a function that makes a project which has never run."""

    def new(name: str = "project", flights: bool = False) -> Project:
        project = make(tmp_path / name, flights)
        shutil.copy(compiled(flights), project.data / "ledger.sqlite")
        return project

    return new


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    """The orders, never run."""
    return make_project()


@pytest.fixture
def flights_project(make_project: Callable[..., Project]) -> Project:
    """Orders and flights, never run."""
    return make_project(flights=True)


@pytest.fixture
def shop(tmp_path: Path, undisturbed: "Undisturbed") -> Project:
    """The orders, after a first night."""
    return copied(undisturbed.project(flights=False), tmp_path / "shop")


@pytest.fixture
def airport(tmp_path: Path, undisturbed: "Undisturbed") -> Project:
    """Orders and flights, after a first night."""
    return copied(undisturbed.project(flights=True), tmp_path / "airport")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, compiled: Callable[[bool], Path]) -> "Undisturbed":
    """What every disturbed project must come to."""
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), compiled)


class Undisturbed:
    """Projects after a first night, made when they are first asked for."""

    def __init__(self, root: Path, compiled: Callable[[bool], Path]) -> None:
        self.root, self.compiled = root, compiled
        self.nights: dict[bool, tuple[Project, Night]] = {}

    def project(self, flights: bool) -> Project:
        """Return a project to copy, not to work with."""
        if flights not in self.nights:
            project = make(self.root / ("flights" if flights else "orders"), flights)
            shutil.copy(self.compiled(flights), project.data / "ledger.sqlite")
            self.nights[flights] = project, project.published()
        return self.nights[flights][0]

    @cached_property
    def orders(self) -> dict[str, list[str]]:
        return self.project(flights=False).content()

    @cached_property
    def flights(self) -> dict[str, list[str]]:
        return self.project(flights=True).content()

    def seconds(self, flights: bool) -> float:
        """Return how long such a first night takes."""
        self.project(flights)
        return self.nights[flights][1].seconds


def copied(project: Project, root: Path) -> Project:
    """Return a project as another one is."""
    copies.copy(project.root, root)
    return Project(root)


@pytest.fixture
def tools() -> Any:
    """The functions above."""
    return sys.modules[__name__]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator["Scheduler"]:
    """A central luigid of this test alone."""
    server = Scheduler(free_port(), tmp_path / "luigid.pickle")
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Scheduler:
    """A luigid process on a loopback port."""

    def __init__(self, port: int, state: Path) -> None:
        self.port, self.state = port, state
        self.arguments = ["--scheduler-host", "127.0.0.1", "--scheduler-port", str(port)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = ["--address", "127.0.0.1", "--port", str(self.port), "--state-path", str(self.state)]
        # what has to wait for a worker that is dead hangs
        config = self.state.with_name("luigid.cfg")
        config.write_text(f"[scheduler]\nworker_disconnect_delay = {10 * warm.PATIENCE}\n")
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from luigi.cmdline import luigid; luigid()", *options],
            cwd=self.state.parent,
            env=environment(LUIGI_CONFIG_PATH=str(config)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self.answers)

    def answers(self) -> bool:
        """Return whether anyone listens on the port."""
        with closing(socket.socket()) as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End it at once."""
        if self.process:
            self.process.kill()
            self.process.wait()


def modules_after(code: str, cwd: Path) -> set[str]:
    """Return the names of the modules that are loaded when `code` is done, in a process of its own."""
    script = (
        "import json, sys\n"
        f"try:\n    exec({code!r})\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))
