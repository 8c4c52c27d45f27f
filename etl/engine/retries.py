"""What fails for a reason that passes by itself is tried again, after longer and longer waits."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from etl.errors import EtlError, is_full_disk, sentence

if TYPE_CHECKING:
    from tenacity import RetryCallState
    from tenacity.wait import wait_base

log = logging.getLogger("etl")

#: How long to wait before the second time, in seconds; then twice as long each time, and a random while more.
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 1.0, 60.0

#: The errors of the system that pass by themselves: locks, and a network, or a file system on one, that is away.
PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *(
            "EAGAIN",
            "EWOULDBLOCK",
            "EINTR",
            "ERESTART",
            "EBUSY",
            "EDEADLK",
            "ENOLCK",
            "EIO",
            "ESTALE",
            "EREMOTEIO",
        ),
        *("ETIMEDOUT", "ECONNRESET", "ECONNREFUSED", "ECONNABORTED", "EPIPE", "ENOTCONN"),
        *("EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENETRESET"),
    )
    if hasattr(errno, name)
)
#: So do these of SQLite, by their number: another one writes, or the file system failed.
_PASSING_SQLITE = frozenset({5, 6, 10})
#: These of DuckDB, by what it says; it quotes the system.
_PASSING_DUCKDB = ("Conflicting lock", "Could not establish connection", *map(os.strerror, sorted(PASSING)))
#: These of libraries that speak to servers, by the name of a class, and these answers of a server.
_PASSING_KINDS = frozenset({"ConnectionError", "TimeoutError", "Timeout", "ConnectTimeout", "ReadTimeout"})
_PASSING_ANSWERS = frozenset({408, 425, 429, 500, 502, 503, 504})
#: What a resolver of names says when it could not ask.
_UNRESOLVED = -3

_Result = TypeVar("_Result")


def retried(
    do: Callable[[], _Result],
    retries: int,
    what: str,
    note: Callable[[int], object] = lambda attempts: None,
) -> _Result:
    """Return what `do` returns; if it fails for a reason that passes, call it again, up to `retries` times.

    Each further time is said in the log, and `note` is called with how often `do` was called by then. What it
    raised last is raised. What is_transient() does not know is never tried again.
    """
    try:
        return do()
    except Exception as error:
        if not retries or not is_transient(error):
            raise
        first = [error]

    import tenacity

    def again() -> _Result:
        if first:
            raise first.pop()
        return do()

    def told(state: RetryCallState) -> None:
        assert state.outcome and state.next_action
        cause = str(state.outcome.exception()).split("\n")[0]
        log.warning("warning: %s: %s It is tried again in %.1f s", what, sentence(cause), state.next_action.sleep)
        note(state.attempt_number + 1)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_transient),
        stop=tenacity.stop_after_attempt(retries + 1),
        wait=wait(),
        before_sleep=told,
        reraise=True,
    )(again)


def wait() -> wait_base:
    """Return how long tenacity waits before it tries again."""
    import tenacity

    longer = tenacity.wait_exponential(_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS)
    return longer + tenacity.wait_random(0, _FIRST_WAIT_SECONDS)


def is_transient(error: BaseException | None) -> bool:
    """Return whether an error, or what it was raised from, passes by itself, so that trying again helps.

    A full disk does not, nor does anything that is wrong with a delivery, a contract or a model.
    """
    while error is not None:
        if is_full_disk(error):
            return False
        if _passes(error):
            return True
        error = error.__cause__
    return False


def _passes(error: BaseException) -> bool:
    if isinstance(error, EtlError):
        return error.is_transient
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING_SQLITE:
        return True
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if any(kind.startswith("HTTP") for kind in kinds) and _answer(error) in _PASSING_ANSWERS:
        return True
    if "duckdb" in type(error).__module__:
        return "IOException" in kinds and any(sign in str(error) for sign in _PASSING_DUCKDB)
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in PASSING or (error.errno == _UNRESOLVED and "gaierror" in kinds)
    reason = getattr(error, "reason", None)
    return not kinds.isdisjoint(_PASSING_KINDS) or (isinstance(reason, OSError) and _passes(reason))


def _answer(error: BaseException) -> object:
    """Return the number of what a server has answered."""
    holders = (error, getattr(error, "response", None))
    found = (getattr(holder, name, None) for holder in holders for name in ("code", "status", "status_code"))
    return next((answer for answer in found if isinstance(answer, int)), None)
