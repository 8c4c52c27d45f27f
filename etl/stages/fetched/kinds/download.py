"""Download: brings a file if it has changed; what broke off goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, cast

from etl.errors import FetchError
from etl.sources.connectors.landed import Landed
from etl.sources.connectors.pattern import file_pattern
from etl.sources.fetches.download import Download
from etl.sources.fetches.rest import DATE, plain_address, size_of
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.landing import Landing
from etl.stages.fetched.manifest import Manifest
from etl.stages.fetched.web import Web, passing

#: So many missing dates are asked for at once.
_MOST_DATES = 366
#: After so many bytes it is noted how far it came.
_CHECKPOINT_BYTES = 16 << 20
_NOT_THERE = frozenset({404, 410})
#: How often what broke off is gone on with at once.
_TRIES = 5


def fetch(asked: Asked, landing: Landing) -> Told:
    """Bring each file that is new or has changed, and land it by itself."""
    of = cast("Download", asked.fetch)
    known = landing.copies()
    missing: list[str] = []
    with Web(
        of.url,
        of.auth,
        answer_within=of.seconds("answer_within", of.answer_within),
        longest_wait=of.seconds("longest_wait", of.longest_wait),
        deadline=asked.deadline,
        check=landing.check,
    ) as web:
        for name, url, day in _wanted(asked, landing, known):
            if not _brought(asked, landing, web, name, url, day, known.get(name)):
                missing.append(name)
        if missing and DATE not in of.url:
            raise FetchError(f"There is no {plain_address(of.url)}. See whether the address is right.")
        notes = [f"there is no {name} yet" for name in missing]
        return Told(query=of.url, versions=web.version, notes=notes)


def _wanted(asked: Asked, landing: Landing, known: Mapping[str, Manifest]) -> Iterator[tuple[str, str, date]]:
    """Yield name, address and date of the files to ask for: of each date after the newest that came, up to now."""
    of = cast("Download", asked.fetch)
    assert isinstance(landing.source.connector, Landed)
    pattern = file_pattern(landing.source.connector.files)
    if DATE not in of.url:
        yield pattern.path(asked.day), of.url, asked.day
        return
    dates = sorted(date.fromisoformat(manifest.more["date"]) for manifest in known.values())
    first = date.fromisoformat(asked.since) if asked.since else dates[-1] if dates else asked.day
    if asked.full and dates and not asked.since:
        first = dates[0]
    first = max(first, asked.day - timedelta(_MOST_DATES))
    for number in range((asked.day - first).days + 1):
        day = first + timedelta(number)
        yield pattern.path(day), of.url.replace(DATE, str(day)), day


def _brought(
    asked: Asked, landing: Landing, web: Web, name: str, url: str, day: date, known: Manifest | None
) -> bool:
    """Bring a file unless the server says that it is as it was; return whether there is one."""
    of = cast("Download", asked.fetch)
    most = size_of(of.named, "largest", of.largest)
    before = dict(known.more) if known and not asked.full and known.more.get("url") == url else {}
    writer = landing.copy(name)
    for _ in range(_TRIES):
        headers = {"Accept-Encoding": "identity"}
        if writer.size:
            headers |= {"Range": f"bytes={writer.size}-", "If-Range": writer.state}
        elif before:
            headers |= {"If-None-Match": before["etag"]} if before.get("etag") else {}
            headers |= {"If-Modified-Since": before["modified"]} if before.get("modified") else {}
        allowed = _NOT_THERE | {304, 416}
        with web.ask(url, headers=headers, may_lead_elsewhere=True, allowed=allowed) as response:
            if response.status_code in _NOT_THERE:
                return False
            if response.status_code == 304:
                return True
            if response.status_code == 416:
                # what was noted is of another file
                writer.restart()
                continue
            if response.status_code != 206:
                writer.restart()
            facts = _facts(response.headers)
            if _taken(web, writer, response, facts, most):
                told = {"url": url, "date": str(day), **facts}
                writer.land(more=told, rows=None, snapshot=facts["etag"] or facts["modified"] or None)
                return True
    raise passing(f"{plain_address(url)} broke off {_TRIES} times, at {writer.size:,} bytes. It goes on there.")


def _taken(web: Web, writer: Any, response: Any, facts: Mapping[str, str], most: int) -> bool:
    """Write what comes; return whether it came to its end. Only what has a strong tag can be gone on with."""
    whole = _whole_size(response, writer.size)
    mark, noted = _strong(facts), writer.size
    try:
        for part in response.iter_raw():
            if writer.size + len(part) > most:
                raise FetchError(f"The file has more than {most:,} bytes. Allow it with the option largest.")
            writer.write(part)
            if mark and writer.size - noted >= _CHECKPOINT_BYTES:
                writer.checkpoint(mark)
                noted = writer.size
    except web.broken:
        pass
    if writer.size == whole or (whole is None and response.is_stream_consumed):
        return True
    if mark:
        writer.checkpoint(mark)
    else:
        writer.restart()
    return False


def _whole_size(response: Any, begun: int) -> int | None:
    """Return how many bytes the whole file has, if the server says so."""
    if response.status_code == 206:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        return int(total) if total.isdecimal() else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _facts(headers: Mapping[str, str]) -> dict[str, str]:
    return {"etag": headers.get("ETag", ""), "modified": headers.get("Last-Modified", "")}


def _strong(facts: Mapping[str, str]) -> str:
    """Return the tag that names the very bytes of a file; empty if there is none."""
    return "" if facts["etag"].startswith("W/") else facts["etag"]
