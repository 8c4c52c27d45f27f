"""A chain of three projects that tell each other by events, some of which are lost on the way; runs are killed.

A mill has files; a bakery reads what the mill publishes, and has files too; a shop reads two tables of the bakery.
A run of one is started by the event of another, as a watch does, and by nothing else. One that was killed is begun
again, as a scheduler does.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from etl.project import Project, load_project
from etl.project.channels import EVENTS, EVENTS_SECRET
from etl.project.signatures import SIGNATURE, TIMESTAMP, keys_of, signature
from tests.support import tiny, warm

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FIRST = date(2024, 3, 1)
ROOT = Path(__file__).parents[2]
_HEAD = "import pandera.pandas as pa\nfrom etl import Project, Source\n"
_FLOUR = """
class Flour(pa.DataFrameModel):
    kind: str
    sacks: int

flour = Source(contract=Flour, {})
"""
_ORDERS = """
class Orders(pa.DataFrameModel):
    kind: str
    loaves: int

orders = Source(contract=Orders, files="orders/{date}.csv")
"""
_BREAD = """
class Bread(pa.DataFrameModel):
    kind: str
    loaves: int
    sacks: int

bread = Source(contract=Bread, fetch=Project("../bakery", "marts.bread"))

class Days(pa.DataFrameModel):
    delivery_date: pa.Date
    loaves: int

days = Source(contract=Days, fetch=Project("../bakery", "marts.days"))
"""
_PROJECTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "mill": (
        _HEAD + _FLOUR.format('files="flour/{date}.csv"'),
        {"marts/flour.sql": "select kind, sum(sacks)::int as sacks from raw.flour group by kind"},
    ),
    "bakery": (
        _HEAD + _FLOUR.format('fetch=Project("../mill", "marts.flour")') + _ORDERS,
        {
            "marts/bread.sql": "select kind, sum(loaves)::int as loaves, any_value(sacks) as sacks "
            "from raw.orders join raw.flour using (kind) group by kind",
            "marts/days.sql": "-- materialized: incremental\n-- partition: delivery_date\n"
            "select delivery_date, sum(loaves)::int as loaves from raw.orders group by all",
        },
    ),
    "shop": (
        _HEAD + _BREAD,
        {
            "marts/shelf.sql": "select kind, loaves, sacks, (select sum(loaves) from raw.days)::int as all_loaves "
            "from raw.bread"
        },
    ),
}
_NEXT = {"mill": "bakery", "bakery": "shop"}
_KINDS = ("rye", "wheat", "spelt")


@dataclass
class Counted:
    """What happened on the way."""

    runs: int = 0
    kills: int = 0
    events: int = 0
    refused: int = 0
    unanswered: int = 0
    forged: int = 0


@dataclass
class Chain:
    """Three projects below a folder, and the receiver of their events; without `chance` nothing is disturbed."""

    folder: Path
    chance: random.Random | None = None
    counted: Counted = field(default_factory=Counted)
    woken: set[str] = field(default_factory=set)
    port: int = 0
    #: How long a run takes, about.
    seconds: float = 1.0

    def __post_init__(self) -> None:
        for name, (contracts, sql) in _PROJECTS.items():
            settings = "threads = 1\nevents = yes\nkeep_generations = 2\n"
            tiny.project(self.folder / name, contracts, sql, {}, settings)

    def project(self, name: str) -> Project:
        """Return one of the three."""
        return load_project(self.folder / name)

    def night(self, number: int, texts: random.Random) -> None:
        """Deliver what is new of a night, run the first two, and whatever is woken."""
        day = self.deliver(number, texts)
        for name in ("mill", "bakery"):
            self.run(name, day)
        self.follow(day)

    def deliver(self, number: int, texts: random.Random) -> date:
        """Deliver what is new of a night; return its date."""
        day = FIRST + timedelta(number)
        for name, source, column in (("mill", "flour", "sacks"), ("bakery", "orders", "loaves")):
            # a sender corrects an earlier day now and then
            for each in {day, FIRST + timedelta(texts.randint(0, number))}:
                rows = "".join(f"{kind},{texts.randint(1, 99)}\n" for kind in _KINDS)
                place = self.project(name).raw / source / f"{each}.csv"
                place.parent.mkdir(parents=True, exist_ok=True)
                part = place.with_suffix(".part")
                part.write_text(f"kind,{column}\n{rows}")
                part.rename(place)
        return day

    def follow(self, day: date) -> None:
        """Run what was woken, until nobody is any more."""
        while self.woken:
            self.run(self.woken.pop(), day)

    def settle(self, day: date) -> None:
        """Send what waits, with nobody disturbing, until nothing does: no project is run that was not woken."""
        self.chance = None
        for name in _NEXT:
            process = self._start(name, "events", "--send")
            said, _ = process.communicate()
            assert process.returncode == 0, said
            self.follow(day)

    def run(self, name: str, day: date) -> None:
        """Run a project, and again if it was killed."""
        while True:
            self.counted.runs += 1
            started = time.monotonic()
            process = self._start(name, "run", "--date", str(day))
            if self.chance and self.chance.random() < 0.4:
                time.sleep(self.chance.uniform(0, 1.2 * self.seconds))
                if process.poll() is None:
                    self.counted.kills += 1
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
                    continue
            said, _ = process.communicate()
            if process.returncode == 10:
                # children of a killed parent end within a fraction of a second
                continue
            assert process.returncode == 0, f"{name} {day}: {process.returncode}\n{said}"
            self.seconds = 0.8 * self.seconds + 0.2 * (time.monotonic() - started)
            return

    def content(self, name: str = "shop") -> dict[str, list[tuple[Any, ...]]]:
        """Return what the tables of a project hold, without what differs from run to run."""
        project = self.project(name)
        tables = sorted(f"{path.parent.name}.{path.stem}" for path in project.sql.rglob("*.sql"))
        return {table: tiny.published(project, f"from {table} order by all") for table in tables}

    def _start(self, name: str, *arguments: str) -> warm.Process:
        return warm.start(["-m", "etl", *arguments], self.folder / name, self.environment(name))

    def environment(self, name: str) -> dict[str, str]:
        """Return the variables that a project's commands have: to whom it posts its events."""
        environment = {key: text for key, text in os.environ.items() if not key.startswith("ETL_")}
        environment |= {"PYTHONPATH": str(ROOT), EVENTS_SECRET: SECRET}
        if name in _NEXT:
            environment[EVENTS] = f"http://127.0.0.1:{self.port}/{_NEXT[name]}"
        return environment


@contextmanager
def chain(folder: Path, chance: random.Random | None = None) -> Iterator[Chain]:
    """Make a chain, and receive its events for as long as it is used."""
    found = Chain(folder, chance)
    (key,) = keys_of(SECRET, EVENTS_SECRET)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name, at = json.loads(body)["id"], int(self.headers[TIMESTAMP])
            if signature(key, name, at, body) not in self.headers[SIGNATURE].split():
                found.counted.forged += 1
            luck = found.chance.random() if found.chance else 1.0
            if luck < 0.3:
                found.counted.refused += 1
                return self.send_error(503)
            found.counted.events += 1
            found.woken.add(self.path.strip("/"))
            if luck < 0.4:
                # it was taken, and nobody hears of that
                found.counted.unanswered += 1
                return self.connection.close()
            self.send_response(204)
            self.end_headers()
            return None

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def log_error(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
