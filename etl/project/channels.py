"""Where messages go: the addresses in ETL_NOTIFY and ETL_NOTIFY_<OWNER>. They hold passwords; none is shown."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

#: The addresses of everybody, separated by blanks; those of an owner have the owner's name behind it.
NOTIFY = "ETL_NOTIFY"
#: What is told when a night begins and ends, so that somebody outside notices one that did not.
PING = "ETL_PING_URL"
#: The collector of OpenTelemetry that figures and spans are sent to, and the headers that it wants.
OTLP, OTLP_HEADERS = "ETL_OTLP_URL", "ETL_OTLP_HEADERS"
#: Where events of what is published are posted to, and the secrets that sign them.
EVENTS, EVENTS_SECRET = "ETL_EVENTS_URL", "ETL_EVENTS_SECRET"
#: The secrets that senders of webhooks sign with, and tokens with what each may do.
HOOK_SECRET, GITHUB_SECRET, HOOK_TOKENS = "ETL_HOOK_SECRET", "ETL_GITHUB_SECRET", "ETL_HOOK_TOKENS"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}(?=://)")


@dataclass(frozen=True)
class Channel:
    """One address, named by its variable, its place there and its scheme, such as `ETL_NOTIFY 1 (mailtos)`."""

    variable: str
    position: int
    address: str = field(repr=False)

    @property
    def name(self) -> str:
        """What the ledger, the log and messages call it: nothing of it is secret."""
        scheme = _SCHEME.match(self.address)
        return f"{self.variable} {self.position}" + (f" ({scheme[0].lower()})" if scheme else "")


def is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether anybody is to be told anything, or pinged."""
    return bool(environment.get(PING, "").strip()) or is_told(environment)


def is_told(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether there is an address of anybody."""
    return any(value.strip() for name, value in environment.items() if _is_address(name))


def otlp_is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether figures and spans are sent to a collector."""
    return bool(environment.get(OTLP, "").strip())


def channels(environment: Mapping[str, str] = os.environ) -> list[Channel]:
    """Return every address, those of everybody first; one that appears twice is there twice."""
    variables = sorted(filter(_is_address, environment), key=lambda name: (name != NOTIFY, name))
    return [
        Channel(name, number, address)
        for name in variables
        for number, address in enumerate(environment[name].split(), 1)
    ]


def variable_of(owner: str) -> str:
    """Return the variable with the addresses of an owner: `Sales & Co` has ETL_NOTIFY_SALES_CO."""
    plain = unicodedata.normalize("NFKD", owner).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Z0-9]+", "_", plain.upper()).strip("_")
    return f"{NOTIFY}_{name}" if name else NOTIFY


def _is_address(name: str) -> bool:
    return name == NOTIFY or name.startswith(f"{NOTIFY}_")
