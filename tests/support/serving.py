"""A project that is served, and clients that ask: good ones, strangers, and slow ones."""

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from etl.operations.serve.limits import Limit, Limits
from etl.operations.serve.server import Serving
from etl.project import Project
from etl.run.active import active_run, finish_runs, new_run_id
from tests.support import tiny

TOKEN = "a-token-of-a-test-0123456789"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HTML = {"Accept": "text/html"}
RAW = {**tiny.SALES, "sales/2024-03-04.csv": "id,item\n8,book\nfour,<script>alert(1)</script>\n5,cap,extra\n"}


def two_nights(root: Path) -> None:
    """Make a project with two rejected records and two generations."""
    project = tiny.project(root, raw=RAW)
    for _ in range(2):
        run = active_run(project.identity, new_run_id(), is_whole=True)
        tiny.work(run)
        finish_runs()
        tiny.deliver(project, {"sales/2024-03-05.csv": "id,item\n9,ink\n"})


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def data(self) -> Any:
        """The JSON that it said."""
        return json.loads(self.text)


@dataclass
class Client:
    """One who asks a server, with headers of its own in each question."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, form: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        """Return the answer to one question; `_` stands for `-` in the names of headers."""
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        body = None if form is None else urlencode(form, doseq=True)
        if body is not None:
            given["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, given)
            found = connection.getresponse()
            text = found.read().decode()
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, text)
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Return the answer to a question that changes nothing."""
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, form: Mapping[str, Any], **headers: str) -> Answer:
        """Return the answer to a form."""
        return self.ask("POST", path, form, **headers)

    def log_in(self) -> "Client":
        """Return a client with the session of a browser that has shown the token."""
        found = self.post("/login", {"token": TOKEN})
        assert found.status == 303, found
        return Client(self.port, {"Cookie": found.headers["set-cookie"].partition(";")[0], **HTML})

    def form_key(self) -> str:
        """Return what the forms of this session must say."""
        found = re.search('name="key" value="([0-9a-f]+)"', self.get("/runs").text)
        assert found
        return found[1]


def unlimited() -> Limits:
    """Return limits that nobody reaches."""
    return Limits(*(Limit(1e9, 1e9) for _ in range(3)))


@contextmanager
def served(project: Project, **options: Any) -> Iterator[Client]:
    """Serve a project meanwhile, on a free port; yield a stranger to it."""
    serving = Serving(project, **{"token": TOKEN, **options})
    thread = threading.Thread(target=serving.run, daemon=True)
    thread.start()
    try:
        yield Client(serving.port)
    finally:
        serving.stop()
        thread.join(30)
        assert not thread.is_alive()


def send(port: int, data: bytes) -> bytes:
    """Return what a server says to bytes that no client would send; nothing if it hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as found:
        try:
            found.sendall(data)
            answer = b""
            while block := found.recv(65_536):
                answer += block
            return answer
        except (ConnectionResetError, BrokenPipeError):
            return b""


def files_of(project: Project) -> dict[str, tuple[int, int]]:
    """Return every file of a project's data, with what differs once somebody writes to it."""
    found = (path for path in project.data.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
    facts = {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}
    # SQLite makes a log and its index for whoever reads; they hold nothing
    return {path: fact for path, fact in facts.items() if not (path.endswith("-wal") and fact[0] == 0)}
