"""A mirror in a bucket: of S3 and what speaks like it, of Google Cloud Storage, or of Azure Blob Storage."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import FetchError, StepError
from etl.sources.fetches.bucket import Bucket
from etl.stages.fetched.kinds.bucket import filled, first_line, open_store

#: The variables with the address of a server of one's own, by what the address of a bucket begins with.
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT",),
}
#: So many names are deleted in one request, and so many bytes are written at once.
_AT_ONCE, _PART_BYTES = 1000, 8 << 20


@dataclass(frozen=True)
class Objects:
    """A place that is a folder of a bucket."""

    of: Bucket
    store: Any

    def names(self, below: str) -> Mapping[str, int]:
        """Return the names of all objects below a folder, with their sizes."""
        import obstore

        start = len(self._key(""))
        with self._said():
            listed = obstore.list(self.store, self._key(below), chunk_size=_AT_ONCE)
            return {one["path"][start:]: one["size"] for objects in listed for one in objects}

    def send(self, name: str, file: Path) -> None:
        """Copy a file there, in parts if it is large, whole or not at all."""
        import obstore

        with self._said():
            obstore.put(self.store, self._key(name), file)

    def receive(self, name: str, file: Path) -> bool:
        """Write what an object holds to a file, part by part; return whether there is such an object."""
        import obstore

        with self._said(), file.open("wb") as written:
            try:
                got = obstore.get(self.store, self._key(name))
            except FileNotFoundError:
                return False
            for part in got.stream(min_chunk_size=_PART_BYTES):
                written.write(part)
        return True

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Return what an object holds, and its ETag and version as text; None if there is no such object."""
        import obstore

        with self._said():
            try:
                got = obstore.get(self.store, self._key(name))
            except FileNotFoundError:
                return None
            # which of the two a condition goes by differs from store to store
            return bytes(got.bytes()), json.dumps(filled({name: got.meta[name] for name in ("e_tag", "version")}))

    def write(self, name: str, content: bytes) -> None:
        """Write an object, whole or not at all."""
        import obstore

        with self._said():
            obstore.put(self.store, self._key(name), content)

    def switch(self, name: str, content: bytes, tag: str) -> bool:
        """Write an object if it is what read() gave with `tag` still, empty for none; return whether it was."""
        import obstore
        from obstore import exceptions

        mode: Any = json.loads(tag) if tag else "create"
        with self._said():
            try:
                obstore.put(self.store, self._key(name), content, mode=mode)
            except (exceptions.PreconditionError, exceptions.AlreadyExistsError):
                return False
            return True

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        import obstore

        given = [self._key(name) for name in names]
        with self._said():
            for first in range(0, len(given), _AT_ONCE):
                together = given[first : first + _AT_ONCE]
                try:
                    obstore.delete(self.store, together)
                except FileNotFoundError:
                    # Azure refuses what is not there, and leaves the others
                    self._delete_each(together)

    def _delete_each(self, keys: Iterable[str]) -> None:
        import obstore

        for key in keys:
            with suppress(FileNotFoundError):
                obstore.delete(self.store, key)

    def _key(self, name: str) -> str:
        return f"{self.of.folder}/{name}" if self.of.folder else name

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Say in few words why a bucket does not do what it is asked for."""
        from obstore import exceptions

        try:
            yield
        except (exceptions.UnauthenticatedError, exceptions.PermissionDeniedError) as error:
            raise StepError(
                f"{self.of.url} refuses who asks ({first_line(error)}). Check the variables that it is asked "
                "with, and the right to list, read, write and delete."
            ) from None
        except FileNotFoundError as error:
            raise StepError(
                f"{self.of.url}: there is no such bucket ({first_line(error)}). Check the address."
            ) from None
        except exceptions.BaseError as error:
            raise StepError(
                f"{self.of.url} does not answer as it should ({first_line(error)}). Is it there?"
            ) from None


def open_objects(url: str) -> Objects:
    """Return a bucket, not asked yet; who asks, and at which endpoint, is in the environment."""
    scheme = url.partition(":")[0]
    endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS[scheme])), "")
    of = Bucket(url, endpoint=endpoint, region=os.environ.get("AWS_REGION", "") if scheme == "s3" else "")
    try:
        return Objects(of, open_store(of))
    except FetchError as error:
        # nothing is fetched, so it is not missing data
        raise StepError(str(error)) from None
