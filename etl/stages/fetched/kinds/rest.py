"""Rest: follows the pages of an API, and lands each record as the text that came."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urljoin

from etl.errors import FetchError, few
from etl.sources.fetches.paging import (
    HeaderCursor,
    HeaderLink,
    NextCursor,
    NextLink,
    Offset,
    PageNumber,
    Range,
)
from etl.sources.fetches.rest import DATE, Rest, plain_address
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.json_text import at, records_of
from etl.stages.fetched.landing import Landing
from etl.stages.fetched.web import Web


@dataclass(kw_only=True)
class _State:
    """How far it came, as what JSON can hold: the request of the next page, and what is known of those before."""

    url: str = ""
    parameters: dict[str, Any] | None = None
    headers: dict[str, str] | None = None
    is_over: bool = False
    pages: int = 0
    records: int = 0
    #: The place of its first record among all, for pages by offset.
    begin: int = 0
    greatest: Any = None
    total: Any = None
    total_at_the_end: Any = None
    #: Hashes of the records of the page before, or of all of them.
    last: tuple[str, ...] = ()


def fetch(asked: Asked, landing: Landing) -> Told:
    """Follow the pages to the last, and land their records."""
    of = cast("Rest", asked.fetch)
    writer = landing.lines()
    state = _State(**writer.state) if writer.state else _first(of, asked)
    resumed, seen = bool(writer.state), {_question(state)}
    with Web(
        of.url,
        of.auth,
        answer_within=of.seconds("answer_within", of.answer_within),
        longest_wait=of.seconds("longest_wait", of.longest_wait),
        pause=of.pause(),
        deadline=asked.deadline,
        check=landing.check,
    ) as web:
        while not state.is_over:
            try:
                records, answer, headers = _page(of, asked, web, state)
            except FetchError as error:
                if resumed and not error.is_transient:
                    # the address of the page is over: another try begins with the first one
                    landing.clear()
                    error.is_transient = True
                raise
            resumed = False
            writer.append("".join(f"{record}\n" for record in _taken(of, state, records)).encode())
            _follow(of, state, answer, headers, len(records))
            if not state.is_over and _question(state) in seen:
                raise FetchError(f"The API leads to a page that was read before, after {state.pages:,} pages.")
            seen.add(_question(state))
            writer.checkpoint(vars(state))
        return Told(
            start=asked.cursor,
            to=state.greatest,
            rows=writer.rows,
            query=of.url,
            versions=web.version,
            notes=_notes(of, state, writer.rows),
            more={"pages": state.pages, "total": state.total_at_the_end},
        )


def _first(of: Rest, asked: Asked) -> _State:
    parameters: dict[str, Any] = {
        name: str(value).replace(DATE, str(asked.day)) for name, value in of.parameters.items()
    }
    if of.since and asked.cursor is not None:
        parameters[of.since] = _before(of, asked)
    state = _State(url=of.url.replace(DATE, str(asked.day)), parameters=parameters, headers={})
    pages = of.pages
    if isinstance(pages, Offset):
        _ask_from(state, pages, 0)
    elif isinstance(pages, PageNumber):
        parameters[pages.parameter] = pages.first
    elif isinstance(pages, Range):
        state.headers = {"Range": f"{pages.unit}=0-{pages.limit - 1}"}
    state.greatest = asked.newest.to if asked.newest and not asked.full else None
    return state


def _page(of: Rest, asked: Asked, web: Web, state: _State) -> tuple[list[str], Any, Mapping[str, str]]:
    """Return the texts of the records of a page, its answer without them, and its headers."""
    allowed = _behind_the_last(of, state)
    headers = {**of.headers, **(state.headers or {}), "Accept": "application/json"}
    body = None if of.body is None else json.loads(json.dumps(of.body).replace(DATE, str(asked.day)))
    asked_for = {"parameters": state.parameters, "headers": headers, "body": body, "allowed": allowed}
    response, data = web.body(state.url, of.most_bytes(), **asked_for)
    # an empty answer of any other status is one that broke off: it must not pass for the last page
    if response.status_code in (204, *allowed):
        return [], None, response.headers
    where = f"Page {state.pages + 1:,} of {plain_address(of.url)}"
    records, answer = records_of(data, of.records, where)
    return [] if _is_last_again(of, state, records) else records, answer, response.headers


def _behind_the_last(of: Rest, state: _State) -> frozenset[int]:
    """Return the answers that say that there are no more pages."""
    if isinstance(of.pages, Range):
        return frozenset({416})
    return frozenset({404} if isinstance(of.pages, PageNumber) and state.pages else ())


def _is_last_again(of: Rest, state: _State, records: Sequence[str]) -> bool:
    """Return whether an API gives its last page again, whatever number behind it is asked for."""
    if not isinstance(of.pages, PageNumber):
        return False
    before, state.last = state.last, (hashlib.sha256("\n".join(records).encode()).hexdigest(),)
    return bool(records) and before == state.last


def _taken(of: Rest, state: _State, records: Sequence[str]) -> Sequence[str]:
    """Return the records that did not come with the page before, and note what they say of cursor and number."""
    pages = of.pages
    taken = list(records)
    if isinstance(pages, Offset) and pages.overlap:
        hashes = [hashlib.sha256(record.encode()).hexdigest() for record in records]
        if state.pages and records:
            taken = taken[_repeated(state, hashes, pages.overlap) :]
        state.last = tuple(hashes)
    if of.cursor:
        for record in taken:
            _note(of, state, json.loads(record))
    state.records += len(taken)
    return taken


def _repeated(state: _State, hashes: Sequence[str], overlap: int) -> int:
    """Return how many records at the top of a page came at the end of the page before, as they were asked for.

    Raises FetchError if none did: the list has moved, and records may have been missed.
    """
    last: list[str] = list(state.last)
    # as many as were asked for; else more, if records were put before them, or fewer, if some were taken away
    lengths: list[int] = [overlap, *range(len(last), 0, -1)]
    for many in lengths:
        if many <= min(len(last), len(hashes)) and last[-many:] == list(hashes[:many]):
            return many
    raise FetchError(
        f"The records have moved while page {state.pages + 1:,} was read: none of the page before came again, so "
        "some may have been missed. Sort by what does not change, ask for a larger overlap, or use cursors."
    )


def _note(of: Rest, state: _State, record: Any) -> None:
    value = at(record, of.cursor)
    if value is None:
        raise FetchError(
            f"A record has no {of.cursor}, so that it is not known where to begin the next time; it has "
            f"{few(record) if isinstance(record, dict) and record else 'no keys'}."
        )
    if state.greatest is None or _order(value) > _order(state.greatest):
        state.greatest = value


def _follow(of: Rest, state: _State, answer: Any, headers: Mapping[str, str], count: int) -> None:
    """Let a state ask for the next page, or be over."""
    state.pages += 1
    if of.total:
        said = at(answer, of.total)
        # some say it with the first page only, and some as a text
        said = int(said) if isinstance(said, str) and said.isdecimal() else said
        state.total_at_the_end = state.total_at_the_end if said is None else said
        state.total = said if state.total is None else state.total
    pages = of.pages
    if isinstance(pages, Offset) and count:
        # a page of nothing but what was asked for again is the last
        state.is_over = count <= pages.overlap
        _ask_from(state, pages, state.begin + count - pages.overlap)
    elif isinstance(pages, PageNumber) and count:
        state.parameters = {**(state.parameters or {}), pages.parameter: pages.first + state.pages}
    elif isinstance(pages, Range) and count:
        state.headers = {"Range": f"{pages.unit}={state.records}-{state.records + pages.limit - 1}"}
    else:
        state.is_over = not _linked(of, state, answer, headers)


def _linked(of: Rest, state: _State, answer: Any, headers: Mapping[str, str]) -> bool:
    """Let a state ask for the page that an answer names; return whether it names one."""
    pages = of.pages
    if isinstance(pages, NextLink | HeaderLink):
        found = at(answer, pages.path) if isinstance(pages, NextLink) else _link(headers, pages.rel)
        if found:
            state.url, state.parameters = urljoin(state.url, str(found)), {}
        return bool(found)
    if isinstance(pages, NextCursor | HeaderCursor):
        found = at(answer, pages.path) if isinstance(pages, NextCursor) else headers.get(pages.header)
        if found not in (None, "", False):
            state.parameters = {**(state.parameters or {}), pages.parameter: found}
            return True
    return False


def _ask_from(state: _State, pages: Offset, begin: int) -> None:
    limit = {pages.limit_parameter: pages.limit} if pages.limit_parameter else {}
    state.begin = begin
    state.parameters = {**(state.parameters or {}), pages.parameter: begin, **limit}


def _link(headers: Mapping[str, str], rel: str) -> str:
    """Return the address that the header `Link` names so."""
    from httpx2 import Response

    links = Response(200, headers={"Link": headers.get("link", "")}).links
    return str(links.get(rel, {}).get("url", ""))


def _question(state: _State) -> str:
    return json.dumps([state.url, state.parameters, state.headers], sort_keys=True, default=str)


def _order(value: Any) -> tuple[int, Any]:
    """Return what orders the values of a cursor: numbers as such, times as such, other texts as texts."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise FetchError(f"The cursor {value!r} is neither a number nor a text.")
    if not isinstance(value, str):
        return 0, value
    time = _time(value)
    # one without a zone is of the API's clock, whatever zone this machine is in
    return (2, value) if time is None else (1, (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _time(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _before(of: Rest, asked: Asked) -> Any:
    """Return the cursor to ask with: so much before the greatest one as the overlap says."""
    cursor, steps = asked.cursor, of.steps()
    if asked.since is not None or not steps:
        return cursor
    if isinstance(cursor, int) and of.overlap.isdecimal():
        return cursor - int(steps)
    time = _time(cursor) if isinstance(cursor, str) and not of.overlap.isdecimal() else None
    if time is None:
        return cursor
    # as the API writes them: one that compares texts would take "2024-02-01 10:00" for before "2024-02-01T09:00"
    separator, fraction = cursor[10:11], len(cursor[20:].split("+")[0].rstrip("Z")) if cursor[19:20] == "." else 0
    precision = "auto" if not fraction else "milliseconds" if fraction <= 3 else "microseconds"
    earlier = (time - timedelta(seconds=steps)).isoformat(separator if separator == " " else "T", precision)
    return earlier.replace("+00:00", "Z") if cursor.endswith("Z") else earlier


def _notes(of: Rest, state: _State, rows: int) -> list[str]:
    """Return what is to be said of the totals. Raises FetchError if records are missing."""
    if not of.total:
        return []
    if not isinstance(state.total, int):
        raise FetchError(f"No answer says at total={of.total!r} how many records there are. Correct it.")
    if state.total != state.total_at_the_end:
        return [
            f"the API had {state.total} records at the beginning and {state.total_at_the_end} at the end; "
            f"{rows:,} came"
        ]
    if rows < state.total:
        raise FetchError(f"The API has {state.total:,} records and gave {rows:,}. Nothing was landed.")
    return []
