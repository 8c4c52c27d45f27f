"""The address of a database: read from an environment variable, and never said with what is secret in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from etl.errors import FetchError, closest, few

#: The module of each scheme.
SCHEMES = {
    **dict.fromkeys(("postgresql", "postgres"), "postgresql"),
    **dict.fromkeys(("mysql", "mariadb"), "mysql"),
    "sqlite": "sqlite",
    "odbc": "odbc",
}
_SECRET = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)
#: What a text for ODBC may be shown of, in the order in which it is said.
_SHOWN = ("dsn", "driver", "server", "host", "database", "dbq")
#: A part of a text for ODBC; a value in braces may hold all but a brace that is not doubled.
_KEYWORD = re.compile(r"\s*([^=;{}]+?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;{}]*)\s*(?:;|$)")
#: The parts of an address; those that may be said have no marks that could hide a piece of a password.
_PARTS = re.compile(
    r"[^:]+://(?:(?P<user>[^:@/?#]*)(?::(?P<password>.*?))?@)?"
    r"(?P<host>[\w.-]*|\[[0-9a-fA-F:.]+\])(?::(?P<port>\d{1,5}))?(?:/(?P<database>[\w.%-]*))?(?:\?(?P<options>.*))?",
    re.DOTALL,
)
_MARKS = re.compile(r"[@/?#\[\]\s:]|%(?![0-9a-fA-F]{2})")


@dataclass(frozen=True)
class Address:
    """An address and the variable that holds it; printed without user's password."""

    variable: str
    text: str = field(repr=False)

    @classmethod
    def read(cls, variable: str, environment: Mapping[str, str] = os.environ) -> Address:
        """Return the address that a variable holds. Raises FetchError if it holds none."""
        text = environment.get(variable, "").strip()
        if not text:
            raise FetchError(
                f"The environment variable {variable} is not set. It holds the address of a database, such as "
                "postgresql://user:password@host/database. Set it, or write it into etl.env."
            )
        address = cls(variable, text)
        scheme = address.scheme
        if scheme not in SCHEMES:
            # what stands before a colon may be a part of a password
            hint = closest(scheme, SCHEMES) if re.fullmatch(r"[a-z0-9+]{1,20}", scheme) else []
            meant = f"Did you mean {hint[0]}?" if hint else f"It begins with one of {few(SCHEMES, 9)}."
            raise FetchError(f"{variable} does not hold the address of a database that etl knows. {meant}")
        address._check()
        return address

    @property
    def scheme(self) -> str:
        """What stands before the first colon, in small letters; `mysql+pymysql` is `mysql`."""
        return self.text.partition(":")[0].lower().partition("+")[0] if ":" in self.text else ""

    @property
    def kind(self) -> str:
        """The module that talks to it."""
        return SCHEMES[self.scheme]

    @property
    def user(self) -> str:
        """Who asks."""
        return unquote(self._part("user"))

    @property
    def password(self) -> str:
        """The password."""
        return unquote(self._part("password"))

    @property
    def host(self) -> str:
        """Where the server is."""
        return self._part("host").strip("[]")

    @property
    def port(self) -> int | None:
        """The port of the server, if it is said."""
        return int(self._part("port")) if self._part("port") else None

    @property
    def database(self) -> str:
        """The name of the database."""
        return unquote(self._part("database"))

    @property
    def options(self) -> dict[str, str]:
        """What follows the question mark; of ODBC all keywords, in small letters."""
        if self.scheme == "odbc":
            return {name.lower(): value for name, value in _KEYWORD.findall(self.text.partition(":")[2])}
        return dict(parse_qsl(self._part("options"), keep_blank_values=True))

    @property
    def shown(self) -> str:
        """The address as it may be said: without password, and without options."""
        if self.scheme == "sqlite":
            return f"sqlite:{self.text.rpartition('/')[2]}"
        if self.scheme == "odbc":
            shown = [f"{name}={self.options[name]}" for name in _SHOWN if self.options.get(name)]
            return f"odbc:{';'.join(shown)}"
        user, port, database = self._part("user"), self._part("port"), self._part("database")
        who = f"{user}{':***' if self._part('password') else ''}@" if user else ""
        return f"{self.scheme}://{who}{self._part('host')}{port and f':{port}'}{database and f'/{database}'}"

    def without_secrets(self, text: str) -> str:
        """Return what a library said of the database, without what is secret of the address."""
        text = text.replace(self.text, self.shown)
        secrets = {self._part("password"), self.password}
        secrets |= {value for name, value in self.options.items() if _SECRET.search(name)}
        in_braces = {secret[1:-1] for secret in secrets if secret.startswith("{")}
        secrets |= in_braces | {secret.replace("}}", "}") for secret in in_braces}
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _part(self, name: str) -> str:
        found = _PARTS.fullmatch(self.text)
        return (found[name] or "") if found else ""

    def _check(self) -> None:
        """Raise FetchError for an address that a library would take apart otherwise, and quote pieces of."""
        if self.scheme == "odbc":
            text = self.text.partition(":")[2]
            if not self.options or _KEYWORD.sub("", text).strip():
                raise FetchError(
                    f"The address in {self.variable} cannot be taken apart. Write it as odbc: and keywords of the "
                    "driver, such as odbc:DSN=shop;UID=etl;PWD={password}. A value in braces may hold all marks; "
                    "write } as }} there."
                )
            return
        if self.scheme != "sqlite" and (not _PARTS.fullmatch(self.text) or _MARKS.search(self._part("password"))):
            raise FetchError(
                f"The address in {self.variable} cannot be taken apart. Write it as {self.scheme}://user:password@"
                "host:port/database, and marks in user or password as %40 for @, %3A for :, %2F for /, %23 for #, "
                "%3F for ? and %25 for %."
            )
