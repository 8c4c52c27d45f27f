"""The dead man's switch: a server outside is told that a night begins and how it ends, so that it misses the one
that does not.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from etl.errors import ConfigError, printable_lines
from etl.project.channels import PING

log = logging.getLogger("etl")

#: How the server wants it: as healthchecks.io does, or a plain request when a night ended well.
STYLE = "ETL_PING_STYLE"
HEALTHCHECKS, GET = "healthchecks", "get"
START, SUCCESS, FAIL, LOG = "start", "", "fail", "log"
#: So many seconds may all tries of one ping take, and so many times it is tried.
_SECONDS, _TRIES, _TRY_SECONDS = 10.0, 3, 5.0
_LONGEST = 10_000


def check_ping() -> None:
    """Raise ConfigError if the address or the style of the pings is not one; the address is not said."""
    address, style = os.environ.get(PING, "").strip(), os.environ.get(STYLE, "") or HEALTHCHECKS
    if not address:
        return
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or set(address) & set(" \t\n"):
        raise ConfigError(f"{PING} is not an address such as https://hc-ping.com/UUID.")
    if style not in (HEALTHCHECKS, GET):
        raise ConfigError(f"{STYLE}={style} is not a style of pings. Use {HEALTHCHECKS} or {GET}.")


def ping(what: str, run_id: str, text: str = "") -> str:
    """Tell the server of ETL_PING_URL that a run starts, or how it ended; return why it could not be told.

    The server pairs start and end by the run. It takes at most ten seconds, five at the start, and raises nothing.
    """
    if not os.environ.get(PING, "").strip():
        return ""
    tries = 1 if what == START else _TRIES
    seconds = _TRY_SECONDS if what == START else _SECONDS
    said: list[str] = []
    thread = threading.Thread(target=_tried, args=(what, run_id, text, tries, seconds, said), daemon=True)
    try:
        thread.start()
        thread.join(seconds)
    except RuntimeError:
        # an interpreter that ends starts no thread any more
        _tried(what, run_id, text, tries, seconds, said)
    if problem := (said[-1] if said else "it did not answer in time"):
        log.warning("warning: the server of %s could not be told: %s", PING, problem)
    return problem


def _tried(what: str, run_id: str, text: str, tries: int, seconds: float, said: list[str]) -> None:
    """Try until the server takes it; the last of `said` is why it did not, empty if it did."""
    end = time.monotonic() + seconds
    for number in range(tries):
        left = min(_TRY_SECONDS, end - time.monotonic())
        if left <= 0:
            return
        try:
            check_ping()
            _request(what, run_id, text, left)
        except Exception as error:
            said.append(_why(error))
        else:
            said.append("")
            return
        if number + 1 < tries:
            time.sleep(min(0.3 * 2**number, max(0.0, end - time.monotonic())))


def _request(what: str, run_id: str, text: str, seconds: float) -> None:
    from urllib.request import Request, urlopen

    address = os.environ[PING].strip()
    if os.environ.get(STYLE) == GET:
        if what == SUCCESS:
            urlopen(Request(address), timeout=seconds).close()
        return
    parts = urlsplit(address)
    path = parts.path.rstrip("/") + (f"/{what}" if what else "")
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("rid", str(_uuid(run_id)))])
    body = printable_lines(text).encode("utf-8", "replace")[:_LONGEST]
    urlopen(Request(urlunsplit((parts.scheme, parts.netloc, path, query, "")), data=body), timeout=seconds).close()


def _uuid(run_id: str) -> uuid.UUID:
    """Return the UUID that stands for a run."""
    return uuid.uuid5(uuid.NAMESPACE_OID, run_id)


def _why(error: Exception) -> str:
    """Return why a server did not take a ping, without its address, which errors quote."""
    if isinstance(error, ConfigError):
        return str(error).rstrip(".")
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return f"it answered with the error {code}"
    reason = getattr(error, "reason", error)
    return "it did not answer in time" if isinstance(reason, TimeoutError) else f"{type(reason).__name__}"
