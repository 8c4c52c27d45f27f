"""What every handler does: it judges who asks, and its answer carries the headers that close the rest."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any
from urllib.parse import quote

from tornado.web import HTTPError, RequestHandler

from etl.errors import ConfigError, EtlError
from etl.operations.serve import routes
from etl.operations.serve.access import TOKEN, Access, is_own_origin
from etl.operations.serve.asked import Asked, Refusal
from etl.operations.serve.changes import Changes
from etl.operations.serve.hooks import RUNS, Hooks, Seen, may
from etl.operations.serve.limits import Limits
from etl.operations.serve.reading import Reading
from etl.operations.serve.routes import Route
from etl.operations.serve.shell import page, policy
from etl.project import Project
from etl.reports.page.markup import element

log = logging.getLogger("etl-serve")

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
#: A place of ours to go to after the token was shown.
OWN_PLACE = re.compile(r"/(?![/\\])[!-\[\]-~]{0,500}")
#: A reader that takes no bytes for so long is let go.
_SLOWEST_SECONDS = 120

HEADERS = {
    "Server": "etl",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # with no-referrer a browser would not say either where a form comes from
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


#: How large a delivery may be that is uploaded, unless something else is said.
UPLOAD_BYTES = 1 << 30


class Unanswered(HTTPError):
    """Raised for what is not answered: the status, a sentence that says why, and headers beside it."""

    def __init__(self, status: int, said: str, **headers: str) -> None:
        super().__init__(status)
        self.said, self.headers = said, headers


@dataclass
class Served:
    """What all handlers of a server share."""

    project: Project
    access: Access
    reading: Reading
    changes: Changes
    _: KW_ONLY
    cookie: str = "etl_session"
    limits: Limits = field(default_factory=Limits)
    #: How many readers follow a run now, and how many send a delivery.
    streams: int = 0
    uploads: int = 0
    hooks: Hooks = field(default_factory=Hooks)
    #: How large a delivery may be that is uploaded.
    upload_bytes: int = UPLOAD_BYTES

    @property
    def seen(self) -> Seen:
        """The messages that were taken."""
        return Seen(self.project.data / "hooks.sqlite")


class Handler(RequestHandler):
    """What every answer has in common."""

    def initialize(self, served: Served, route: Route | None = None) -> None:
        """Take what the server shares, and the route that is answered."""
        self.served, self.route = served, route
        #: What has shown who asks: `token`, `session`, or nothing.
        self.shown = ""
        self.session = ""
        #: The name of the message that was signed.
        self.message = ""

    def set_default_headers(self) -> None:
        """Have every answer, of errors too, close what a browser might do with it."""
        for name, value in {**HEADERS, "Content-Security-Policy": policy()}.items():
            self.set_header(name, value)

    async def prepare(self) -> None:
        """Judge who asks. Raises Unanswered, or sends a browser to the page that takes the token."""
        self._judge_request()
        if self.request.method == "POST" and self.route and self.route.scope and self._is_sender():
            return
        self._look_for_rights()
        is_open = self.route is not None and self.route.is_open
        if not is_open and self.served.access.token and not self.shown:
            self._ask_for_token()
            return
        methods = self.route.methods if self.route else ()
        if self.route and self.request.method not in methods:
            raise Unanswered(405, "This page does not take that method.", Allow=", ".join(methods))
        if self.request.method == "POST" and not is_open:
            self._judge_change()

    def _judge_request(self) -> None:
        request = self.request
        if wait := self.served.limits.asking.take(self.who):
            self._refuse_for_now(wait)
        if len(request.headers.get_list("Host")) != 1 or not self.served.access.is_own_host(request.host):
            raise Unanswered(421, "This name is not one of this server. To allow it: etl serve --name NAME")
        origins = request.headers.get_list("Origin")
        if any(not is_own_origin(origin, request.host) for origin in origins):
            raise Unanswered(403, "Another site has asked for this, and it is not answered.")
        is_foreign = request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        is_followed = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if is_foreign and not is_followed:
            raise Unanswered(403, "Another site has asked for this, and it is not answered.")
        if any(map(_is_hostile, [*self.path_args, *_parts_of(request.arguments)])):
            raise Unanswered(400, "The address or the form holds what is not text.")

    def _is_sender(self) -> bool:
        """Return whether a sender asks that has shown what it may do; others are judged as all are.

        Raises Unanswered for a forged message, and for a token that is for something else.
        """
        hooks, route = self.served.hooks, self.route
        assert route
        if route.scope == RUNS and hooks.is_signed(self.request.headers):
            try:
                self.message = hooks.message(self.request.headers, self.request.body)
            except Refusal as error:
                raise answer_to(error) from error
            self.shown = "signature"
        else:
            kind, _, given = self.request.headers.get("Authorization", "").partition(" ")
            scopes = hooks.scopes(given.strip()) if kind.lower() == "bearer" else frozenset()
            if not scopes:
                return False
            wanted = "/".join((route.scope, *self.path_args))
            if not may(scopes, wanted):
                raise Unanswered(403, f"This token is not for {wanted}.")
            self.shown = "scoped token"
        if self.served.access.is_read_only:
            raise Unanswered(403, "Nothing can be changed here: the server was started with --read-only.")
        if wait := self.served.limits.changing.take(self.who):
            self._refuse_for_now(wait)
        return True

    def _look_for_rights(self) -> None:
        """Find out what was shown: the token in a header, or a session in a cookie."""
        access = self.served.access
        kind, _, given = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            self.shown = "token" if self.is_token(given.strip()) else ""
            return
        session = self.get_cookie(self.served.cookie) or ""
        if session and access.is_session(session):
            self.shown, self.session = "session", session

    def is_token(self, given: str) -> bool:
        """Return whether the token was given; whoever was wrong too often has to wait. Raises Unanswered."""
        if wait := self.served.limits.guessing.seconds_left(self.who):
            self._refuse_for_now(wait)
        if self.served.access.is_token(given):
            return True
        self.served.limits.guessing.count(self.who)
        return False

    def _ask_for_token(self) -> None:
        if self.request.method == "GET" and self.wants_html:
            uri = str(self.request.uri)
            to = f"?next={quote(uri, safe='')}" if uri != "/" and OWN_PLACE.fullmatch(uri) else ""
            self.redirect(f"/login{to}", status=303)
        else:
            raise Unanswered(401, "The token is needed.", WWW_Authenticate='Bearer realm="etl"')

    def _judge_change(self) -> None:
        is_leaving = self.route is not None and self.route.kind == routes.LOGOUT
        if not self.shown:
            raise Unanswered(403, f"Nothing can be changed here: {TOKEN} was not set when the server was started.")
        given = self.get_body_argument("key", "")
        if self.shown == "session" and not self.served.access.is_form_key(self.session, given):
            raise Unanswered(403, "The form is not one of this session. Load the page again.")
        if not is_leaving and self.served.access.is_read_only:
            raise Unanswered(403, "Nothing can be changed here: the server was started with --read-only.")
        if not is_leaving and (wait := self.served.limits.changing.take(self.who)):
            self._refuse_for_now(wait)

    def _refuse_for_now(self, wait: float) -> None:
        raise Unanswered(429, "Too many requests. Try again later.", Retry_After=str(int(wait) + 1))

    @property
    def who(self) -> str:
        """The address that asks, as it is counted: one who has a network of IPv6 has its 64 bits of addresses."""
        try:
            address = ipaddress.ip_address(str(self.request.remote_ip).partition("%")[0])
        except ValueError:
            return "unknown"
        return str(ipaddress.ip_network((address, 64), strict=False) if address.version == 6 else address)

    @property
    def wants_html(self) -> bool:
        """Whether a person asks, with a browser."""
        return "text/html" in self.request.headers.get("Accept", "")

    @property
    def may_change(self) -> bool:
        """Whether who asks may change something."""
        return bool(self.shown) and not self.served.access.is_read_only

    @property
    def form_key(self) -> str:
        """What the forms of this session say."""
        return self.served.access.form_key(self.session) if self.session else ""

    def asked(self) -> Asked:
        """Return what is asked."""
        values = {name: self.get_arguments(name) for name in self.request.arguments if name != "key"}
        may_change = self.may_change and bool(self.session)
        return Asked(self.served.project, self.path_args, values, may_change=may_change, form_key=self.form_key)

    def show(self, title: str, content: object, *, refresh: int = 0) -> None:
        """Answer with a page."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        is_stranger = bool(self.served.access.token) and not self.shown
        project = None if is_stranger else self.served.project
        place = str(self.request.path)
        text = page(project, title, content, form_key=self.form_key, place=place, refresh=refresh)
        self.finish(text.encode("utf-8", "backslashreplace"))

    def show_data(self, data: Any) -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(data, default=str))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what is wrong in one sentence, without a traceback."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        said = self._sentence(status_code, error)
        for name, value in error.headers.items() if isinstance(error, Unanswered) else ():
            self.set_header(name.replace("_", "-"), value)
        if self.wants_html and status_code != 421:
            self.show("This cannot be done" if status_code < 500 else "Something is wrong", element("p", said))
        else:
            self.show_data({"error": said})

    def _sentence(self, status: int, error: BaseException | None) -> str:
        if isinstance(error, Unanswered):
            return error.said
        usual = {404: "There is no such page.", 405: "This page does not take that method."}
        return usual.get(
            status, "The request was not understood." if status < 500 else "The log says what failed."
        )

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Write down only what nobody foresaw; the access log has the rest."""
        if not isinstance(value, HTTPError):
            log.error("a page failed: %s", self.request.path, exc_info=value)

    def on_finish(self) -> None:
        """Let a reader go that does not take its answer."""
        stream = getattr(self.request.connection, "stream", None)
        if stream is not None and stream.writing():
            asyncio.get_running_loop().call_later(_SLOWEST_SECONDS, lambda: stream.writing() and stream.close())

    async def read(self, function: Any, *given: Any) -> Any:
        """Return what a function reads, beside the loop; what is refused has its status. Raises Unanswered."""
        try:
            return await self.served.reading.do(function, *given)
        except (Refusal, EtlError) as error:
            raise answer_to(error) from error


def _parts_of(values: Mapping[str, Sequence[bytes]]) -> Iterator[str | bytes]:
    for name, texts in values.items():
        yield name
        yield from texts


def _is_hostile(text: str | bytes) -> bool:
    """Return whether a part of an address or a form is not UTF-8, or holds control characters."""
    try:
        return bool(_CONTROL.search(text.decode() if isinstance(text, bytes) else text))
    except UnicodeDecodeError:
        return True


def answer_to(error: Exception) -> Unanswered:
    """Return the answer for what was refused, or for a project that cannot be read."""
    status = error.status if isinstance(error, Refusal) else 404 if isinstance(error, ConfigError) else 503
    return Unanswered(status, str(error))
