"""Servers on this machine that are told of nights: some take what they get, some refuse it, hang, or break."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What a server got: the paths, and what the bodies held; and the headers of each request."""

    port: int
    got: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def http(status: int = 200, hangs: float = 0.0, location: str = "") -> Iterator[Receiver]:
    """Serve HTTP: answer everything with a status, after so many seconds; `location` is where else to ask."""
    receiver = Receiver(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.headers.append(dict(self.headers))
            if self.headers.get("Content-Type") == "application/x-protobuf":
                receiver.got.append((self.path, body))
            else:
                receiver.got.append((self.path, json.loads(body) if body[:1] == b"{" else body.decode()))
            time.sleep(hangs)
            with suppress(OSError):
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def smtp() -> Iterator[Receiver]:
    """Serve SMTP, and keep the texts of messages."""
    from aiosmtpd.controller import Controller

    receiver = Receiver(free_port())

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            receiver.got.append((envelope.rcpt_tos[0], envelope.content.decode()))
            return "250 taken"

    controller = Controller(Handler(), hostname="127.0.0.1", port=receiver.port)
    controller.start()
    try:
        yield receiver
    finally:
        controller.stop()


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
