"""The handlers: pages, the report, what comes of a run under way, the token, and what was begun."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, stream_request_body

from etl.errors import EtlError
from etl.ledger.lock import holder
from etl.operations.serve import routes
from etl.operations.serve.access import SESSION_SECONDS, TOKEN
from etl.operations.serve.asked import Refusal
from etl.operations.serve.changes import Change
from etl.operations.serve.handler import OWN_PLACE, Handler, Unanswered, answer_to
from etl.operations.serve.routes import Route
from etl.operations.serve.shell import address
from etl.operations.serve.shell import field as form_field
from etl.operations.serve.tail import follow
from etl.operations.serve.uploads import Upload, wanted
from etl.reports.page import document
from etl.reports.page.markup import element

log = logging.getLogger("etl-serve")

_MOST_STREAMS, _MOST_UPLOADS = 20, 8
#: A delivery may take so long to come.
_UPLOAD_SECONDS = 3600
_FLUSH_SECONDS, _WAIT_SECONDS = 10, 1.0


class Missing(Handler):
    """What is at no address; it is not told apart from the others for who has not shown the token."""

    def get(self) -> None:
        """Say that there is nothing."""
        raise HTTPError(404)

    post = get


class Page(Handler):
    """A page that is read, and the form that begins a command of `etl`."""

    async def get(self, *names: str) -> None:
        """Show the page, or its data as JSON for who asks for that."""
        route = self._route_with("read")
        asked = self.asked()
        data = await self.read(route.read, asked)
        if not self.wants_html:
            return self.show_data(data)
        assert route.tell
        called = route.called(data) if route.called else ".".join(names)
        title = f"{route.title} {called}".strip()
        self.show(title, await self.read(route.tell, asked, data))

    async def post(self, *names: str) -> None:
        """Begin the command, and lead to what it says."""
        route = self._route_with("order")
        arguments: Sequence[str] = await self.read(route.order, self.asked())
        change = self._begun(arguments)
        if change is None:
            return self.show_data({"said": "This message was taken before."})
        log.info("%s %s begins: etl %s", self.request.remote_ip, self.shown, arguments[0])
        await self.served.changes.wait(change, _WAIT_SECONDS)
        if change.was_refused:
            raise Unanswered(409, "A run or another command has the project. Wait until it is over.")
        to = address("changes", change.id)
        if self.wants_html:
            return self.redirect(to, status=303)
        self.set_status(202)
        self.set_header("Location", to)
        self.show_data({**_plain(change), "run": holder(self.served.project)})

    def _begun(self, arguments: Sequence[str]) -> Change | None:
        """Begin a command; nothing for a message that has begun one before. Raises Unanswered."""
        try:
            if self.message and not self.served.seen.is_new(self.message):
                return None
            try:
                return self.served.changes.begin(arguments)
            except Refusal:
                if self.message:
                    # its sender sends it again
                    self.served.seen.forget(self.message)
                raise
        except Refusal as error:
            raise answer_to(error) from error

    def _route_with(self, part: str) -> Route:
        if self.route is None or getattr(self.route, part) is None:
            raise HTTPError(405)
        return self.route


class Report(Handler):
    """The report, as it would be written now."""

    async def get(self) -> None:
        """Show it, or its data."""
        is_html = self.route is not None and self.route.kind == routes.REPORT
        try:
            text = await self.served.reading.report("html" if is_html else "json")
        except (Refusal, EtlError) as error:
            raise answer_to(error) from error
        if is_html:
            self.set_header("Content-Security-Policy", f"{document.policy()}; frame-ancestors 'none'")
        self.set_header("Content-Type", "text/html; charset=utf-8" if is_html else "application/json")
        self.finish(text)


@stream_request_body
class Delivery(Handler):
    """A file of a source that is uploaded: part by part to a file aside, and then to its place."""

    upload: Upload | None = None

    async def prepare(self) -> None:
        """Judge who asks and where the file is to lie, before any of it is read."""
        await super().prepare()
        if self._finished:
            return
        if self.shown == "session":
            raise Unanswered(403, "A delivery is uploaded with a token, not from a page.")
        if self.served.uploads >= _MOST_UPLOADS:
            raise Unanswered(503, "Too many deliveries are uploaded at once. Try again in a moment.")
        place = await self.read(wanted, self.asked())
        try:
            self.upload = Upload(place)
        except OSError as error:
            raise _unwritten(error) from error
        self.served.uploads += 1
        # who was refused may send no more than a form
        self._connection.set_max_body_size(self.served.upload_bytes)
        self._connection.set_body_timeout(_UPLOAD_SECONDS)

    def data_received(self, chunk: bytes) -> None:
        """Take one part."""
        if self.upload:
            try:
                self.upload.write(chunk)
            except OSError as error:
                raise _unwritten(error) from error

    async def post(self, source: str) -> None:
        """Put the file in its place."""
        assert self.upload
        upload, self.upload = self.upload, None
        try:
            facts = await asyncio.to_thread(upload.finish)
        except Refusal as error:
            raise answer_to(error) from error
        except OSError as error:
            raise _unwritten(error) from error
        finally:
            self.served.uploads -= 1
            upload.give_up()
        self.set_status(201 if facts["is_new"] else 200)
        self.show_data(facts)

    def on_finish(self) -> None:
        """Leave nothing of what was refused."""
        super().on_finish()
        self._give_up()

    def on_connection_close(self) -> None:
        """Leave nothing of what its sender has broken off."""
        super().on_connection_close()
        self._give_up()

    def _give_up(self) -> None:
        if self.upload:
            self.upload.give_up()
            self.upload = None
            self.served.uploads -= 1

    @property
    def _connection(self) -> HTTP1Connection:
        assert isinstance(self.request.connection, HTTP1Connection)
        return self.request.connection


def _unwritten(error: OSError) -> Unanswered:
    return Unanswered(507, f"The delivery cannot be written: {error.strerror}. Nothing of it is there.")


class Events(Handler):
    """What a run under way does and says, as server-sent events."""

    async def get(self, name: str) -> None:
        """Send what comes until the run is over, or the reader is gone."""
        if self.served.streams >= _MOST_STREAMS:
            raise Unanswered(503, "Too many pages follow a run. Close one of them.")
        self.served.streams += 1
        try:
            await self._send()
        except (Refusal, EtlError) as error:
            raise answer_to(error) from error
        except (StreamClosedError, TimeoutError):
            self.request.connection.close()  # type: ignore[union-attr]
        finally:
            self.served.streams -= 1

    async def _send(self) -> None:
        seen = self.request.headers.get("Last-Event-ID", "")
        place = int(seen) if re.fullmatch("[0-9]{1,15}", seen) else None
        async for kind, data in follow(self.asked(), self.served.reading, place):
            if self.request.connection.stream.closed():  # type: ignore[union-attr]
                return
            self.set_header("Content-Type", "text/event-stream")
            id = f"id: {data['place']}\n" if kind == "line" else ""
            text = ": alive\n\n" if kind == "alive" else f"{id}event: {kind}\ndata: {json.dumps(data)}\n\n"
            self.write(text)
            await asyncio.wait_for(asyncio.ensure_future(self.flush()), _FLUSH_SECONDS)


class Login(Handler):
    """The page that takes the token, once for each browser."""

    def get(self) -> None:
        """Show the form."""
        self._ask("")

    def post(self) -> None:
        """Take the token, and give the browser a session."""
        access = self.served.access
        if not access.token:
            raise Unanswered(403, f"There is no token to show: {TOKEN} was not set when the server was started.")
        if not self.is_token(self.get_body_argument("token", "").strip()):
            self.set_status(401)
            return self._ask("That is not the token.")
        is_secure = self.request.headers.get("Origin", "").startswith("https:")
        self.set_cookie(
            self.served.cookie, access.open_session(), httponly=True, samesite="Lax", secure=is_secure, path="/",
            max_age=SESSION_SECONDS,
        )  # fmt: skip
        self.shown = "token"
        self.redirect(self._next() or "/", status=303)

    def _next(self) -> str:
        wanted = self.get_argument("next", "")
        return wanted if OWN_PLACE.fullmatch(wanted) else ""

    def _ask(self, said: str) -> None:
        token = form_field("Token", "token", type="password", required=True, autofocus=True)
        hidden = element("input", type="hidden", name="next", value=self._next())
        button = element("button", "Log in", type="submit")
        told = f"It is what {TOKEN} was set to when the server was started."
        form = element("form", hidden, token, " ", button, method="post", action="/login", class_="row")
        self.show("Log in", [element("p", said, class_="late") if said else None, form, element("p", told)])


class Logout(Handler):
    """The end of a session."""

    def post(self) -> None:
        """End it here and in the browser."""
        self.served.access.close_session(self.session)
        self.clear_cookie(self.served.cookie, path="/")
        self.session = ""
        self.redirect("/login", status=303)


class ChangePage(Handler):
    """What a change that was begun here says."""

    def get(self, id: str) -> None:
        """Show it; the page asks again until it is over."""
        try:
            change = self.served.changes.find(id)
        except Refusal as error:
            raise answer_to(error) from error
        if not self.wants_html:
            return self.show_data(_plain(change))
        code = change.exit_code
        said = "It is under way." if code is None else "It is done." if code == 0 else f"It ended with {code}."
        command = element("p", element("code", " ".join(["etl", *change.arguments])), f" begun {change.at[:19]}Z")
        text = element("pre", change.said, class_="log", tabindex="0")
        self.show("Change", [element("p", said), command, text], refresh=2 if code is None else 0)


def _plain(change: Change) -> dict[str, Any]:
    found = {"change": change.id, "arguments": list(change.arguments), "begun_at": change.at}
    return {**found, "exit_code": change.exit_code, "said": change.said}
