"""Bucket: lists the objects of a bucket, and copies those that are new or have changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

from etl.errors import FetchError
from etl.sources.fetches.bucket import Bucket
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.copying import PART_BYTES, TRIES, Remote, begun, folder_of, passing, variable, wanted
from etl.stages.fetched.landing import Landing

#: The process that has asked: threads of the library do not survive a fork.
_OWNER: list[int] = []
#: How often the library asks again by itself, and for how long.
_RETRIES, _RETRY_SECONDS = 3, 60


def fetch(asked: Asked, landing: Landing) -> Told:
    """Copy each object that is new or has changed, and land it by itself."""
    of = cast("Bucket", asked.fetch)
    store = open_store(of)
    import obstore

    chosen, notes = wanted(asked, landing, _listed(of, store, folder_of(asked, landing)))
    for one in chosen:
        _copied(of, store, landing, one)
    return Told(query=of.url, versions={"obstore": obstore.__version__}, notes=notes)


def open_store(of: Bucket) -> Any:
    """Return the bucket, not yet asked. Raises FetchError without its library, or without a variable."""
    try:
        from obstore import store
    except ImportError:
        raise FetchError("A bucket needs the library obstore. Install it: pip install 'etl[bucket]'") from None
    if _OWNER and os.getpid() not in _OWNER:
        raise FetchError(
            f"{of.url} cannot be asked by a process that was forked from one that asked. "
            "Ask in a process of its own."
        )
    _OWNER[:] = [os.getpid()]
    common: dict[str, Any] = {
        "client_options": {
            "timeout": timedelta(seconds=of.seconds("answer_within", of.answer_within)),
            "connect_timeout": timedelta(seconds=min(10, of.seconds("answer_within", of.answer_within))),
            "allow_http": of.endpoint.startswith("http://"),
        },
        "retry_config": {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)},
    }
    user, secret, token = (variable(of.url, name) for name in (of.user, of.secret, of.token))
    given: dict[str, Any] = {"skip_signature": True} if of.public else {}
    with _said(of):
        if of.scheme == "s3":
            if user:
                # nothing of another identity in the environment, such as its session token, is mixed in
                own = {"access_key_id": user, "secret_access_key": secret, "token": token or None}
                given["credential_provider"] = lambda: {**own, "expires_at": None}
            given |= {"region": of.region, "endpoint": of.endpoint}
            if of.endpoint:
                given |= {"virtual_hosted_style_request": False, "region": of.region or "us-east-1"}
            return store.S3Store(of.host, **filled(given), **common)
        if of.scheme == "gs":
            given |= {"service_account_key": secret, "base_url": of.endpoint}
            return store.GCSStore(of.host, **filled(given), **common)
        given |= {"account_name": user, "account_key": secret, "sas_key": token, "endpoint": of.endpoint}
        return store.AzureStore(of.host, **filled(given), **common)


def filled(given: dict[str, Any]) -> dict[str, Any]:
    """Return what is not empty of some options."""
    return {name: value for name, value in given.items() if value}


def _listed(of: Bucket, store: Any, below: str) -> Iterator[Remote]:
    """Yield the objects of the folder, and of all below it."""
    import obstore

    folder = "/".join(filter(None, (of.folder, below)))
    start = len(of.folder) + 1 if of.folder else 0
    try:
        with _said(of):
            for objects in obstore.list(store, folder or None, chunk_size=1000):
                for one in objects:
                    yield _remote(one, one["path"][start:])
    except obstore.exceptions.InvalidPathError as error:
        if of.scheme != "s3":
            raise FetchError(
                f"{of.url} holds a name that no file can have ({first_line(error)}). Have it renamed."
            ) from None
        yield from _listed_by_arrow(of, folder, start)


def _listed_by_arrow(of: Bucket, folder: str, start: int) -> Iterator[Remote]:
    """Yield the objects of a folder with names that the other library gives up at, such as `a//b`; without ETag.

    Those that it has yielded before come again.
    """
    from pyarrow import fs

    user, secret, token = (variable(of.url, name) for name in (of.user, of.secret, of.token))
    given = {"access_key": user, "secret_key": secret, "session_token": token, "endpoint_override": of.endpoint}
    region = of.region or ("us-east-1" if of.endpoint else "")
    try:
        store = fs.S3FileSystem(anonymous=of.public, **filled({**given, "region": region}))
        base = f"{of.host}/{folder}".rstrip("/")
        found = store.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    except OSError as error:
        raise passing(f"{of.url} does not answer as it should ({first_line(error)}). Is it there?") from None
    for one in found:
        if one.type == fs.FileType.File:
            key = one.path[len(of.host) + 1 :]
            yield Remote(key=key, name=key[start:], size=one.size, modified=one.mtime)


def _remote(one: Any, name: str) -> Remote:
    return Remote(
        key=one["path"], name=name, size=one["size"], modified=one["last_modified"], etag=one["e_tag"] or ""
    )


def _copied(of: Bucket, store: Any, landing: Landing, one: Remote) -> None:
    """Copy an object part by part, each of the same content; land it when it is whole."""
    import obstore

    for _ in range(TRIES):
        writer = begun(landing, one)
        try:
            while writer.size < one.size:
                part = (writer.size, min(writer.size + PART_BYTES, one.size))
                options: Any = {"range": part, **({"if_match": one.etag} if one.etag else {})}
                with _said(of):
                    got = obstore.get(store, one.key, options=options)
                    if not one.etag and _remote(got.meta, one.name) != one:
                        raise obstore.exceptions.PreconditionError("it was changed")
                    content = bytes(got.bytes())
                writer.write(content)
                if writer.size < one.size:
                    writer.checkpoint(one.facts)
        except obstore.exceptions.PreconditionError:
            with _said(of):
                one = _remote(obstore.head(store, one.key), one.name)
            continue
        writer.land(more=one.facts, rows=None, snapshot=one.etag or None)
        return
    raise passing(
        f"{of.url}: {one.name} is written again and again while it is copied. Let its sender finish it first."
    )


@contextmanager
def _said(of: Bucket) -> Iterator[None]:
    """Say in few words why a bucket does not give what it is asked for."""
    from obstore import exceptions

    try:
        yield
    except (exceptions.PreconditionError, exceptions.InvalidPathError):
        raise
    except (exceptions.UnauthenticatedError, exceptions.PermissionDeniedError) as error:
        raise FetchError(
            f"{of.url} refuses who asks ({first_line(error)}). Check what the variables of user, secret and token "
            "hold, and the right to list and to read."
        ) from None
    except FileNotFoundError as error:
        raise passing(f"{of.url} has no such bucket or object ({first_line(error)}). Check the address.") from None
    except exceptions.BaseError as error:
        raise passing(f"{of.url} does not answer as it should ({first_line(error)}). Is it there?") from None


def first_line(error: Exception) -> str:
    """Return the first line of what the library says, which has more."""
    return str(error).partition("\n")[0].strip().rstrip(".")[:300]
