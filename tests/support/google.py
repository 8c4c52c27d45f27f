"""A bucket of Google Cloud Storage on this machine, in threads of this process.

It speaks what the XML API says of listings in pages, ranges, conditions and uploads in parts, and checks the token
of a service account, which the client signs itself. Names may be any text, as there.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

#: So many objects are in one page of a listing, as there.
PAGE = 1000


@dataclass(frozen=True)
class Stored:
    """An object: each time it is written it has another generation."""

    content: bytes
    generation: int
    changed: datetime

    @property
    def etag(self) -> str:
        """Its ETag, that of its content."""
        return f'"{hashlib.md5(self.content).hexdigest()}"'


@dataclass
class Google:
    """A server with one bucket; it notes what it is asked for."""

    asked: list[str] = field(default_factory=list)
    name: str = field(default_factory=lambda: f"shop-{uuid.uuid4().hex[:12]}")
    port: int = 0
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    #: Whether it answers those who say nothing of themselves.
    is_public: bool = False
    generations: Iterator[int] = field(default_factory=lambda: itertools.count(1_700_000_000_000_000))

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that it is asked with."""
        return {"IN_GOOGLE": account()}

    @property
    def for_writers(self) -> Mapping[str, str]:
        """The variables of who asks with what the machine has of its own."""
        return {"GOOGLE_SERVICE_ACCOUNT_KEY": account(), "GOOGLE_BASE_URL": self.endpoint}

    @property
    def secret(self) -> str:
        """What of the variables may be found nowhere: a line in the middle of the private key."""
        return str(json.loads(account())["private_key"].splitlines()[5])

    def declared(self, options: str = "", folder: str = "in/") -> str:
        """Return what a contract file writes after `fetch=`, with more options."""
        said = f"'gs://{self.name}/{folder}', secret='IN_GOOGLE', endpoint='{self.endpoint}'"
        return f"Bucket({said}, answer_within='5 seconds', {options})"

    def put(self, key: str, content: bytes) -> Stored:
        """Write an object, as somebody else does."""
        self.objects[key] = Stored(content, next(self.generations), datetime.now(UTC))
        return self.objects[key]

    def go_away(self) -> None:
        """Answer nobody."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)

    def come_back(self) -> None:
        """Answer again, where it did before, with what it had."""
        held = self

        class Handler(_Handler):
            google = held

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # an answer goes out at once: its head and its content one after another would wait for each other
    wbufsize = -1
    google: Google

    def do_GET(self) -> None:
        self._answered()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answered(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        self.google.asked.append(f"{self.command} {unquote(parts.path)} {self.headers.get('Range', '')}")
        bucket, _, key = unquote(parts.path.removeprefix("/")).partition("/")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        with suppress(OSError):
            if not self._is_known():
                return self._fails(401, "AuthenticationRequired")
            if bucket != self.google.name:
                return self._fails(404, "NoSuchBucket")
            if not key:
                return self._listed(query)
            {"GET": self._got, "HEAD": self._got, "DELETE": self._deleted}.get(self.command, self._written)(
                key, query, body
            )

    def _is_known(self) -> bool:
        """Return whether who asks has signed with the key of the account."""
        said = self.headers.get("Authorization", "")
        if not said:
            return self.google.is_public
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        signed, _, signature = said.removeprefix("Bearer ").rpartition(".")
        try:
            _key().public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            claims = json.loads(_decoded(signed.partition(".")[2]))
        except (InvalidSignature, ValueError):
            return False
        now = datetime.now(UTC).timestamp()
        return bool(claims["iss"] == json.loads(account())["client_email"] and now < claims["exp"])

    def _listed(self, query: Mapping[str, str]) -> None:
        after = max(query.get("continuation-token", ""), query.get("start-after", ""))
        objects, prefix = dict(self.google.objects), query.get("prefix", "")
        keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
        size = min(int(query.get("max-keys", PAGE)), PAGE)
        text = "".join(_content(key, objects[key]) for key in keys[:size])
        if len(keys) > size:
            text += f"<NextContinuationToken>{escape(keys[size - 1])}</NextContinuationToken>"
        name, is_cut = self.google.name, str(len(keys) > size).lower()
        self._xml("ListBucketResult", f"<Name>{name}</Name><IsTruncated>{is_cut}</IsTruncated>{text}")

    def _got(self, key: str, query: Mapping[str, str], body: bytes) -> None:
        one = self.google.objects.get(key)
        if one is None:
            return self._fails(404, "NoSuchKey")
        if self.headers.get("If-Match", one.etag) != one.etag:
            return self._fails(412, "PreconditionFailed")
        content, facts = one.content, _facts(one)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return self._send(200, content, facts)
        start, size = int(asked[1]), len(content)
        stop = min(int(asked[2] or size) + 1, size)
        if start >= size:
            return self._fails(416, "InvalidRange")
        self._send(206, content[start:stop], {**facts, "Content-Range": f"bytes {start}-{stop - 1}/{size}"})

    def _written(self, key: str, query: Mapping[str, str], body: bytes) -> None:
        uploads, upload = self.google.uploads, query.get("uploadId", "")
        if "uploads" in query:
            upload = uuid.uuid4().hex
            uploads[upload] = {}
            return self._xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
        if "partNumber" in query:
            uploads[upload][int(query["partNumber"])] = body
            return self._send(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        # 0 stands for an object that is not there
        there = self.google.objects.get(key)
        expected = self.headers.get("x-goog-if-generation-match")
        if expected is not None and int(expected) != (there.generation if there else 0):
            return self._fails(412, "PreconditionFailed")
        if upload:
            body = b"".join(part for _, part in sorted(uploads.pop(upload).items()))
        one = self.google.put(key, body)
        if upload:
            return self._xml("CompleteMultipartUploadResult", f"<ETag>{escape(one.etag)}</ETag>", _facts(one))
        self._send(200, b"", _facts(one))

    def _deleted(self, key: str, query: Mapping[str, str], body: bytes) -> None:
        self._send(204 if self.google.objects.pop(key, None) else 404, b"", {})

    def _fails(self, status: int, code: str) -> None:
        self._xml("Error", f"<Code>{code}</Code><Message>{code}</Message>", status=status)

    def _xml(self, name: str, inner: str, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        text = f"<?xml version='1.0' encoding='UTF-8'?><{name}>{inner}</{name}>"
        self._send(status, text.encode(), {"Content-Type": "application/xml", **(headers or {})})

    def _send(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _facts(one: Stored) -> Mapping[str, str]:
    changed = format_datetime(one.changed, usegmt=True)
    return {"ETag": one.etag, "Last-Modified": changed, "x-goog-generation": str(one.generation)}


def _content(key: str, one: Stored) -> str:
    changed = f"{one.changed:%Y-%m-%dT%H:%M:%S}.{one.changed.microsecond // 1000:03}Z"
    facts = f"<Generation>{one.generation}</Generation><LastModified>{changed}</LastModified>"
    facts += f"<ETag>{escape(one.etag)}</ETag><Size>{len(one.content)}</Size>"
    return f"<Contents><Key>{escape(key)}</Key>{facts}</Contents>"


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@cache
def _key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


@cache
def account() -> str:
    """Return the JSON key of a service account, made up once."""
    from cryptography.hazmat.primitives import serialization as said

    private = _key().private_bytes(said.Encoding.PEM, said.PrivateFormat.PKCS8, said.NoEncryption()).decode()
    own = {"type": "service_account", "client_email": "lynx@shop.example", "client_id": "1"}
    return json.dumps({**own, "private_key_id": "k1", "private_key": private, "project_id": "shop"})


@contextmanager
def bucket() -> Iterator[Google]:
    """Give a bucket of Google."""
    held = Google()
    held.come_back()
    try:
        yield held
    finally:
        held.go_away()
