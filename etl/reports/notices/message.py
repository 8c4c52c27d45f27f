"""The words of a message: what, where, why, what next, three examples, the owner, and where to read on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from etl.errors import counted, cut, few, printable, sentence
from etl.ledger.notices import Incident
from etl.project.secret import scrubbed
from etl.reports.notices.causes import OVERDUE, Cause
from etl.reports.notices.news import News

#: What a message may have, in bytes of UTF-8: less than any channel takes that is not made for phones.
LONGEST = 3_900
_TITLE, _WHOLE, _LISTED, _LINE = 150, 3, 10, 700


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a message is from. `report` is a page or file to read on; empty if there is none."""

    project: str
    name: str
    host: str
    day: str
    run_id: str
    state: str = ""
    report: str = ""


def message(news: News, place: Place) -> tuple[str, str]:
    """Return the title and the text of a message, which is shorter than LONGEST bytes and holds no secret."""
    title = f"{place.name}: {_title(news)}"
    text = "\n".join(_lines(news, place))
    return cut(scrubbed(printable(title)), _TITLE), shortened(scrubbed(text), LONGEST)


def shortened(text: str, longest: int) -> str:
    """Return a text of at most so many bytes, with a word where it ends early."""
    if len(text.encode("utf-8", "replace")) <= longest:
        return text
    end = "\n... The rest is in the log, and in: etl status"
    kept = text.encode("utf-8", "replace")[: longest - len(end)].decode("utf-8", "ignore")
    return kept.rpartition("\n")[0] + end if "\n" in kept else kept + end


def _title(news: News) -> str:
    failed = [cause for cause in news.new if cause.is_failure]
    if failed:
        return _counted(failed[0].what, len(failed) + len(news.again))
    if news.again:
        incident = max((incident for _, incident in news.again), key=lambda incident: incident.nights)
        return _counted(f"still failing, night {incident.nights}: {incident.headline}", len(news.again))
    if news.over:
        return _over(news.over)
    return counted(len(news.new), "warning") + f": {news.new[0].what}"


def _counted(first: str, number: int) -> str:
    return f"{first} (and {number - 1:,} more)" if number > 1 else first


def _over(over: Sequence[Incident]) -> str:
    nights = max(incident.nights for incident in over)
    if all(incident.kind == OVERDUE for incident in over):
        return f"arrived: {few((incident.subject for incident in over), 3)}"
    return f"green again after {counted(nights, 'night')}"


def _lines(news: News, place: Place) -> Iterator[str]:
    failed = [cause for cause in news.new if cause.is_failure]
    warned = [cause for cause in news.new if not cause.is_failure]
    if news.over:
        yield sentence(_over(news.over).capitalize())
        yield from (f"  over: {_flat(incident.headline)}" for incident in news.over[:_LISTED])
    for cause in failed[:_WHOLE]:
        yield from _whole(cause)
    yield from (f"Also: {_flat(cause.what)}" for cause in failed[_WHOLE : _WHOLE + _LISTED])
    for _, incident in news.again[:_LISTED]:
        since = f"night {incident.nights}, since {incident.opened_at[:10]}"
        yield f"Still: {_flat(incident.headline)} ({since})."
    if warned:
        yield f"{counted(len(warned), 'new warning')}:"
    for cause in warned[:_LISTED]:
        yield f"  - {_flat(cause.what)}"
        yield from (f"      such as {_flat(text)}" for text in cause.examples[:1])
        if cause.next:
            yield f"      {cause.next}"
    left_out = max(0, len(failed) - _WHOLE - _LISTED) + max(0, len(warned) - _LISTED)
    if left_out:
        yield f"... and {left_out:,} more: etl status"
    yield f"Where:  {place.project} on {place.host}, {place.day}, run {place.run_id or 'not begun'}"
    if place.state:
        yield f"State:  {place.state}"
    owners = dict.fromkeys(owner for cause in news.new for owner in cause.owners)
    if owners:
        yield f"Owner:  {few(owners, _LISTED)}"
    if place.report:
        yield f"Report: {place.report}"


def _whole(cause: Cause) -> Iterator[str]:
    what, why = cause.what, cause.why
    if not why:
        what, _, why = what.partition(": ")
    yield f"What:   {sentence(_flat(what))}"
    yield f"Why:    {sentence(_flat(why or what))}"
    about = [cause.subject, f"({cause.step})" if cause.step else ""]
    yield f"About:  {_flat(' '.join(filter(None, about)))}"
    yield f"Next:   {_flat(cause.next or 'Read the log of the run. To see its state: etl status')}"
    if cause.examples:
        yield "Such as:"
        yield from (f"  {_flat(text)}" for text in cause.examples)


def _flat(text: str) -> str:
    return cut(printable(" ".join(text.split())), _LINE)
