"""Sftp: walks the folders of a server over SSH, and copies the files that are new or have changed."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from etl.errors import FetchError
from etl.sources.connectors.pattern import FILE, FilePattern, file_pattern
from etl.sources.fetches.sftp import Sftp
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.copying import PART_BYTES, TRIES, Remote, begun, passing, pattern_of, variable, wanted
from etl.stages.fetched.landing import Landing


def fetch(asked: Asked, landing: Landing) -> Told:
    """Copy each file that is new or has changed, and land it by itself."""
    try:
        import asyncssh
    except ImportError:
        raise FetchError("SFTP needs the library asyncssh. Install it: pip install 'etl[sftp]'") from None
    of = cast("Sftp", asked.fetch)
    notes = _awaited(_fetch(asked, landing, of))
    return Told(query=of.url, versions={"asyncssh": asyncssh.__version__}, notes=notes)


def _awaited(notes: Coroutine[Any, Any, list[str]]) -> list[str]:
    """Return what a coroutine returns, also in a thread that runs a loop already, as a notebook's does."""
    try:
        is_within_a_loop = bool(asyncio.get_running_loop())
    except RuntimeError:
        is_within_a_loop = False
    if not is_within_a_loop:
        return asyncio.run(notes)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, notes).result()


async def _fetch(asked: Asked, landing: Landing, of: Sftp) -> list[str]:
    async with _connected(of, asked.root) as client:
        listed = [one async for one in _listed(of, client, landing)]
        chosen, notes = wanted(asked, landing, listed)
        for one in chosen:
            notes += await _copied(client, landing, one)
    return notes


async def _copied(client: Any, landing: Landing, one: Remote) -> list[str]:
    """Copy a file part by part, and land it if it was the same to the end; return what is to be said else."""
    for _ in range(TRIES):
        writer = begun(landing, one)
        async with client.open(one.key, "rb", encoding=None) as file:
            while part := await file.read(PART_BYTES, writer.size):
                writer.write(part)
                if writer.size >= one.size:
                    break
                writer.checkpoint(one.facts)
        now = _remote(one.key, one.name, await client.stat(one.key))
        if now == one and writer.size == one.size:
            writer.land(more=one.facts, rows=None)
            return []
        one = now
    return [f"left out, since it is written again and again: {one.name}"]


async def _listed(of: Sftp, client: Any, landing: Landing) -> AsyncIterator[Remote]:
    """Yield the files in the folders that those of the source, and their markers, can lie in."""
    patterns = [pattern_of(landing)]
    if of.marker and not of.marker.startswith(FILE):
        patterns.append(file_pattern(of.marker))
    await client.stat(_path(of, ""))
    folders: dict[str, None] = {}
    for pattern in patterns:
        for folder in await _folders(of, client, pattern):
            folders[folder] = None
    for folder in folders:
        for name, attributes in await _entries(of, client, folder):
            if not stat.S_ISDIR(attributes.permissions or 0):
                yield _remote(_path(of, name), name, attributes)


async def _folders(of: Sftp, client: Any, pattern: FilePattern) -> list[str]:
    """Return the folders in which files of a pattern can lie, below the one that is asked."""
    found = [""]
    for segment in pattern.segments[:-1]:
        if segment.regex is None:
            found = [f"{folder}{segment.text}/" for folder in found]
            continue
        found = [
            f"{name}/"
            for folder in found
            for name, attributes in await _entries(of, client, folder)
            if stat.S_ISDIR(attributes.permissions or 0) and segment.match(name.rpartition("/")[2], {}) is not None
        ]
    return found


async def _entries(of: Sftp, client: Any, folder: str) -> list[tuple[str, Any]]:
    """Return what is in a folder, by path below the one that is asked; a link is what it leads to."""
    import asyncssh

    found = []
    try:
        async for entry in client.scandir(_path(of, folder)):
            name, attributes = entry.filename, entry.attrs
            if name in (".", ".."):
                continue
            if stat.S_ISLNK(attributes.permissions or 0):
                try:
                    attributes = await client.stat(_path(of, folder + name))
                except asyncssh.SFTPError:
                    # it leads nowhere
                    continue
            found.append((folder + name, attributes))
    except asyncssh.SFTPNoSuchFile:
        # no file has come yet
        return []
    return sorted(found, key=lambda one: one[0])


def _path(of: Sftp, name: str) -> str:
    """Return the path on the server: that of an address begins at its root, or at the user's home with /~/."""
    folder = of.folder
    below = f"{folder.removeprefix('~').lstrip('/')}" if folder.startswith("~") else f"/{folder}"
    return f"{below}/{name}".rstrip("/") if below else name.rstrip("/") or "."


def _remote(key: str, name: str, attributes: Any) -> Remote:
    at = attributes.mtime
    modified = None if at is None else datetime.fromtimestamp(at, UTC)
    return Remote(key=key, name=name, size=attributes.size or 0, modified=modified)


@asynccontextmanager
async def _connected(of: Sftp, root: Path) -> AsyncIterator[Any]:
    """Give a client of the server, if it is the one whose key is known."""
    import asyncssh

    address = urlsplit(of.url)
    seconds = of.seconds("answer_within", of.answer_within)
    options: dict[str, Any] = {
        "username": variable(of.url, of.user),
        "password": variable(of.url, of.password) or None,
        "client_keys": _keys(of, root),
        "known_hosts": _known(of, root),
        "client_factory": _client(of),
        # nothing of what this user has for other purposes
        "config": None,
        "agent_path": None,
        "connect_timeout": seconds,
        "login_timeout": seconds,
        "keepalive_interval": max(1, seconds / 3),
    }
    try:
        try:
            connection = await asyncssh.connect(address.hostname or "", address.port or 22, **options)
        except OSError as error:
            raise passing(
                f"{of.url} does not answer ({error.strerror or type(error).__name__}). Is it there?"
            ) from None
        async with connection, connection.start_sftp_client(path_errors="surrogateescape") as client:
            yield client
    except asyncssh.HostKeyNotVerifiable:
        raise FetchError(
            f"{of.url} shows another key than host_keys says: it may be another server. Ask the sender for the "
            "fingerprint of its new key, and write that only if it is the sender's."
        ) from None
    except asyncssh.PermissionDenied:
        raise FetchError(
            f"{of.url} refuses who asks. Check what the variables of user, key and password hold."
        ) from None
    except asyncssh.SFTPNoSuchFile as error:
        raise passing(f"{of.url} has no such folder or file ({error.reason}). Check the address.") from None
    except asyncssh.SFTPPermissionDenied as error:
        raise FetchError(
            f"{of.url} may not be read by this user ({error.reason}). Ask the sender for it."
        ) from None
    except asyncssh.Error as error:
        raise passing(
            f"{of.url} broke off ({type(error).__name__}: {error.reason}). Is the server well?"
        ) from None
    except ConnectionError as error:
        raise passing(f"{of.url} broke off ({type(error).__name__}). Is the server well?") from None


def _client(of: Sftp) -> Any:
    """Return what believes a server whose key has one of the fingerprints; others may be known by their keys."""
    import asyncssh

    class Client(asyncssh.SSHClient):
        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            return key.get_fingerprint().rstrip("=") in of.fingerprints

    return Client


def _known(of: Sftp, root: Path) -> Any:
    """Return the keys that are known of the server, but for fingerprints."""
    import asyncssh

    lines = [line.strip() for line in of.host_keys.splitlines()]
    if len(lines) == 1 and len(lines[0].split()) == 1 and not of.fingerprints:
        try:
            lines = (root / lines[0]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise FetchError(
                f"{of.named}: host_keys is neither a key nor a fingerprint, and the file {lines[0]} cannot be "
                f"read ({type(error).__name__}). Write the fingerprint of the server's key."
            ) from None
    left = [line for line in lines if line and not set(line.split()) <= of.fingerprints]
    is_key = [line.startswith(("ssh-", "ecdsa-", "sk-")) for line in left]
    text = "".join(f"* {line}\n" if each else f"{line}\n" for line, each in zip(left, is_key, strict=True))
    try:
        return asyncssh.import_known_hosts(text)
    except (ValueError, asyncssh.KeyImportError) as error:
        raise FetchError(f"{of.named}: host_keys cannot be read: {error}. Write one key a line.") from None


def _keys(of: Sftp, root: Path) -> list[Any] | None:
    """Return the private key of who asks, if it is said."""
    import asyncssh

    if not of.key:
        return None
    text, passphrase = variable(of.url, of.key), variable(of.url, of.passphrase) or None
    try:
        if "PRIVATE KEY" in text:
            return [asyncssh.import_private_key(text.replace("\\n", "\n"), passphrase)]
        return [asyncssh.read_private_key(root / text, passphrase)]
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError) as error:
        raise FetchError(
            f"{of.url}: what the variable {of.key} holds is not a private key that can be opened "
            f"({type(error).__name__}). It is the key itself, or the path of its file."
        ) from None
    except OSError as error:
        raise FetchError(
            f"{of.url}: the private key whose path the variable {of.key} holds cannot be read: "
            f"{error.strerror}. Fix its path or its permissions."
        ) from None
