"""Listening: what PostgreSQL tells on a channel, by NOTIFY of a person, a program or a trigger."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Event

from etl.errors import ConfigError
from etl.operations.watch.waker import Watched
from etl.project import CONFIG

INSTALL = "Type: pip install 'etl[cdc]'"
_WRITTEN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*):([^\s,:\x00]{1,63})")
_ROUND_SECONDS, _CONNECT_SECONDS = 0.5, 10


@dataclass(frozen=True)
class Listening:
    """Wakes by a channel of the PostgreSQL whose address a variable holds."""

    variable: str
    channel: str
    is_outside = True

    @classmethod
    def of(cls, watched: Watched) -> Sequence[Listening]:
        """Return one for each channel of [etl] watch_listen."""
        said = f"{watched.project.root / CONFIG}: [etl] watch_listen"
        texts = [text.strip() for text in watched.project.settings.watch_listen.split(",")]
        found = [(text, _WRITTEN.fullmatch(text)) for text in texts if text]
        if found and find_spec("psycopg") is None:
            raise ConfigError(f"{said} needs psycopg. {INSTALL}")
        for text, parts in found:
            if parts is None:
                raise ConfigError(
                    f"{said} = {text} is not a variable with the address of a database and a channel, such as "
                    "SHOP_DSN:orders."
                )
            if not os.environ.get(parts[1], "").strip():
                raise ConfigError(
                    f"{said} = {text}: the environment variable {parts[1]} is not set. It holds the address, such "
                    "as postgresql://user:password@host/database. Set it, or write it into etl.env."
                )
        return [cls(parts[1], parts[2]) for _, parts in found if parts]

    @property
    def named(self) -> str:
        """The channel, without the address."""
        return f"the channel {self.channel} of {self.variable}"

    def wakes(self, stop: Event) -> Iterator[str]:
        """Yield at each message, and once when it begins to listen: what was told before was told to nobody.

        Raises OSError if the server cannot be reached or went away.
        """
        import psycopg
        from psycopg import sql

        try:
            with psycopg.connect(
                os.environ.get(self.variable, ""), autocommit=True, connect_timeout=_CONNECT_SECONDS
            ) as con:
                con.execute(sql.SQL("listen {}").format(sql.Identifier(self.channel)))
                yield f"{self.named} is listened to"
                while not stop.is_set():
                    if any(True for _ in con.notifies(timeout=_ROUND_SECONDS, stop_after=1)):
                        yield f"a message on {self.named}"
        except psycopg.Error as error:
            # what a driver says of an address may hold the password
            raise OSError(f"PostgreSQL cannot be listened to ({type(error).__name__})") from None
