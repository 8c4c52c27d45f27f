"""A real API on this machine: it gives orders in pages of every kind, and refuses, hangs, breaks off and lies."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "canary-token-7f3a9c"
#: The pages hold so many orders.
SIZE = 2


@dataclass
class Api:
    """What the API holds and was asked; `faults` are answers that it gives first, instead of the right one."""

    port: int = 0
    orders: list[dict[str, Any]] = field(default_factory=list)
    file: bytes = b""
    etag: bool = True
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    #: A status with its headers, `cut` for an answer that breaks off, bytes for an answer of them, or `hang`.
    faults: list[Any] = field(default_factory=list)
    #: What is done before a page is given, with the number of requests so far.
    between: Any = None
    tokens: int = 0
    #: The address of the next page, if it is not the right one.
    next: str = ""
    #: What is given behind the last numbered page: 404, the last page again, or a page without records.
    behind: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: Api

    def do_GET(self) -> None:
        with suppress(OSError):
            self._answer()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        with suppress(OSError):
            self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        api, parts = self.api, urlsplit(self.path)
        api.asked.append((self.path, dict(self.headers)))
        if api.faults:
            fault = api.faults.pop(0)
            if fault == "hang":
                threading.Event().wait(20)
                return
            if isinstance(fault, bytes):
                return self._send(200, fault, {})
            if fault != "cut":
                status, headers = fault
                return self._send(status, b'{"error": "not now"}', headers)
            self.cut = True
        if parts.path == "/token":
            api.tokens += 1
            return self._json({"access_token": f"{TOKEN}-{api.tokens}", "expires_in": 3600})
        if parts.path.startswith("/files/"):
            return self._file()
        if api.between:
            api.between(api, len(api.asked))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        orders = [one for one in api.orders if one["updated_at"] >= query.get("since", "")]
        getattr(self, f"_{parts.path.strip('/')}")(orders, query)

    def _one(self, orders: Sequence[Any], query: Mapping[str, str]) -> None:
        self._json({"data": {"items": orders}})

    def _links(self, orders: Sequence[Any], query: Mapping[str, str]) -> None:
        at = int(query.get("at", 0))
        since = f"&since={query['since']}" if "since" in query else ""
        own = f"/links?at={at + SIZE}{since}" if at + SIZE < len(orders) else None
        more = self.api.next or own
        self._json({"items": orders[at : at + SIZE], "next": more, "total": len(orders)})

    def _header(self, orders: Sequence[Any], query: Mapping[str, str]) -> None:
        at = int(query.get("at", 0))
        link = {"Link": f'<{self.api.url}/header?at={at + SIZE}>; rel="next"'} if at + SIZE < len(orders) else {}
        self._json(orders[at : at + SIZE], link)

    def _cursor(self, orders: Sequence[Any], query: Mapping[str, str]) -> None:
        at = int(query.get("cursor", 0))
        following = str(at + SIZE) if at + SIZE < len(orders) else ""
        self._json({"items": orders[at : at + SIZE], "meta": {"next": following}}, {"X-Next-Cursor": following})

    def _offset(self, orders: Sequence[Any], query: Mapping[str, str]) -> None:
        at = int(query["offset"])
        self._json(orders[at : at + min(int(query["limit"]), 2 * SIZE)])

    def _page(self, orders: Sequence[Any], query: Mapping[str, str]) -> None:
        at = (int(query["page"]) - 1) * SIZE
        if at >= len(orders) and self.api.behind == 404:
            return self._send(404, b"")
        at = max(len(orders) - SIZE, 0) if at >= len(orders) and self.api.behind == "last" else at
        self._json(orders[at : at + SIZE])

    def _range(self, orders: Sequence[Any], query: Mapping[str, str]) -> None:
        first, last = map(int, self.headers["Range"].partition("=")[2].split("-"))
        if first >= len(orders):
            return self._send(416, b"")
        self._json(orders[first : min(last, first + SIZE - 1) + 1], status=206)

    def _file(self) -> None:
        api, begin = self.api, 0
        tag = f'"{hashlib.sha256(api.file).hexdigest()}"' if api.etag else ""
        headers = {"ETag": tag} if tag else {}
        headers["Last-Modified"] = formatdate(int.from_bytes(hashlib.sha256(api.file).digest()[:4]), usegmt=True)
        if tag and self.headers.get("If-None-Match") == tag:
            return self._send(304, b"", headers)
        if self.headers.get("Range") and self.headers.get("If-Range") == tag:
            begin = int(self.headers["Range"].partition("=")[2].rstrip("-"))
            headers["Content-Range"] = f"bytes {begin}-{len(api.file) - 1}/{len(api.file)}"
        self._send(206 if begin else 200, api.file[begin:], headers)

    def _json(self, answer: Any, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        self._send(status, json.dumps(answer, indent=1).encode(), headers or {})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        is_cut = getattr(self, "cut", False)
        self.cut = False
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if is_cut else body)
        self.close_connection = self.close_connection or is_cut


@contextmanager
def api() -> Iterator[Api]:
    """Serve an API until the block ends."""
    held = Api()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": held}))
    server.daemon_threads = True
    held.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()


def basic(user: str, password: str) -> str:
    """Return the header that shows a user and a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
