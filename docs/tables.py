"""The tables of the pages that the code knows, as Markdown. `make docs` writes them, `make lint` compares them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

import click

from etl import errors
from etl.cli.main import cli
from etl.cli.registry import DEVELOP, ENVIRONMENTS, LOOK, PURPOSES, REPAIR, RUN
from etl.project.settings import Settings
from etl.sources import Source
from etl.sources.connectors import connector_class
from etl.sources.fetches import fetch_class
from tests.support.options import comments, default, options

#: What `make bench` measured last.
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results.json"
#: What the front door leaves to RESULTS.md: the flights once more, on a disk that flushes slowly.
LEFT_OUT = {"slow-disk"}
#: Where the page tells more about an option than its row.
SEE = {
    "Source": {
        "contract": "[A sender who changes](#a-sender-who-changes)",
        "connector": "[Files](#files)",
        "format": "[Formats](formats.md)",
        "fetch": "[Fetching](fetching.md)",
        "task": "[A Luigi task that makes the delivery](#a-luigi-task-that-makes-the-delivery)",
        "required": "[A feed that must come](#a-feed-that-must-come)",
        "min_rows_ratio": "[Deliveries that replace others](#deliveries-that-replace-others)",
        "load": "[A table that is not loaded](#a-table-that-is-not-loaded)",
        "history": "[The history of a snapshot](#the-history-of-a-snapshot)",
    },
    "Files": {"marker": "[Wait until a delivery is complete](#wait-until-a-delivery-is-complete)"},
}


#: What the commands of a purpose are for.
_FOR = {
    RUN: "run the night, or a part of it",
    LOOK: "look at what happened, and at what there is",
    REPAIR: "go back, correct, delete, make again",
    DEVELOP: "write contracts, SQL and models",
    ENVIRONMENTS: "work apart from what is published",
}


def front() -> str:
    """Return the commands of `etl`, a line for each purpose."""
    rows = [
        (", ".join(f"`etl {name}`" for name in sorted(cli.of(purpose))), _FOR[purpose]) for purpose in PURPOSES
    ]
    return _table(("commands", "to"), rows)


def commands() -> str:
    """Return every command below a heading for each purpose, with its help and its options."""
    parts = []
    for purpose in PURPOSES:
        parts.append(f"## {purpose}")
        for name in sorted(cli.of(purpose)):
            parts += _command(f"etl {name}", cli.commands[name])
    return "\n\n".join(parts)


def settings() -> str:
    """Return the keys of [etl], with their defaults and the comments above them."""
    said = comments(Settings)
    rows = [
        (f"`{one.name}`", f"`{one.default}`" if one.default != "" else "", said[one.name])
        for one in fields(Settings)
    ]
    return _table(("key", "default", "what it says"), rows)


def source() -> str:
    """Return the options of a source."""
    return _options(Source)


def connector(name: str) -> str:
    """Return the options of a way in which deliveries come."""
    return _options(connector_class(name))


def fetch(name: str) -> str:
    """Return the options of a kind of fetch."""
    return _options(fetch_class(name))


def failures() -> str:
    """Return the errors, when each is raised, and the exit code of a command or a night that it ends."""
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.EtlError)
    ]
    rows = [
        (
            f"`{kind.__name__}`",
            _joined(kind.__doc__ or "").removeprefix("Raised ").rstrip("."),
            str(kind.exit_code),
        )
        for kind in kinds
        if kind is not errors.EtlError
    ]
    return _table(("error", "raised", "exit code"), rows)


def figures() -> str:
    """Return what `make bench` measured last of etl, beside what else was measured: ratios of CPU seconds."""
    rows, when = [], set()
    for name, measured in json.loads(RESULTS.read_text(encoding="utf-8")).items():
        if name in LEFT_OUT:
            continue
        ours = {row["workload"]: row for row in measured["rows"] if row["name"] == "etl"}
        beside: dict[str, list[str]] = {}
        for row in measured["rows"]:
            if not row["name"].startswith("etl") and row["workload"] in ours:
                times = ours[row["workload"]]["cpu_seconds"] / row["cpu_seconds"]
                beside.setdefault(row["workload"], []).append(f"{times:.2f} x {row['name']}")
                when.add(f"{measured['when']} (load {measured['load']:.0f})")
        for workload, others in beside.items():
            peak = ours[workload]["peak_mb"]
            took = (f"{ours[workload]['cpu_seconds']:.1f} s", f"{peak:.0f} MB" if peak else "")
            rows.append((workload, *took, ", ".join(others)))
    table = _table(("work", "CPU of etl", "memory", "CPU beside others"), rows)
    return f"{table}\n\nMeasured on 2 cores on {', '.join(sorted(when))}."


def _command(typed: str, command: click.Command) -> Iterator[str]:
    """Yield the paragraphs about a command, and about those in it."""
    context = click.Context(command, info_name=typed)
    arguments = " ".join(part for part in command.collect_usage_pieces(context) if part != "[OPTIONS]")
    yield f"### {typed}"
    if not isinstance(command, click.Group):
        yield f"`{f'{typed} {arguments}'.strip()}`"
    yield from (_joined(paragraph) for paragraph in (command.help or "").split("\n\n"))
    options = [option for option in command.params if isinstance(option, click.Option)]
    records = [option.get_help_record(context) for option in options]
    if records:
        yield _table(("option", ""), [(f"`{record[0]}`", _joined(record[1])) for record in records if record])
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _command(f"{typed} {name}", command.commands[name])


def _options(kind: type) -> str:
    said, see = comments(kind), SEE.get(kind.__name__, {})
    rows = [
        (f"`{name}`", default(kind, name), f"{said[name]} See {see[name]}." if name in see else said[name])
        for name in options(kind)
    ]
    return _table((f"`{kind.__name__}(...)`", "default", ""), rows)


def _joined(text: str) -> str:
    return " ".join(text.split())


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(names)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(_row(line) for line in lines)


def _row(cells: Iterable[str]) -> str:
    shown = (cell.replace("|", "\\|") for cell in cells)
    return "".join(f"| {cell} " if cell else "| " for cell in shown) + "|"
