"""Real brokers for tests, each started by itself, and how to send to it; one that lacks is skipped."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.receivers import free_port

_PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Broker:
    """A broker; what its consumer is called with, and its environment; and how to send."""

    program: str
    argument: str
    environment: Mapping[str, str]
    send: Callable[[bytes], object]


@contextmanager
def redis(folder: Path) -> Iterator[Broker]:
    library = pytest.importorskip("redis")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _served(command, port, "redis-server"):
        address = f"redis://127.0.0.1:{port}"
        with library.Redis.from_url(address) as client:
            yield Broker(
                "from_redis.py", "shop", {"REDIS_URL": address}, lambda text: client.publish("shop", text)
            )


@contextmanager
def mqtt(folder: Path) -> Iterator[Broker]:
    pytest.importorskip("paho.mqtt.client")
    from paho.mqtt import publish

    port = free_port()
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with _served(["mosquitto", "-c", str(folder / "mosquitto.conf")], port, "mosquitto"):

        def send(text: bytes) -> None:
            publish.single("shop/published", text, qos=1, hostname="127.0.0.1", port=port)

        yield Broker("from_mqtt.py", "shop/published", {"MQTT_URL": f"mqtt://127.0.0.1:{port}"}, send)


@contextmanager
def nats(folder: Path) -> Iterator[Broker]:
    library = pytest.importorskip("nats")
    port = free_port()
    with _served(["nats-server", "--addr", "127.0.0.1", "--port", str(port)], port, "nats-server"):
        address = f"nats://127.0.0.1:{port}"

        async def sent(text: bytes) -> None:
            client = await library.connect(address)
            await client.publish("shop.published", text)
            await client.drain()

        yield Broker("from_nats.py", "shop.published", {"NATS_URL": address}, lambda text: asyncio.run(sent(text)))


@contextmanager
def rabbitmq(folder: Path) -> Iterator[Broker]:
    library = pytest.importorskip("pika")
    port, other = free_port(), free_port()
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    environment = {
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_DIST_PORT": str(other),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(free_port()),
    }
    with _served(["/usr/lib/rabbitmq/bin/rabbitmq-server"], port, "rabbitmq-server", environment):
        address = f"amqp://guest:guest@127.0.0.1:{port}/%2F"

        def send(text: bytes) -> None:
            with library.BlockingConnection(library.URLParameters(address)) as connection:
                channel = connection.channel()
                channel.queue_declare("shop", durable=True)
                channel.basic_publish("", "shop", text)

        yield Broker("from_rabbitmq.py", "shop", {"AMQP_URL": address}, send)
    # the registry of names of Erlang stays behind, in a session of its own
    subprocess.run(["epmd", "-kill"], env={**os.environ, **environment}, capture_output=True, check=False)


@contextmanager
def sqs(folder: Path) -> Iterator[Broker]:
    library = pytest.importorskip("boto3")
    server = pytest.importorskip(
        "moto.server", reason="moto is not installed: `make servers`", exc_type=ImportError
    )
    held = server.ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    held.start()
    environment = {
        "AWS_ENDPOINT_URL_SQS": "http://{}:{}".format(*held.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    client = library.client(
        "sqs",
        endpoint_url=environment["AWS_ENDPOINT_URL_SQS"],
        region_name="eu-central-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    try:
        queue = client.create_queue(QueueName=f"shop{os.urandom(4).hex()}")["QueueUrl"]

        def send(text: bytes) -> None:
            client.send_message(QueueUrl=queue, MessageBody=text.decode("ascii", "replace"))

        yield Broker("from_sqs.py", queue, environment, send)
    finally:
        client.close()
        held.stop()


BROKERS: Mapping[str, Callable[[Path], AbstractContextManager[Broker]]] = {
    "redis": redis,
    "mqtt": mqtt,
    "nats": nats,
    "rabbitmq": rabbitmq,
    "sqs": sqs,
}


@contextmanager
def _served(command: list[str], port: int, package: str, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a server until the block ends; skip if it is not installed."""
    where = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin:/usr/bin")
    if where is None:
        pytest.skip(f"{package} is not installed: apt-get install {package}")
    process = subprocess.Popen(
        [where, *command[1:]],
        env={**os.environ, **(more or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + _PATIENCE_SECONDS
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < end, f"{package} does not start"
            time.sleep(0.05)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
