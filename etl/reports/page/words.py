"""What the report says of a night in a sentence: green, amber or red, and what is to be done next."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from etl.errors import counted, few

GREEN, AMBER, RED, GREY = "green", "amber", "red", "grey"
#: What runs a night again; what is done stays done.
AGAIN = "luigi --module etl Nightly"

#: What the ledger notes of a problem, where it is the name of a task, by the step that it does.
_STEPS = {
    "Fetched": "fetch",
    "RawFile": "delivery",
    "LakePartition": "extract",
    "LoadedTable": "load",
    "BuiltModel": "transform",
    "AuditedWarehouse": "audit",
    "PublishedWarehouse": "publish",
}

_QUOTED = re.compile(r"`((?:etl|luigi) [^`]+)`")


class Verdict(NamedTuple):
    """The colour of a night, the sentence that says why, and what else is not as it should be."""

    level: str
    sentence: str
    points: list[str]


def verdict(night: Mapping[str, Any]) -> Verdict:
    """Return what is to be said of a night first."""
    run, points = night["run"], list(_points(night))
    if run is None:
        return Verdict(GREY, "Nothing has run yet.", points)
    stays = _stays(night)
    if run["outcome"] == "missing data":
        return Verdict(RED, f"A required delivery is missing. {stays}", points)
    if run["outcome"] in ("failed", "killed"):
        return Verdict(RED, f"{_failed(night)} {stays}", points)
    if not run["outcome"]:
        is_on = run["state"].startswith("under way")
        said = f"The run is {run['state']}." if is_on else f"The run {run['state']}. {stays}"
        return Verdict(GREY if is_on else RED, said, points)
    if run["outcome"] == "partial":
        return Verdict(AMBER, f"Only a part was asked for and done, and nothing was published. {stays}", points)
    said = "Published. " if run["outcome"] == "published" else "Nothing new: what is published is up to date. "
    if points:
        return Verdict(AMBER, said + f"{counted(len(points), 'thing')} to look at.", points)
    return Verdict(GREEN, f"{said}Every delivery that was due is in, and every check passed.", [])


def _failed(night: Mapping[str, Any]) -> str:
    if night["run"]["outcome"] == "killed":
        return "The run was killed before its end."
    steps = list(dict.fromkeys(problem["step"] for problem in night["problems"]))
    errors = [check["name"] for check in night["checks"] if check["severity"] == "error" and check["is_new"]]
    if errors:
        return f"The night failed: {few(errors, 3)} found rows that must not be there."
    return f"The night failed in {few(steps, 3)}." if steps else "The night failed."


def _stays(night: Mapping[str, Any]) -> str:
    published = night["published"]
    if not published:
        return "Nothing is published yet."
    return f"Analysts still see the warehouse of {published['day']}."


def _points(night: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not as it should be, each as a sentence."""
    if night["not_begun"]:
        yield f"The schedule should have begun a run on {night['not_begun']}, and none began: etl schedule show."
    late = [f"{s['source']} since {s['late_since']}" for s in night["sources"] if s["late_since"]]
    if late:
        yield f"Late: {few(late)}."
    if parked := [f"{source['source']} {day}" for source in night["sources"] for day in source["parked"]]:
        yield f"Parked, since it failed night after night: {few(parked)}."
    refused = [f"{a['source']} {a['date']}" for a in night["arrived"] if a["outcome"] in ("refused", "kept")]
    if refused:
        yield f"Refused: {few(refused)}."
    if rejected := sum(item["records"] for item in night["rejected"]):
        yield f"{counted(rejected, 'record')} went to quarantine."
    for severity, what in (("error", "fails"), ("warn", "warns")):
        names = [check["name"] for check in night["checks"] if check["severity"] == severity]
        if names:
            yield f"{counted(len(names), 'check')} {what if len(names) == 1 else what[:-1]}: {few(names, 3)}."
    if night["optional"]:
        yield f"Optional models failed: {few(item['model'] for item in night['optional'])}."
    if night["disk"] and night["disk"]["is_low"]:
        yield f"The disk is nearly full: {night['disk']['place']} has {size(night['disk']['free'])} free."
    if night["unclaimed"]:
        yield f"No source takes {counted(len(night['unclaimed']), 'file')}: {few(night['unclaimed'], 3)}."
    yield from (f"{text[:1].upper()}{text[1:]}." for text in night["said"])


def step_of(noted: str) -> str:
    """Return the step that a problem was noted for."""
    first, *rest = noted.split(" ", 1)
    return " ".join([_STEPS.get(first, first), *rest])


def command_for(step: str, message: str) -> str:
    """Return the command to type about a problem: the one that its message names, or the one for its step."""
    if found := _QUOTED.search(message):
        return found[1]
    first = message.split()[0] if message.split() else ""
    name = first.strip(":")
    by_step = {"extract": f"etl quarantine {name}", "audit": "etl audits --failed", "plan": "etl plan"}
    return by_step.get(step.split()[0] if step else "", AGAIN)


def size(number: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:,.0f} {unit}" if number >= 10 or unit == "B" else f"{number:,.1f} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def duration(seconds: float | None) -> str:
    """Return a time as people read it: 40 ms, 0.4 s, 12 s, 3 min 05 s, 2 h 10 min."""
    if seconds is None:
        return "?"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
