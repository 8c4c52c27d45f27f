"""Posting to servers of others: to the address that is set and no other, and without quoting it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
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
