"""The pages: each reads plain data, and tells it to people. Nothing here changes the project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from etl.errors import counted, few, lasting
from etl.ledger.lock import under_way
from etl.ledger.profiles import Profiles
from etl.operations import quarantine as rejected
from etl.operations.serve.asked import Asked, Refusal, fields_of, plain
from etl.operations.serve.shell import address, facts, field, form, link, rows_of
from etl.reports import profile as profiling
from etl.reports.generations import known_generations
from etl.reports.history import find_run, known_runs, log_lines, run_details
from etl.reports.page import parts
from etl.reports.page.markup import Markup, element
from etl.stages import published

_RUNS, _RECORDS = 50, 100


def runs(asked: Asked) -> list[dict[str, Any]]:
    """Return the last runs."""
    return known_runs(asked.project, asked.ledger, asked.number("last", _RUNS, 1000))


def tell_runs(asked: Asked, found: Sequence[dict[str, Any]]) -> object:
    """Return the page of the runs, with what begins one."""
    names = ("run", "begun", "batch date", "result", "took", "by", "#rows", "#rejected", "~failed")
    rows = [
        [
            link(run["run_id"], "runs", run["run_id"]),
            _at(run["started_at"]),
            run["batch_date"],
            state(run["state"]),
            lasting(run["seconds"]),
            run["trigger"],
            _number(run["rows"]),
            _number(run["rejected"]),
            few(run["failed"], 2),
        ]
        for run in found
    ]
    begin = None
    if asked.may_change:
        said = "It does what is new, and what failed or waits; what is done stays done."
        begin = form("/runs", asked.form_key, element("button", "Run now", type="submit"), " ", said)
    return [begin, rows_of(names, rows, "Runs, the newest first", "There was no run yet. To begin one: etl run")]


def run(asked: Asked) -> dict[str, Any]:
    """Return one run, with its steps."""
    return run_details(asked.project, asked.ledger, plain(asked.names[0]))


def run_id_of(found: dict[str, Any]) -> str:
    """Return which run was found, which may have been asked for as the last one."""
    return str(found["run_id"])


STEPS = ("step", "result", "took", "#rows", "#rejected", "did", "~why")


def step_cells(found: dict[str, Any]) -> Iterable[Sequence[str]]:
    """Yield the cells of each step of a run, as STEPS names them; a message stands in the place of a reason."""
    for step in found["steps"]:
        yield (
            f"{step['step']} {step['name']}".strip(),
            step["outcome"] or "waits",
            lasting(step["seconds"]),
            _number(step["rows_out"]),
            _number(step["rejected"]),
            ", ".join(filter(None, [step["partitions"], step["did"]])),
            "\n".join(filter(None, [step["message"] or step["why"], *step["warnings"]])),
        )


def tell_run(asked: Asked, found: dict[str, Any]) -> object:
    """Return the page of a run; one that is under way goes on there."""
    is_live = found["state"] == "under way"
    head = facts(
        {
            "Result": state(found["state"]),
            "Batch date": found["batch_date"],
            "Begun": _at(found["started_at"]),
            "Took": lasting(found["seconds"]),
            "By": f"{found['trigger']}: {found['user']} on {found['host']}" if found["user"] else "",
        }
    )
    command = element("p", "Command: ", element("code", found["command"])) if found["command"] else None
    steps = element("div", parts.table(STEPS, list(step_cells(found)), "Steps"), id="steps")
    said = [_problem(item["step"], item["message"]) for item in found["problems"]]
    checks = [
        _problem(check["name"], f"{check['failing']:,} rows found. To see them: etl audits {check['name']}")
        for check in found["checks"]
    ]
    log = link("The whole log", "runs", found["run_id"], "log")
    return [
        head, command, said, checks, parts.section("Steps", steps),
        parts.section("Log", [_tail(found["run_id"]) if is_live else None, element("p", log)]),
    ]  # fmt: skip


def _tail(run_id: str) -> Markup:
    state = element("span", "not connected", id="state", class_="small", role="status")
    lines = element("pre", id="log", class_="log", tabindex="0", role="log", aria_label="What the run says")
    return element("div", state, lines, id="live", data_events=address("runs", run_id, "events"))


def log(asked: Asked) -> list[dict[str, Any]]:
    """Return what a run said."""
    run_id = find_run(asked.project, asked.ledger, plain(asked.names[0])).run_id
    return list(log_lines(asked.project, asked.ledger, run_id, asked.text("step")))


def line_text(line: dict[str, Any]) -> str:
    """Return a line of a log as people read it."""
    of = " ".join(filter(None, [line.get("step"), line.get("name")]))
    return f"{str(line.get('at'))[11:19]} {line.get('level', ''):<7} {of + ': ' if of else ''}{line['message']}"


def tell_log(asked: Asked, found: Sequence[dict[str, Any]]) -> object:
    """Return the page of a log."""
    lines = [element("span", f"{line_text(line)}\n", class_=str(line.get("level", ""))) for line in found]
    back = link("The run", "runs", asked.names[0])
    return [element("p", back), element("pre", lines, class_="log", tabindex="0")]


def quarantine(asked: Asked) -> dict[str, Any]:
    """Return how many records are rejected, and which corrections have no effect."""
    return {"counts": rejected.counts(asked.project), "stale": rejected.stale(asked.project)}


def tell_quarantine(asked: Asked, found: dict[str, Any]) -> object:
    """Return the page of rejected records by source, date and rule."""
    names = ("source", "date", "file", "rule", "#records", "#discarded")
    rows = [
        [
            link(row["source"], "quarantine", row["source"]),
            row["date"],
            row["file"],
            link(row["rule"], "quarantine", row["source"], date=row["date"], rule=row["rule"]),
            _number(row["records"]),
            _number(row["discarded"]),
        ]
        for row in found["counts"]
    ]
    stale = [
        [row["source"], row["date"], f"{row['action']} {row['record']}", row["why"]] for row in found["stale"]
    ]
    names_stale = ("source", "date", "correction", "~why")
    return [
        rows_of(names, rows, "Rejected records by rule", "No record is in quarantine."),
        parts.section("Corrections without effect", parts.table(names_stale, stale, "Corrections"))
        if stale
        else None,
    ]


def records(asked: Asked) -> dict[str, Any]:
    """Return the first rejected records of a source that are selected."""
    limit = asked.number("limit", _RECORDS, 1000)
    page = rejected.first_records(asked.project, asked.names[0], asked.selection(), limit)
    return {"total": page.total, "discarded": page.discarded, "refusals": page.refusals, "records": page.rows}


def tell_records(asked: Asked, found: dict[str, Any]) -> object:
    """Return the page of rejected records, with what can be done about those that it shows."""
    (source,) = asked.names
    chosen = fields_of(asked.selection())
    names = ("line", "date", "file", "rule", "~message", "~text", "discarded")
    rows = [
        [
            link(row["line"], "quarantine", source, date=row["date"], file=row["file"], line=row["line"]),
            *(row[name] or "" for name in ("date", "file")),
            link(row["rule"], "quarantine", source, date=chosen["date"], rule=row["rule"]),
            "; ".join(filter(None, [row["message"], row["fault"]])),
            element("code", row["text"] or ""),
            row["discarded"] or "",
        ]
        for row in found["records"]
    ]
    number = found["total"] - found["discarded"]
    told = f"{counted(found['total'], 'record')}{asked.selection()}, {found['discarded']:,} of them discarded."
    whole = link("All of the source", "quarantine", source) if any(chosen.values()) else None
    more = found["total"] - len(rows)
    return [
        element("p", told, " ", whole),
        [element("p", refusal, class_="late") for refusal in found["refusals"]],
        rows_of(names, rows, f"Rejected records of {source}", "No such record is in quarantine."),
        element("p", f"and {more:,} more", class_="small") if more > 0 else None,
        _decide(asked, source, chosen, number) if asked.may_change and number else None,
    ]


def _decide(asked: Asked, source: str, chosen: dict[str, Any], number: int) -> Markup:
    base = f"/quarantine/{address(source)[1:]}"
    these = f"these {number:,} records" if number > 1 else "this record"
    reason = field("Reason", "reason", required=True, maxlength="500", size="40")
    discard = element("button", f"Discard {these}", type="submit", class_="danger")
    again = element("button", f"Judge {these} again", type="submit")
    hint = "They are taken as they are, under the contract of today, and what is accepted is published."
    is_line = bool(chosen["line"] or chosen["file"])
    replay = form(f"{base}/replay", asked.form_key, again, " ", hint, records=number, **chosen)
    return parts.section(
        "Decide",
        [
            form(f"{base}/discard", asked.form_key, reason, " ", discard, records=number, **chosen),
            None if is_line else replay,
        ],
    )


def generations(asked: Asked) -> dict[str, Any]:
    """Return the generations on disk, and what holds publishing after a rollback."""
    hold = published.read_hold(asked.project)
    held = f"{hold.held}: until one of these changes: {hold.came_with}" if hold else ""
    return {"hold": held, "generations": known_generations(asked.project)}


def tell_generations(asked: Asked, found: dict[str, Any]) -> object:
    """Return the page of the generations; each leads to the confirmation of going back to it."""
    names = ("generation", "published", "batch date", "#tables", "#rows", "#MB", "commit", "note", "go back")
    rows = [
        [
            item["generation"], item["published_at"] or "", item["batch_date"] or "", _number(item["tables"]),
            _number(item["rows"]), f"{item['bytes'] / 1e6:,.1f}", item["git_commit"][:10], item["note"],
            _back(asked, item),
        ]
        for item in found["generations"]
    ]  # fmt: skip
    hold = element("p", f"Publishing is on hold after a rollback from {found['hold']}.", class_="late")
    return [hold if found["hold"] else None, rows_of(names, rows, "Generations", "Nothing is published yet.")]


def _back(asked: Asked, item: dict[str, Any]) -> object:
    if not asked.may_change or "current" in item["note"].split(", "):
        return ""
    return link("Roll back to it", "generations", item["generation"], "rollback")


def confirmation(asked: Asked) -> dict[str, Any]:
    """Return what a rollback would change."""
    name, there = plain(asked.names[0]), published.generations(asked.project)
    if name not in there:
        raise Refusal(404, "There is no such generation.")
    return {"generation": name, "current": published.current(asked.project) or ""}


def tell_confirmation(asked: Asked, found: dict[str, Any]) -> object:
    """Return the page that asks whether to go back."""
    name, current = found["generation"], found["current"]
    said = (
        f"The current generation is {current}. After this it is {name}. Publishing is on hold afterwards, until a "
        f"delivery, a contract or the SQL that {current} brought changes."
    )
    button = element("button", f"Roll back to {name}", type="submit", class_="danger")
    reason = field("Reason", "reason", maxlength="500", size="40")
    back = element("p", link("No, back to the generations", "generations"))
    if not asked.may_change:
        return [element("p", "Nothing can be changed here."), back]
    action = address("generations", name, "rollback")
    return [element("p", said), form(action, asked.form_key, reason, " ", button, current=current), back]


def profiles(asked: Asked) -> list[dict[str, Any]]:
    """Return the tables that have profiles."""
    counts: dict[str, list[str]] = {}
    for part in Profiles(asked.ledger).noted():
        counts.setdefault(part.table_name, []).append(part.day)
    return [{"table": name, "parts": len(days), "newest": max(days)} for name, days in sorted(counts.items())]


def tell_profiles(asked: Asked, found: Sequence[dict[str, Any]]) -> object:
    """Return the page of the tables that have profiles."""
    rows = [
        [link(item["table"], "profiles", item["table"]), item["newest"], _number(item["parts"])] for item in found
    ]
    otherwise = "No table has a profile yet. The next run that has something to do takes them."
    return rows_of(("table", "newest", "#profiles"), rows, "Tables with profiles", otherwise)


def table_profile(asked: Asked) -> list[dict[str, Any]]:
    """Return what the columns of a table hold."""
    return [profiling.as_data(found) for found in profiling.newest(asked.ledger, asked.names[0])]


def tell_table_profile(asked: Asked, found: Sequence[dict[str, Any]]) -> object:
    """Return the page of a table's columns, with their spread and their trend."""
    ledger = asked.ledger
    (rows, *columns), store = profiling.newest(ledger, asked.names[0]), Profiles(ledger)
    trends: dict[str, Sequence[float | None]] = {
        item.column_name: profiling.trend_of(store.trend(item.table_name, item.column_name)) for item in columns
    }
    names, cells = profiling.overview(columns, trends)
    linked = [[link(cell[0], "profiles", rows.table_name, cell[0]), *cell[1:]] for cell in cells]
    part = f"partition {rows.partition}" if rows.partition else f"night of {rows.batch_date}"
    return [element("p", f"{part}: {counted(rows.rows, 'row')}"), parts.table(names, linked, "Columns")]


def column_profile(asked: Asked) -> list[dict[str, Any]]:
    """Return what a column held, oldest first."""
    return [profiling.as_data(found) for found in profiling.past(asked.ledger, *asked.names)]


def tell_column_profile(asked: Asked, found: Sequence[dict[str, Any]]) -> object:
    """Return the page of a column: how its values are spread, and how they were before."""
    lines = profiling.lines(profiling.past(asked.ledger, *asked.names))
    back = link(asked.names[0], "profiles", asked.names[0])
    return [element("p", back), element("pre", "\n".join(lines), class_="log", tabindex="0")]


def is_under_way(asked: Asked, run_id: str) -> bool:
    """Return whether a run is still under way."""
    current = under_way(asked.project, asked.ledger)
    return current is not None and current.run_id == run_id


def state(text: str) -> Markup:
    """Return what became of a run, in its colour."""
    colours = {"failed": "red", "killed": "red", "partial": "amber", "published": "green"}
    return element("span", text, class_=f"tag {colours.get(text, '')}".strip())


def _problem(title: str, message: str) -> Markup:
    return element("article", element("h3", title), element("pre", message, class_="message"), class_="problem")


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _at(text: str) -> str:
    return f"{text[:19].replace('T', ' ')}Z"
