"""Who may see and who may change something: the token, the sessions of browsers, names of the host, origins."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Callable, Collection
from dataclasses import KW_ONLY, dataclass, field
from time import monotonic
from urllib.parse import urlsplit

from etl.errors import ConfigError

#: The environment variable with the token; no option takes it, since anybody can read a command line.
TOKEN = "ETL_SERVE_TOKEN"
_SHORTEST = 16
#: A browser has to show the token again after so many seconds.
SESSION_SECONDS = 12 * 3600
_MOST_SESSIONS = 100
_PORTS = {"http": 80, "https": 443}


@dataclass
class Access:
    """The rights of those who ask; without a token everybody who reaches it may look, and change nothing."""

    token: str
    _: KW_ONLY
    is_read_only: bool = False
    #: Names, beside localhost and all addresses, under which browsers may ask.
    names: Collection[str] = ()
    clock: Callable[[], float] = monotonic
    #: The sessions by the hash of their id, with when they end.
    _sessions: dict[str, float] = field(default_factory=dict, repr=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def is_token(self, given: str) -> bool:
        """Return whether a text is the token, in a time that does not depend on it."""
        same = hmac.compare_digest(_digest(given), _digest(self.token))
        return same and bool(self.token)

    def open_session(self) -> str:
        """Return the id of a new session, of somebody who has shown the token."""
        session = secrets.token_urlsafe(32)
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_digest(session).hex()] = self.clock() + SESSION_SECONDS
        return session

    def is_session(self, session: str) -> bool:
        """Return whether a text is the id of a session that has not ended."""
        return self._sessions.get(_digest(session).hex(), 0.0) > self.clock()

    def close_session(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(session).hex(), None)

    def form_key(self, session: str) -> str:
        """Return what a form of a session must say, which no other page can know."""
        return hmac.new(self._key, session.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def is_form_key(self, session: str, given: str) -> bool:
        """Return whether a form was one of this session."""
        return hmac.compare_digest(_digest(given), _digest(self.form_key(session)))

    def is_own_host(self, host: str) -> bool:
        """Return whether a Host header names this server.

        A stranger's name may be made to lead here, so that a browser takes us for the stranger; an address cannot.
        """
        name = _name(host)
        return name == "localhost" or _is_address(name) or name in {known.lower() for known in self.names}


def is_own_origin(origin: str, host: str) -> bool:
    """Return whether an Origin header is that of the host that was asked: name and port are the same."""
    try:
        found = urlsplit(origin)
        if found.scheme not in _PORTS or not found.netloc or found.path or found.query or found.fragment:
            return False
        asked = urlsplit(f"{found.scheme}://{host}")
        usual = _PORTS[found.scheme]
        return (found.hostname, found.port or usual) == (asked.hostname, asked.port or usual)
    except ValueError:
        return False


def check_token(token: str, host: str) -> None:
    """Raise ConfigError for a token that can be guessed, and for a host beyond this machine without one."""
    made = 'python -c "import secrets; print(secrets.token_urlsafe())"'
    if token and len(token) < _SHORTEST:
        raise ConfigError(
            f"{TOKEN} has fewer than {_SHORTEST} characters and can be guessed. To make one: {made}."
        )
    if token != token.strip() or not token.isascii() or not (token or "-").isprintable():
        raise ConfigError(f"{TOKEN} may hold letters, digits and signs of ASCII only. To make one: {made}.")
    if not token and not is_loopback(host):
        raise ConfigError(
            f"{host} can be reached from other machines, and {TOKEN} is not set. Set it to a random text and run "
            f"`etl serve` again. To make one: {made}."
        )


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host. Raises ConfigError for a host that is not known."""
    try:
        found = (
            {str(item[4][0]) for item in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
            if host
            else set()
        )
    except (OSError, UnicodeError):
        found = set()
    if not found:
        raise ConfigError(f"The host {host or '(empty)'} is not known. Give an address, such as --host 127.0.0.1.")
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
