"""The server: one port, limits on what a client may send and for how long, and an end within a second."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler

from etl.errors import ConfigError, cut, printable
from etl.operations.serve import handlers, routes
from etl.operations.serve.access import Access, check_token
from etl.operations.serve.changes import Changes
from etl.operations.serve.handler import UPLOAD_BYTES, Served
from etl.operations.serve.hooks import Hooks
from etl.operations.serve.limits import Limits
from etl.operations.serve.reading import Reading
from etl.project import Project

log = logging.getLogger("etl-serve")

_BODY_BYTES, _HEADER_BYTES, _BUFFER_BYTES = 64 * 1024, 16 * 1024, 256 * 1024
_IDLE_SECONDS, _BODY_SECONDS, _END_SECONDS = 15, 10, 0.3
#: Below what a process may usually have open.
_MOST_CONNECTIONS = 500
_HANDLERS = {
    "page": handlers.Page,
    routes.REPORT: handlers.Report,
    routes.REPORT_DATA: handlers.Report,
    routes.EVENTS: handlers.Events,
    routes.LOGIN: handlers.Login,
    routes.LOGOUT: handlers.Logout,
    routes.CHANGE: handlers.ChangePage,
    routes.UPLOAD: handlers.Delivery,
}


class _Server(HTTPServer):
    """A server with so many connections at the most."""

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        if len(self._connections) >= _MOST_CONNECTIONS:
            return stream.close()
        super().handle_stream(stream, address)


class Serving:
    """The pages of a project on one port, from when they are listened for until `stop()`."""

    def __init__(
        self,
        project: Project,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
        names: Iterable[str] = (),
        is_read_only: bool = False,
        limits: Limits | None = None,
        hooks: Hooks | None = None,
        upload_bytes: int = UPLOAD_BYTES,
    ) -> None:
        """Listen, and answer nobody before `run()`; port 0 is a free one. Raises ConfigError if that cannot be."""
        check_token(token, host)
        self.project, self.host = project, host
        try:
            self._socket = _listening(host, port)
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"{host}:{port} cannot be listened on: {said}. Name another one with --port."
            ) from None
        self.port = int(self._socket.getsockname()[1])
        self._limits, self._hooks, self._upload_bytes = limits or Limits(), hooks or Hooks(), upload_bytes
        self.access = Access(token, is_read_only=is_read_only, names=(*names, host))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._is_stopped = False

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def run(self, *, with_signals: bool = False) -> None:
        """Answer until stop(); `with_signals` until SIGTERM or SIGINT too."""
        asyncio.run(self._run(with_signals))

    def stop(self) -> None:
        """End it, from any thread."""
        self._is_stopped = True
        if self._loop and self._stopped:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopped.set)

    async def _run(self, with_signals: bool) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        if with_signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._stopped.set)
        reading = Reading(self.project)
        changes = Changes(self.project)
        cookie = f"etl_{self.port}"
        served = Served(self.project, self.access, reading, changes, cookie=cookie, limits=self._limits)
        served.hooks, served.upload_bytes = self._hooks, self._upload_bytes
        server = _Server(
            application(served),
            max_header_size=_HEADER_BYTES,
            max_body_size=_BODY_BYTES,
            max_buffer_size=_BUFFER_BYTES,
            idle_connection_timeout=_IDLE_SECONDS,
            body_timeout=_BODY_SECONDS,
        )
        server.add_socket(self._socket)
        try:
            if not self._is_stopped:
                await self._stopped.wait()
        finally:
            server.stop()
            reading.stop()
            changes.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(server.close_all_connections(), _END_SECONDS)


def _listening(host: str, port: int) -> socket.socket:
    family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    found = socket.create_server(where[:2], family=family, backlog=128)
    found.setblocking(False)
    return found


def application(served: Served) -> Application:
    """Return what answers at every address of ROUTES, and says the same at all others."""
    found: list[Any] = [
        (route.pattern, _HANDLERS[route.kind], {"served": served, "route": route}) for route in routes.ROUTES
    ]
    return Application(
        found,
        default_handler_class=handlers.Missing,
        default_handler_args={"served": served},
        log_function=_note,
        compress_response=False,
    )


def _note(handler: RequestHandler) -> None:
    """Write a line of the access log: no header, no form, and nothing behind the address is in it."""
    request = handler.request
    shown = getattr(handler, "shown", "") or "-"
    path = cut(printable(request.path or ""), 200)
    milliseconds = round(request.request_time() * 1000)
    log.info(
        "%s %s %s %s %d %d ms", request.remote_ip, shown, request.method, path, handler.get_status(), milliseconds
    )


class _Line(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time as the other logs write it."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def write_log() -> Callable[[], None]:
    """Write the access log to stderr; return what ends that."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Line("%(asctime)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    # what a stranger sends is nobody's to read
    for name in ("tornado.general", "tornado.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return lambda: log.removeHandler(handler)
