"""Last night at a glance: the first page of the report, as HTML that needs no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from etl.errors import counted, few, printable
from etl.reports.page import parts
from etl.reports.page.markup import Markup, element
from etl.reports.page.words import AGAIN, duration, size

#: So many rows of a table are shown at once; the others are said as a number.
_SHOWN = 40
#: What the outcomes of a partition are called.
_OUTCOMES = {"done": "taken", "refused": "refused", "kept": "refused, earlier rows kept"}


def glance(night: Mapping[str, Any]) -> Markup:
    """Return the page of the last night."""
    found = (_problems, _waiting, _checks, _rejected, _sources, _arrived, _built, _commands)
    parts = [part for section in found if (part := section(night))]
    return element("div", _verdict(night), _figures(night), *parts, class_="night")


def link(table: str) -> Markup:
    """Return a link to the place of a table, or of a check, in the report."""
    return element("a", table, href=f"#{quote(printable(table))}", class_="name")


def _verdict(night: Mapping[str, Any]) -> Markup:
    words = {"green": "All is well", "amber": "Look at it", "red": "Act on it", "grey": "No verdict yet"}
    level = night["level"]
    points = element("ul", [element("li", point) for point in night["points"]]) if night["points"] else None
    badge = element("p", words[level], class_="badge")
    return element(
        "div", badge, element("h1", night["sentence"], id="night-title"), points, class_=f"verdict {level}"
    )


def _figures(night: Mapping[str, Any]) -> Markup | None:
    run = night["run"]
    if run is None:
        return None
    published, due, disk, zone = night["published"], night["next"], night["disk"], night["zone"]
    rows: list[tuple[str, object, object]] = [
        ("Batch date", run["batch_date"], f"begun {run['begun']} {zone}"),
        ("Outcome", run["state"], f"took {duration(run['seconds'])}" if run["seconds"] is not None else ""),
        ("Records", f"{run['records']:,}", f"{run['rows']:,} accepted"),
        ("Rejected", f"{run['rejected']:,}", f"{run['discarded']:,} discarded" if run["discarded"] else ""),
        (
            "Published",
            published["day"] if published else "nothing yet",
            f"{published['time']} {zone}" if published else "",
        ),
        ("Next run", due["day"] if due else "not known", _due(due, zone)),
    ]
    if disk:
        rows.append(("Disk", size(disk["free"]), f"free of {size(disk['total'])}"))
    return element("dl", [_tile(*row) for row in rows], class_="figures")


def _due(due: Mapping[str, Any] | None, zone: str) -> object:
    if due is None:
        return element("span", "no schedule is known: ", element("code", "etl schedule show"))
    if due["by"]:
        return f"{due['at']} {zone}, by {due['by']}"
    return f"about {due['at']} {zone}, a guess: runs usually begin then"


def _tile(name: str, value: object, beside: object) -> Markup:
    small = element("dd", beside, class_="small") if beside else None
    return element("div", element("dt", name), element("dd", value), small)


def _problems(night: Mapping[str, Any]) -> Markup | None:
    if not night["problems"]:
        return None
    is_warning = all(problem["step"] == "fetch" for problem in night["problems"])
    title = "What could not be fetched, and what to do next" if is_warning else "What failed, and what to do next"
    return parts.section(title, [_problem(problem) for problem in night["problems"]])


def _problem(problem: Mapping[str, Any]) -> Markup:
    first, *rest = problem["message"].split("\n")
    tables = problem["tables"]
    where = element("p", "Concerns ", _joined(link(name) for name in tables), class_="small") if tables else None
    return element(
        "article",
        element("h3", "Step ", element("b", problem["step"])),
        element("p", first),
        element("pre", "\n".join(line.strip() for line in rest), class_="message") if rest else None,
        where,
        element("p", "Next: ", element("code", problem["command"]), class_="next"),
        class_="problem",
    )


def _joined(links: Iterable[Markup]) -> list[Markup | str]:
    found: list[Markup | str] = []
    for one in links:
        found += [", ", one] if found else [one]
    return found


def _waiting(night: Mapping[str, Any]) -> Markup | None:
    if not night["blocked"]:
        return None
    rows = [[link(i["table"]) if i["table"] else "", i["step"], i["why"]] for i in night["blocked"][:_SHOWN]]
    table = parts.table(("table", "step", "~why"), rows, "Steps that were not done")
    is_under_way = night["run"] is not None and not night["run"]["outcome"]
    title = "What runs, and what waits for what" if is_under_way else "What waits, and for what"
    return parts.section(title, [table, _more(len(night["blocked"]) - _SHOWN, "steps")])


def _checks(night: Mapping[str, Any]) -> Markup | None:
    if not night["checks"]:
        return None
    return parts.section("Checks that found something", [_check(check) for check in night["checks"]])


def _check(check: Mapping[str, Any]) -> Markup:
    is_error = check["severity"] == "error"
    sample = [{name: _cell(value) for name, value in row.items()} for row in check["rows"]]
    names = list(sample[0]) if sample else []
    rows = parts.table(
        names, [[row.get(name, "") for name in names] for row in sample], f"Rows of {check['name']}"
    )
    examples = element("ul", [element("li", text) for text in check["examples"]], class_="examples")
    return element(
        "article",
        element("h3", element("span", "fails" if is_error else "warns", class_="tag"), " ", link(check["name"])),
        element("p", f"{counted(check['failing'], 'row')}. ", check["why"]),
        rows if sample else examples if check["examples"] else None,
        element("p", "On ", link(check["table"]), class_="small") if check["table"] else None,
        element("p", "All rows: ", element("code", f"etl audits {check['name']}"), class_="next"),
        class_=f"problem {'red' if is_error else 'amber'}",
    )


def _cell(value: object) -> str:
    return "null" if value is None else str(value)[:80]


def _rejected(night: Mapping[str, Any]) -> Markup | None:
    rows = []
    for item in night["rejected"][:_SHOWN]:
        examples = [_example(one) for one in item["examples"]]
        said = element("ul", examples, class_="examples")
        rows.append([link(f"raw.{item['source']}"), item["rule"], f"{item['records']:,}", said])
    if not rows:
        return None
    table = parts.table(("source", "rule", "#records", "~the first ones"), rows, "Rejected records by rule")
    sources = list(dict.fromkeys(item["source"] for item in night["rejected"]))
    commands = [element("code", f"etl quarantine {name}") for name in sources[:3]]
    return parts.section(
        "Rejected records", [table, element("p", "To see all: ", _joined(commands), class_="next")]
    )


def _example(one: Mapping[str, Any]) -> Markup:
    place = f"{one['file']}:{one['line']}"
    text = element("code", one["text"]) if one["text"] else None
    return element("li", element("span", place, class_="small"), " ", text, " ", one["message"])


def _sources(night: Mapping[str, Any]) -> Markup | None:
    if not night["sources"]:
        return None
    came: dict[str, int] = {}
    for arrival in night["arrived"]:
        came[arrival["source"]] = came.get(arrival["source"], 0) + 1
    rows = [_source(source, came.get(source["source"], 0)) for source in sorted(night["sources"], key=_worst)]
    names = ("source", "newest", "came tonight", "#rows", "#rejected", "~late or missing")
    return parts.section("Did everything come?", parts.table(names, rows, "Sources and their newest delivery"))


def _worst(source: Mapping[str, Any]) -> tuple[bool, bool, str]:
    return (not source["late_since"], not source["holes"], source["source"])


def _source(source: Mapping[str, Any], came: int) -> list[object]:
    late = f"late since {source['late_since']} ({source['rhythm']})" if source["late_since"] else ""
    holes = f"missing: {_days(source['holes'])}" if source["holes"] else ""
    refused = f"refused: {_days(source['refused'])}" if source["refused"] else ""
    said = "; ".join(filter(None, [late, holes, refused, *source["notes"][:3]]))
    return [
        link(f"raw.{source['source']}"),
        source["newest"] or "never",
        counted(came, "delivery").replace("deliverys", "deliveries") if came else "nothing new",
        f"{source['rows']:,}",
        f"{source['rejected']:,}",
        element("span", said, class_="late") if late or holes or refused else said or "on time",
    ]


def _days(days: Sequence[str]) -> str:
    return few(days[-3:]) + (f" and {len(days) - 3:,} earlier" if len(days) > 3 else "")


def _arrived(night: Mapping[str, Any]) -> Markup | None:
    rows = [
        [link(f"raw.{a['source']}"), a["date"], a["file"], f"{a['rows']:,}", f"{a['rejected']:,}", _outcome(a)]
        for a in sorted(night["arrived"], key=lambda item: item["outcome"] == "done")[:_SHOWN]
    ]
    if not rows:
        return None
    names = ("source", "date", "file", "#rows", "#rejected", "~outcome")
    table = parts.table(names, rows, "Deliveries of this run")
    return parts.section("What came", [table, _more(len(night["arrived"]) - _SHOWN, "deliveries")])


def _outcome(arrival: Mapping[str, Any]) -> str:
    said = _OUTCOMES.get(arrival["outcome"], arrival["outcome"])
    return f"{said}: {arrival['refused']}" if arrival["refused"] else said


def _built(night: Mapping[str, Any]) -> Markup | None:
    found = sorted(night["built"], key=lambda item: -item["seconds"])
    rows = [
        [link(b["table"]), "" if b["rows"] is None else f"{b['rows']:,}", duration(b["seconds"]), _why(b)]
        for b in found[:_SHOWN]
    ]
    optional = [element("p", item["note"], class_="late") for item in night["optional"]]
    if not rows and not optional:
        return None
    table = parts.table(("table", "#rows", "#took", "~why"), rows, "Tables that were built") if rows else None
    return parts.section("What was built, and why", [*optional, table, _more(len(found) - _SHOWN, "tables")])


def _why(built: Mapping[str, Any]) -> str:
    days = "" if built["partitions"] is None else f" ({counted(built['partitions'], 'partition')})"
    in_full = f"; in full: {built['in_full']}" if built["in_full"] else ""
    return f"{built['why']}{days}{in_full}"


def _more(number: int, what: str) -> Markup | None:
    return element("p", f"and {number:,} more {what}", class_="small") if number > 0 else None


def _commands(night: Mapping[str, Any]) -> Markup:
    run = night["run"]
    failed = run is not None and run["outcome"] not in ("published", "unchanged", "")
    rows = [
        [element("code", AGAIN), _again(failed)],
        [element("code", "etl plan"), "Show what the next run will do, and why."],
        [element("code", "etl status"), "Show this page's facts in the terminal."],
        [element("code", "etl diff previous current"), "Show which rows differ from the generation before."],
    ]
    return parts.section("What to type", parts.table(("command", "what it does"), rows, "Commands"))


def _again(failed: bool) -> str:
    if failed:
        return "Run only what failed and what waits for it: what is done stays done."
    return "Take what is new. What is done stays done."
