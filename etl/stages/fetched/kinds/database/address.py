"""The address of a database: read from an environment variable, and never said with what is secret in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from etl.errors import FetchError, closest, few

#: The module of each scheme.
SCHEMES = {
    **dict.fromkeys(("postgresql", "postgres"), "postgresql"),
    **dict.fromkeys(("mysql", "mariadb"), "mysql"),
    "sqlite": "sqlite",
}
_SECRET = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)


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
    def shown(self) -> str:
        """The address as it may be said: without password, and without options."""
        if self.scheme == "sqlite":
            return f"sqlite:{self.text.rpartition('/')[2]}"
        parts = urlsplit(self.text)
        user = f"{parts.username}:***@" if parts.password is not None else f"{parts.username}@"
        host = parts.netloc.rpartition("@")[2]
        return f"{self.scheme}://{user if parts.username else ''}{host}{parts.path}"

    def without_secrets(self, text: str) -> str:
        """Return what a library said of the database, without what is secret of the address."""
        text = text.replace(self.text, self.shown)
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> set[str]:
        if self.scheme == "sqlite":
            return set()
        parts = urlsplit(self.text)
        found = {parts.password, unquote(parts.password)} if parts.password else set()
        return found | {value for name, value in parse_qsl(parts.query) if value and _SECRET.search(name)}
