"""Containers of Azure Blob Storage: Azurite, started once for a run of the tests; each test has its own container.

A relay before it notes what is asked, and can be away.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shutil
import socket
import socketserver
import threading
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from tests.support import servers

ACCOUNT, KEY = "lynx", base64.b64encode(b"a key that no test may find").decode()
#: Where `make servers` has npm put it, beside the PATH.
_BESIDE = Path(__file__).parents[2] / ".venv/azurite/node_modules/.bin"


class Azure:
    """A container in a server that speaks what Azure does."""

    def __init__(self, server: int) -> None:
        self.asked: list[str] = []
        self.name = f"shop-{uuid.uuid4().hex[:12]}"
        self._server = server
        self.port = 0
        self.come_back()
        self._ask(f"{self.name}?restype=container")

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that it is asked with."""
        return {"IN_ACCOUNT": ACCOUNT, "IN_KEY": KEY}

    @property
    def for_writers(self) -> Mapping[str, str]:
        """The variables of who asks with what the machine has of its own."""
        own = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY}
        return {**own, "AZURE_STORAGE_ENDPOINT": self.endpoint}

    def declared(self, options: str = "", folder: str = "in/") -> str:
        """Return what a contract file writes after `fetch=`, with more options."""
        said = f"'az://{self.name}/{folder}', user='IN_ACCOUNT', secret='IN_KEY', endpoint='{self.endpoint}'"
        return f"Bucket({said}, answer_within='5 seconds', {options})"

    def put(self, key: str, content: bytes) -> None:
        """Write an object, as somebody else does."""
        self._ask(f"{self.name}/{quote(key)}", content)

    def go_away(self) -> None:
        """Answer nobody."""
        self._relay.shutdown()
        self._relay.server_close()
        self._relay.hang_up()

    def come_back(self) -> None:
        """Answer again, where it did before, with what it had."""
        self._relay = _Relay(self.port, self._server, self.asked)
        self.port = self._relay.server_address[1]

    def _ask(self, path: str, content: bytes = b"") -> None:
        """Put what is at a path of the account, signed by hand; a header says that it is a whole blob."""
        place, _, query = path.partition("?")
        own = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
        own |= {} if query else {"x-ms-blob-type": "BlockBlob"}
        said = "".join(f"{name}:{value}\n" for name, value in sorted(own.items()))
        said += f"/{ACCOUNT}/{ACCOUNT}/{place}" + (f"\n{query.replace('=', ':')}" if query else "")
        text = f"PUT\n\n\n{len(content) or ''}" + "\n" * 9 + said
        signed = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        own["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
        url = f"http://127.0.0.1:{self._server}/{ACCOUNT}/{path}"
        request = urllib.request.Request(url, content, {**own, "Content-Type": ""}, method="PUT")
        urllib.request.urlopen(request, timeout=30).close()


class _Relay(socketserver.ThreadingTCPServer):
    """Passes on what comes at a port to another one, and notes what is asked."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, server: int, asked: list[str]) -> None:
        self.server, self.asked = server, asked
        self._open: list[socket.socket] = []
        super().__init__(("127.0.0.1", port), socketserver.BaseRequestHandler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Pass on both ways until one side hangs up."""
        with socket.create_connection(("127.0.0.1", self.server)) as further:
            self._open += [request, further]
            back = threading.Thread(target=_passed, args=(further, request, []), daemon=True)
            back.start()
            _passed(request, further, self.asked)
            back.join()

    def hang_up(self) -> None:
        """End what is open."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _passed(source: socket.socket, target: socket.socket, asked: list[str]) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if found := re.match(rb"([A-Z]+ [^ ]+) HTTP/1.1\r\n", data):
                asked.append(unquote(found[1].decode()))
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def azurite(base: Path) -> int | None:
    """Return the port of the run's Azurite; None if it is not installed."""
    program = shutil.which("azurite-blob") or shutil.which("azurite-blob", path=str(_BESIDE))
    if not program:
        return None

    def start(folder: Path, port: int) -> list[str]:
        told = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]
        of = [f"AZURITE_ACCOUNTS={ACCOUNT}:{KEY}", program, "--blobPort", str(port)]
        return ["env", *of, *told]

    return servers.shared(base, "azurite", start)


@contextmanager
def bucket(folder: Path) -> Iterator[Azure]:
    """Give a container in the Azurite of the run in whose temporary folder `folder` is; skip without one."""
    port = azurite(servers.base_of(folder))
    if port is None:
        pytest.skip("Azurite is not installed: `make servers`, with npm")
    held = Azure(port)
    try:
        yield held
    finally:
        held.go_away()
