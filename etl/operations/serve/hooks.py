"""Senders that may begin a run or deliver: those who sign what they send, and those with a token for just that."""

from __future__ import annotations

import hashlib
import hmac
import re
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from etl.errors import ConfigError
from etl.operations.serve.asked import Refusal
from etl.project.channels import GITHUB_SECRET, HOOK_SECRET, HOOK_TOKENS
from etl.project.signatures import ID, SIGNATURE, TIMESTAMP, keys_of, signature

#: What GitHub calls its signature, and the name of a delivery.
GITHUB_SIGNATURE, GITHUB_ID = "X-Hub-Signature-256", "X-GitHub-Delivery"
#: What a sender may do: begin runs, deliver to every source; `deliveries/sales` is one source.
RUNS, DELIVERIES = "runs", "deliveries"
_SCOPE = re.compile(rf"{RUNS}|{DELIVERIES}|{DELIVERIES}/[A-Za-z_]\w*")
#: A message may be so many seconds old, or ahead, and has a name of so many signs at the most.
_TOLERANCE_SECONDS, _LONGEST_NAME = 300, 200
_SHORTEST_TOKEN = 16
#: So many names of messages are remembered.
_MOST_NAMES = 100_000


@dataclass
class Hooks:
    """The secrets that senders sign with, and tokens with what each of them may do."""

    keys: Sequence[bytes] = ()
    github: bytes = b""
    #: What a token may do, by its hash.
    tokens: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Hooks:
        """Return those of an environment. Raises ConfigError, which quotes no secret, for what is not one."""
        github = environment.get(GITHUB_SECRET, "").strip()
        if github and len(github) < _SHORTEST_TOKEN:
            raise ConfigError(f"{GITHUB_SECRET} has fewer than {_SHORTEST_TOKEN} characters and can be guessed.")
        tokens = {}
        for item in environment.get(HOOK_TOKENS, "").split():
            scopes, _, token = item.partition("=")
            wrong = [scope for scope in scopes.split(",") if not _SCOPE.fullmatch(scope)]
            if wrong or len(token) < _SHORTEST_TOKEN or not token.isascii():
                raise ConfigError(
                    f"{HOOK_TOKENS} holds what is not SCOPES=TOKEN, such as {RUNS},{DELIVERIES}/sales=... Scopes "
                    f"are {RUNS}, {DELIVERIES} and {DELIVERIES}/SOURCE. A token has {_SHORTEST_TOKEN} characters "
                    "or more, of ASCII."
                )
            tokens[_digest(token)] = frozenset(scopes.split(","))
        return cls(keys_of(environment.get(HOOK_SECRET, ""), HOOK_SECRET), github.encode(), tokens)

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        """Return whether a message seems to be one of a sender that is known here."""
        return bool((self.keys and SIGNATURE in headers) or (self.github and GITHUB_SIGNATURE in headers))

    def message(self, headers: Mapping[str, str], body: bytes) -> str:
        """Return the name of a message that is signed as it should be. Raises Refusal for any other."""
        is_standard = bool(self.keys) and SIGNATURE in headers
        name = headers.get(ID if is_standard else GITHUB_ID, "")
        if not 0 < len(name) <= _LONGEST_NAME or not name.isascii() or not name.isprintable():
            raise Refusal(400, "The message has no name, as signed ones have.")
        if not (self._is_standard(headers, name, body) if is_standard else self._is_github(headers, body)):
            raise Refusal(401, "The signature is not one of a sender that is known here.")
        # GitHub signs the body alone: under another name, what somebody has seen is still the same message
        return f"standard {name}" if is_standard else f"github {hashlib.sha256(body).hexdigest()}"

    def scopes(self, token: str) -> frozenset[str]:
        """Return what a token may do; nothing if it is not known, in a time that does not tell which are."""
        given = _digest(token)
        found = [scopes for known, scopes in self.tokens.items() if hmac.compare_digest(known, given)]
        return found[0] if found else frozenset()

    def _is_standard(self, headers: Mapping[str, str], name: str, body: bytes) -> bool:
        said = headers.get(TIMESTAMP, "")
        if not re.fullmatch(r"\d{1,12}", said) or abs(self.clock() - int(said)) > _TOLERANCE_SECONDS:
            raise Refusal(401, "The message is too old, or the clocks differ. Send it again.")
        given = headers[SIGNATURE].split()[:10]
        own = [signature(key, name, int(said), body).encode() for key in self.keys]
        return any([hmac.compare_digest(one, each.encode("utf-8", "replace")) for one in own for each in given])

    def _is_github(self, headers: Mapping[str, str], body: bytes) -> bool:
        own = f"sha256={hmac.new(self.github, body, hashlib.sha256).hexdigest()}"
        return hmac.compare_digest(own.encode(), headers[GITHUB_SIGNATURE].encode("utf-8", "replace"))


def may(scopes: frozenset[str], wanted: str) -> bool:
    """Return whether scopes allow something, such as `deliveries/sales`."""
    return wanted in scopes or wanted.partition("/")[0] in scopes


@dataclass
class Seen:
    """The names of the messages that were taken, in a file, so that one that is sent again later is known."""

    path: Path

    def is_new(self, name: str) -> bool:
        """Note a message; return whether it was not known. Raises Refusal if it cannot be noted."""
        try:
            with closing(sqlite3.connect(self.path, timeout=5)) as con, con:
                con.execute("create table if not exists messages (number integer primary key, name text unique)")
                if con.execute("insert or ignore into messages (name) values (?)", (name,)).rowcount == 0:
                    return False
                con.execute(
                    "delete from messages where number <= (select max(number) from messages) - ?", (_MOST_NAMES,)
                )
                return True
        except sqlite3.Error as error:
            raise Refusal(503, f"The message cannot be noted, so it is not taken: {error}.") from None

    def forget(self, name: str) -> None:
        """Let a message come again that was refused for now."""
        with closing(sqlite3.connect(self.path, timeout=5)) as con, con:
            con.execute("delete from messages where name = ?", (name,))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
