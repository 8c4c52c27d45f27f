"""A mirror in a bucket: of S3 and what speaks like it, of Google Cloud Storage, or of Azure Blob Storage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from etl.errors import StepError

#: How long, in seconds, a bucket may take to answer, and how often the library asks again, and for how long.
_ANSWER, _CONNECT, _RETRIES, _RETRYING = 60, 10, 3, 60
#: The variables with the address of a server of one's own.
_ENDPOINTS = (
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
)
#: So many names are deleted in one request.
_AT_ONCE = 1000


@dataclass(frozen=True)
class Objects:
    """A place that is a folder of a bucket."""

    url: str
    store: Any

    def names(self, below: str) -> Mapping[str, int]:
        """Return the names of all objects below a folder, with their sizes."""
        import obstore

        with self._said():
            listed = obstore.list(self.store, below, chunk_size=_AT_ONCE)
            return {one["path"]: one["size"] for objects in listed for one in objects}

    def send(self, name: str, file: Path) -> None:
        """Copy a file there, in parts if it is large, whole or not at all."""
        import obstore

        with self._said():
            obstore.put(self.store, name, file)

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Return what an object holds, and its ETag; None if there is no such object."""
        import obstore

        with self._said():
            try:
                got = obstore.get(self.store, name)
            except FileNotFoundError:
                return None
            return bytes(got.bytes()), str(got.meta["e_tag"] or "")

    def write(self, name: str, content: bytes) -> None:
        """Write an object, whole or not at all."""
        import obstore

        with self._said():
            obstore.put(self.store, name, content)

    def switch(self, name: str, content: bytes, tag: str) -> bool:
        """Write an object if it is what read() gave with `tag` still, empty for none; return whether it was."""
        import obstore
        from obstore import exceptions

        mode: Any = {"e_tag": tag} if tag else "create"
        with self._said():
            try:
                obstore.put(self.store, name, content, mode=mode)
            except (exceptions.PreconditionError, exceptions.AlreadyExistsError):
                return False
            return True

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        import obstore

        given = list(names)
        with self._said():
            for first in range(0, len(given), _AT_ONCE):
                obstore.delete(self.store, given[first : first + _AT_ONCE])

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Say in few words why a bucket does not do what it is asked for."""
        from obstore import exceptions

        try:
            yield
        except (exceptions.UnauthenticatedError, exceptions.PermissionDeniedError) as error:
            raise StepError(
                f"{self.url} refuses who asks ({_first(error)}). Check the variables that it is asked with, and "
                "the right to list, read, write and delete."
            ) from None
        except FileNotFoundError as error:
            raise StepError(f"{self.url}: there is no such bucket ({_first(error)}). Check the address.") from None
        except exceptions.BaseError as error:
            raise StepError(f"{self.url} does not answer as it should ({_first(error)}). Is it there?") from None


def open_objects(url: str) -> Objects:
    """Return a bucket, not asked yet; who asks, and at which endpoint, is in the environment."""
    try:
        from obstore import store
        from obstore.exceptions import BaseError
    except ImportError:
        raise StepError(
            "A mirror in a bucket needs the library obstore. Install it: pip install 'etl[bucket]'"
        ) from None
    given: dict[str, Any] = {
        "client_options": {
            "timeout": timedelta(seconds=_ANSWER),
            "connect_timeout": timedelta(seconds=_CONNECT),
            # who names an endpoint without encryption wants it so
            "allow_http": any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS),
        },
        "retry_config": {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRYING)},
    }
    parts = urlsplit(url)
    kinds: dict[str, Any] = {"s3": store.S3Store, "gs": store.GCSStore, "az": store.AzureStore}
    try:
        found = kinds[parts.scheme](parts.hostname, prefix=parts.path.strip("/") or None, **given)
    except BaseError as error:
        raise StepError(f"{url} cannot be asked ({_first(error)}). Check the address and the variables.") from None
    return Objects(url, found)


def _first(error: Exception) -> str:
    """Return the first line of what the library says, which has more."""
    return str(error).partition("\n")[0].strip().rstrip(".")[:300]
