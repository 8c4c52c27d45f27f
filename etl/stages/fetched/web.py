"""Requests: one at a time, tried again when a server asks for it, and with credentials for one host only."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from etl.errors import FetchError, sentence
from etl.sources.fetches.paging import ApiKey, Basic, Bearer, Jwt, OAuth2
from etl.sources.fetches.rest import plain_address

if TYPE_CHECKING:
    import httpx2

#: Answers that pass by themselves.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRIES, _REDIRECTS = 5, 5
#: So many seconds before a token is over, another one is fetched.
_MARGIN_SECONDS = 30


class Web:
    """What asks one host; `check` is called before each request, and ends a fetch that takes too long.

    Raises FetchError for an answer that is not to be had, with what the server says, and never with a secret.
    """

    def __init__(
        self,
        url: str,
        auth: Any,
        *,
        answer_within: float,
        longest_wait: float,
        pause: float = 0,
        deadline: float = float("inf"),
        check: Callable[[], None] = lambda: None,
    ) -> None:
        try:
            import httpx2
        except ImportError:
            raise FetchError(
                "Fetching from the web needs the library httpx2. Install it: pip install 'etl[api]'"
            ) from None
        self._httpx = httpx2
        self.origin = origin(url)
        self._auth, self._pause, self._deadline, self._check = auth, pause, deadline, check
        self._longest_wait = longest_wait
        self._token, self._token_ends = "", 0.0
        self._next = 0.0
        self._client = httpx2.Client(
            timeout=answer_within, follow_redirects=False, headers={"User-Agent": "etl", "Accept-Encoding": "gzip"}
        )

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    @contextmanager
    def ask(
        self,
        url: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        may_lead_elsewhere: bool = False,
        allowed: frozenset[int] = frozenset(),
    ) -> Iterator[httpx2.Response]:
        """Lend the answer, whose body is still to be read; one that passes by itself is waited for.

        `allowed` are numbers of answers that are not faults here. A redirection to another host is a FetchError,
        unless it may lead elsewhere: then nothing that shows who asks goes along.
        """
        wait = 1.0
        for number in range(1, _TRIES + 1):
            self._wait_for_turn()
            try:
                response = self._sent(url, parameters or {}, headers or {}, body, may_lead_elsewhere)
            except self._httpx.TransportError as error:
                if number == _TRIES:
                    said = sentence(f"{plain_address(url)} does not answer: {type(error).__name__} {error}")
                    raise passing(said) from error
                wait = self._slept(wait, None)
                continue
            if response.status_code in _PASSING and number < _TRIES:
                after = response.headers.get("Retry-After")
                response.close()
                wait = self._slept(wait, after)
                continue
            try:
                self._check_answer(url, response, allowed)
                yield response
            finally:
                response.close()
            return

    def body(self, url: str, most: int, **asked: Any) -> tuple[httpx2.Response, bytes]:
        """Return the answer to ask() with its body; one that breaks off is asked for again."""
        wait = 1.0
        for number in range(1, _TRIES + 1):
            # what ask() itself has tried in vain is not tried again
            with self.ask(url, **asked) as response:
                try:
                    return response, self._read(response, most)
                except FetchError as error:
                    if number == _TRIES or not isinstance(error.__cause__, self._httpx.RemoteProtocolError):
                        raise
            wait = self._slept(wait, None)
        raise AssertionError("the last try returns or raises")

    def _read(self, response: httpx2.Response, most: int) -> bytes:
        """Return the body of an answer. Raises FetchError for one that is larger, or that was cut off."""
        parts, size = [], 0
        try:
            for part in response.iter_bytes():
                self._check()
                size += len(part)
                if size > most:
                    raise FetchError(
                        f"The answer of {plain_address(str(response.url))} has more than {most:,} bytes."
                    )
                parts.append(part)
        except self._httpx.TransportError as error:
            said = sentence(f"{plain_address(str(response.url))} broke off after {size:,} bytes: {error}")
            raise passing(said) from error
        except self._httpx.DecodingError as error:
            raise FetchError(
                f"The answer of {plain_address(str(response.url))} cannot be unpacked: {error}."
            ) from error
        return b"".join(parts)

    @property
    def broken(self) -> type[Exception]:
        """What is raised while a body is read that breaks off."""
        return self._httpx.TransportError

    @property
    def version(self) -> dict[str, str]:
        """The library with its version."""
        return {"httpx2": str(self._httpx.__version__)}

    def _sent(
        self, url: str, parameters: Mapping[str, Any], headers: Mapping[str, str], body: Any, elsewhere: bool
    ) -> httpx2.Response:
        """Return the answer, after redirections."""
        for _ in range(_REDIRECTS + 1):
            is_own = origin(url) == self.origin
            if not is_own and not elsewhere:
                raise FetchError(
                    f"{self.origin} leads to {origin(url)}, another place. Nothing was asked there: it "
                    "would see who asks. Write that address if it is the right one."
                )
            who = self._credentials() if is_own else ({}, {})
            request = self._client.build_request(
                "GET" if body is None else "POST",
                self._httpx.URL(url).copy_merge_params({**parameters, **who[1]}),
                headers={**headers, **who[0]} if is_own else dict(headers),
                json=body,
            )
            response = self._client.send(request, stream=True)
            if not response.is_redirect or "location" not in response.headers:
                return response
            url, parameters = urljoin(url, response.headers["location"]), {}
            response.close()
        raise FetchError(f"The address {plain_address(url)} leads on and on. See what is wrong with it.")

    def _check_answer(self, url: str, response: httpx2.Response, allowed: frozenset[int]) -> None:
        number = response.status_code
        if 200 <= number < 300 or number in allowed:
            return
        text = self._read(response, 1 << 20).decode("utf-8", "replace")
        said = " ".join(text.split())[:200]
        what = f"{plain_address(url)} answered {number} {response.reason_phrase}{f': {said}' if said else ''}"
        if number in _PASSING:
            raise passing(f"{what}.")
        if number in (401, 403) and self._auth is None:
            raise FetchError(f"{what}. It wants to know who asks. Add auth.")
        if number in (401, 403):
            names = " and ".join(getattr(self._auth, name) for name in self._auth.secrets)
            raise FetchError(f"{what}. See whether {names} may read it.")
        raise FetchError(f"{what}.")

    def _wait_for_turn(self) -> None:
        now = time.monotonic()
        if now < self._next:
            time.sleep(self._next - now)
        self._check()
        self._next = max(now, self._next) + self._pause

    def _slept(self, wait: float, after: str | None) -> float:
        """Wait as a server asks, or for longer each time; return how long the next wait is."""
        asked = _seconds(after)
        seconds = wait if asked is None else asked
        if seconds > self._longest_wait or time.monotonic() + seconds > self._deadline:
            raise passing(f"{self.origin} asks for a wait of {seconds:,.0f} s, which is longer than it may take.")
        time.sleep(seconds)
        return wait * 2

    def _credentials(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the headers and the parameters that show who asks."""
        auth = self._auth
        if isinstance(auth, ApiKey):
            return (
                ({}, {auth.parameter: secret(auth.key)})
                if auth.parameter
                else ({auth.header: secret(auth.key)}, {})
            )
        if isinstance(auth, Basic):
            import base64

            pair = f"{secret(auth.user)}:{secret(auth.password)}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, {}
        if isinstance(auth, Bearer):
            return {"Authorization": f"Bearer {secret(auth.token)}"}, {}
        return ({"Authorization": f"Bearer {self._signed()}"}, {}) if auth is not None else ({}, {})

    def _signed(self) -> str:
        """Return a token that holds for a while."""
        if time.time() > self._token_ends - _MARGIN_SECONDS:
            make = _granted if isinstance(self._auth, OAuth2) else _made
            self._token, self._token_ends = make(self._client, self._auth)
        return self._token


def secret(variable: str) -> str:
    """Return the value of an environment variable. Raises FetchError if it is not set."""
    value = os.environ.get(variable, "")
    if not value:
        raise FetchError(f"The environment variable {variable} is not set. Set it, or write it into etl.env.")
    return value


def origin(url: str) -> str:
    """Return scheme, host and port of an address."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def passing(what: str) -> FetchError:
    """Return an error that passes by itself."""
    found = FetchError(what)
    found.is_transient = True
    return found


def _granted(client: httpx2.Client, auth: OAuth2) -> tuple[str, float]:
    """Return a token that the server of tokens grants, and when it is over."""
    asked = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
    pair = (secret(auth.client_id), secret(auth.client_secret))
    response = client.post(auth.token_url, data=asked, auth=pair)
    try:
        answer = response.json()
        if response.status_code == 200:
            return str(answer["access_token"]), time.time() + float(answer.get("expires_in", 300))
    except (ValueError, KeyError, TypeError):
        pass
    what = f"{plain_address(auth.token_url)} gave no token: {response.status_code} {response.reason_phrase}."
    raise passing(what) if response.status_code in _PASSING else FetchError(what)


def _made(client: httpx2.Client, auth: Jwt) -> tuple[str, float]:
    """Return a token that is signed with the key, and when it is over."""
    try:
        import jwt
    except ImportError:
        raise FetchError("Jwt(...) needs the library PyJWT. Install it: pip install 'etl[api]'") from None
    now = int(time.time())
    ends = now + auth.seconds
    try:
        return jwt.encode({**auth.claims, "iat": now, "exp": ends}, secret(auth.key), auth.algorithm), ends
    except (jwt.PyJWTError, ValueError, NotImplementedError) as error:
        raise FetchError(f"No token can be signed with {auth.key}: {type(error).__name__}.") from None


def _seconds(after: str | None) -> float | None:
    """Return how long a server asks to wait: it says seconds, or a time."""
    if not after:
        return None
    try:
        seconds = float(after)
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
