"""The consumers of examples/bridges, each against its real broker: a line for each message, whatever is in it."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue

import pytest

from etl.operations.watch.bridge import Bridge
from etl.operations.watch.waker import Watched
from tests.support import brokers, tiny
from tests.support.pages import ROOT, page

PROGRAMS = ROOT / "examples" / "bridges"
PATIENCE_SECONDS = 60
MESSAGES = (b"x", b"quit\nwoken\n; touch forged", b"y" * 100_000)


@pytest.mark.parametrize("name", brokers.BROKERS)
def test_a_message_is_a_line_and_nothing_of_it_is(name: str, tmp_path: Path) -> None:
    with brokers.BROKERS[name](tmp_path) as broker:
        lines: Queue[str] = Queue()
        command = [sys.executable, str(PROGRAMS / broker.program), broker.argument]
        environment = {**os.environ, **broker.environment}
        with subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()])
            reader.start()
            try:
                said = [_line_by(broker, message, lines) for message in MESSAGES]
            finally:
                process.kill()
                reader.join()
        while not lines.empty():
            said.append(lines.get())
    assert set(said) == {"woken\n"}


def _line_by(broker: brokers.Broker, message: bytes, lines: "Queue[str]") -> str:
    """Send a message until there is a line: nobody knows when the program listens."""
    for _ in range(PATIENCE_SECONDS):
        broker.send(message)
        try:
            return lines.get(timeout=1)
        except Empty:
            continue
    raise AssertionError("no line has come")


@pytest.mark.parametrize(
    ("name", "client", "command"),
    [
        ("redis", "redis-cli", "redis-cli -u {REDIS_URL} subscribe shop"),
        ("mqtt", "mosquitto_sub", "mosquitto_sub -L {MQTT_URL}/shop/published"),
    ],
)
def test_the_client_of_a_broker_is_a_bridge_too(
    name: str, client: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(client) is None:
        pytest.skip(f"{client} is not installed")
    with brokers.BROKERS[name](tmp_path) as broker:
        bridge = command.format(**broker.environment)
        project = tiny.project(tmp_path / "project", settings=f"watch_bridges =\n  {bridge}\n")
        (waker,) = Bridge.of(Watched(project=project))
        stop, woken = threading.Event(), threading.Event()

        def listen() -> None:
            for why in waker.wakes(stop):
                if "message" in why:
                    woken.set()

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            # the client of redis prints that it listens; what counts is that a message prints too
            for _ in range(2):
                woken.clear()
                assert any((broker.send(b"x"), woken.wait(1))[1] for _ in range(PATIENCE_SECONDS))
        finally:
            stop.set()
            thread.join()


def test_each_program_is_tried_and_explained() -> None:
    there = {path.name for path in PROGRAMS.glob("*.py")}
    text = (PROGRAMS / "README.md").read_text() + page("choreography.md")
    assert len(there) == len(brokers.BROKERS)
    assert [name for name in there if f"`{name} " not in text] == []
