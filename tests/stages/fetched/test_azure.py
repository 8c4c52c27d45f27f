"""A bucket of Azure, asked of a server that speaks its protocol: what is new is copied, and nothing twice."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from email.utils import formatdate
from pathlib import Path

import pytest

from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.sources.fetches.bucket import Bucket
from etl.stages import fetched
from etl.stages.fetched.kinds.bucket import open_store
from tests.support import tiny

ACCOUNT, KEY = "lynx", base64.b64encode(b"a key that no test may find").decode()


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the address of an account with the container `shop`; without Azurite the test is skipped."""
    program = shutil.which("azurite-blob")
    if not program:
        pytest.skip("Azurite is not installed: npm install -g azurite")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AZURITE_ACCOUNTS", f"{ACCOUNT}:{KEY}")
    monkeypatch.setenv("IN_ACCOUNT", ACCOUNT)
    monkeypatch.setenv("IN_KEY", KEY)
    command = [program, "--silent", "--blobPort", str(port), "--skipApiVersionCheck", "--inMemoryPersistence"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _container(f"http://127.0.0.1:{port}/{ACCOUNT}", "shop", server)
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"
    finally:
        server.kill()
        server.wait()


def _container(address: str, name: str, server: subprocess.Popen[bytes]) -> None:
    """Make a container, as soon as the server answers."""
    while True:
        now = formatdate(usegmt=True)
        headers = f"x-ms-date:{now}\nx-ms-version:2021-12-02\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        signed = hmac.new(base64.b64decode(KEY), ("PUT" + "\n" * 12 + headers).encode(), hashlib.sha256).digest()
        own = {"x-ms-date": now, "x-ms-version": "2021-12-02", "Content-Type": ""}
        own["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
        url = f"{address}/{name}?restype=container"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, b"", own, method="PUT"), timeout=10):
                return
        except urllib.error.HTTPError:
            raise
        except (ConnectionError, urllib.error.URLError):
            assert server.poll() is None, "Azurite has ended"
            time.sleep(0.1)


def test_what_is_new_in_a_bucket_of_azure_is_copied_once(endpoint: str, tmp_path: Path) -> None:
    import obstore

    declared = f"Bucket('az://shop/in/', user='IN_ACCOUNT', secret='IN_KEY', endpoint={endpoint!r})"
    store = open_store(Bucket("az://shop/in/", user="IN_ACCOUNT", secret="IN_KEY", endpoint=endpoint))
    text = (
        "import pandera.pandas as pa\nfrom etl import *\n\nclass Sales(pa.DataFrameModel):\n    id: int\n\n"
        f"sales = Source(contract=Sales, files='sales/{{date}}.csv', fetch={declared})\n"
    )
    project = tiny.project(tmp_path / "project", text, {}, {}, "threads = 1\nretries = 0\n")
    source = definitions(project, Ledger(project.ledger))[0].sources["sales"]

    def copied() -> list[bytes]:
        fetched.fetch(project, source, date(2024, 3, 2))
        found = sorted(source.connector.landed(project.fetched), key=lambda one: one.stamp)
        return sorted((project.fetched / one.path).read_bytes() for one in found)

    obstore.put(store, "in/sales/2024-03-01.csv", b"id\n1\n")
    assert copied() == [b"id\n1\n"]
    assert copied() == [b"id\n1\n"]
    obstore.put(store, "in/sales/2024-03-01.csv", b"id\n2\n")
    assert copied() == [b"id\n1\n", b"id\n2\n"]
