"""Posting to servers of others: to the address that is set and no other, and without quoting it."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from urllib.request import OpenerDirector


def post(address: str, body: bytes, headers: Mapping[str, str], seconds: float) -> None:
    """Post a body. Raises OSError if it is not taken, also for an answer that sends to another address.

    What would follow such an answer had no body any more, and told the headers, with their secrets, to anybody.
    The login of an address is in a header.
    """
    from urllib.request import Request

    parts = urlsplit(address)
    login, mark, host = parts.netloc.rpartition("@")
    said = {"Authorization": f"Basic {b64encode(unquote(login).encode()).decode()}"} if mark else {}
    address = urlunsplit(parts._replace(netloc=host))
    _straight().open(Request(address, body, {**said, **headers}), timeout=seconds).close()


@dataclass(frozen=True)
class Taken:
    """What became of bodies that were posted in order: how many were taken or refused, and why no more were."""

    taken: int
    refused: int = 0
    why: str = ""


def post_each(
    address: str,
    bodies: Iterable[bytes],
    headers: Callable[[bytes], Mapping[str, str]],
    *,
    end: float,
    one: float,
    refused: Collection[int] = (),
) -> Taken:
    """Post bodies in order, up to the first that is not taken: the next one is asked for when its turn has come.

    `end` is when all must be over, by time.monotonic(); `one` how many seconds one may take. With a code of
    `refused` a server says that a body itself is wrong: it is not sent again.
    """
    from urllib.error import HTTPError

    taken = wrong = 0
    try:
        for body in bodies:
            left = min(one, end - time.monotonic())
            if left <= 0:
                raise TimeoutError
            try:
                post(address, body, headers(body), left)
            except HTTPError as error:
                with error:
                    if error.code not in refused:
                        raise
                wrong += 1
            taken += 1
    except OSError as error:
        return Taken(taken, wrong, why_not(error))
    return Taken(taken, wrong)


def why_not(error: OSError) -> str:
    """Return why a server did not take something, without its address, which errors quote."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return f"it answered with the error {code}"
    reason = getattr(error, "reason", error)
    return "it did not answer in time" if isinstance(reason, TimeoutError) else type(reason).__name__


@cache
def _straight() -> OpenerDirector:
    from urllib.request import HTTPRedirectHandler, build_opener

    class Straight(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """Return nothing: the answer is an error."""

    return build_opener(Straight)
