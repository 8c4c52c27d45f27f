"""Real servers of files for tests: a bucket of S3, and a folder over SSH; each in threads of this process."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

#: A password that no test may find anywhere.
SECRET = "s3cr3t-lynx-7712"


class S3:
    """A server that speaks S3, with one bucket; it notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.name = f"shop-{uuid.uuid4().hex[:12]}"
        self.port = 0
        self.come_back()
        self.client().create_bucket(Bucket=self.name)

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def fetch(self) -> str:
        """What a contract file writes after `fetch=`."""
        return self.declared()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that it is asked with."""
        return {"IN_KEY": "AKIALYNX0001", "IN_SECRET": SECRET}

    @property
    def for_writers(self) -> Mapping[str, str]:
        """The variables of who asks with what the machine has of its own."""
        who = {"AWS_ACCESS_KEY_ID": "AKIALYNX0001", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        return {**who, "AWS_ENDPOINT_URL": self.endpoint}

    def declared(self, options: str = "", folder: str = "in/") -> str:
        """Return what a contract file writes after `fetch=`, with more options."""
        said = f"'s3://{self.name}/{folder}', user='IN_KEY', secret='IN_SECRET', endpoint='{self.endpoint}'"
        return f"Bucket({said}, answer_within='5 seconds', {options})"

    def client(self) -> Any:
        """Return somebody else's client."""
        import boto3

        own = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.endpoint, **own)

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self.client().put_object(Bucket=self.name, Key=key, Body=content)

    def go_away(self) -> None:
        """Answer nobody."""
        self._server.stop()

    def come_back(self) -> None:
        """Answer again, where it did before, with what it had."""
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()
        application, asked, tokens = self._server._server.app, self.asked, self.tokens

        def noted(environ: Any, start: Any) -> Any:
            asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {environ.get('HTTP_RANGE', '')}")
            if "AKIALYNX0001" in environ.get("HTTP_AUTHORIZATION", ""):
                tokens.append(environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))
            return application(environ, start)

        self._server._server.app = noted


@contextmanager
def bucket() -> Iterator[S3]:
    """Give a bucket of S3; without moto the test is skipped."""
    pytest.importorskip("moto.server", reason="moto is not installed: `make servers`", exc_type=ImportError)
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    held = S3()
    try:
        yield held
    finally:
        held.go_away()


@dataclass
class Ssh:
    """A server that shows a folder over SSH, to a user with a password or a key."""

    folder: Path
    loop: asyncio.AbstractEventLoop
    host_key: Any
    user_key: Any
    port: int = 0
    listener: Any = None
    #: The files that were opened.
    opened: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its key."""
        return str(self.host_key.get_fingerprint())

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that it is asked with."""
        key = self.user_key.export_private_key().decode()
        return {"SFTP_USER": "ann", "SFTP_PASSWORD": SECRET, "SFTP_KEY": key}

    def fetch(self, options: str = "", who: str = "password='SFTP_PASSWORD'", host_keys: str | None = None) -> str:
        """Return what a contract file writes after `fetch=`."""
        said = f"'sftp://127.0.0.1:{self.port}/in/', user='SFTP_USER', {who}"
        keys = self.fingerprint if host_keys is None else host_keys
        return f"Sftp({said}, host_keys={keys!r}, answer_within='5 seconds', {options})"

    def put(self, name: str, content: bytes) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def go_away(self) -> None:
        """Answer nobody."""
        self._run(self._closed())

    def come_back(self) -> None:
        """Answer again, where it did before."""
        self._run(self._listening())

    def _run(self, what: Any) -> None:
        asyncio.run_coroutine_threadsafe(what, self.loop).result(30)

    async def _closed(self) -> None:
        self.listener.close()
        await self.listener.wait_closed()

    async def _listening(self) -> None:
        import asyncssh

        held = self

        class Server(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == ("ann", SECRET)

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: Any) -> bool:
                return username == "ann" and key == held.user_key.convert_to_public()

        class Files(asyncssh.SFTPServer):
            def __init__(self, channel: Any) -> None:
                super().__init__(channel, chroot=str(held.folder))

            def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
                held.opened.append(path.decode())
                return super().open(path, pflags, attrs)

        self.listener = await asyncssh.create_server(
            Server, "127.0.0.1", self.port, server_host_keys=[self.host_key], sftp_factory=Files
        )
        self.port = self.listener.get_port()


@contextmanager
def sftp(folder: Path) -> Iterator[Ssh]:
    """Give a server that shows a folder."""
    import asyncssh

    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    keys = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(2)]
    (folder / "in").mkdir()
    held = Ssh(folder, loop, *keys)
    held.come_back()
    try:
        yield held
    finally:
        held.go_away()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
