"""A card as Markdown: whatever a text says, it is a text there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from etl.errors import counted, cut, printable
from etl.reports.experiments import drawn

#: What Markdown, or HTML within it, would take for something else than a letter.
_MARKS = re.compile(r"([\\`*\[\]<>#|~&]|(?<![^\W_])_|_(?![^\W_]))")
#: So much of a commit or an id is shown.
_SHORT = 12


def markdown(card: Mapping[str, Any]) -> str:
    """Return a card of card() as a page of Markdown."""
    return "\n".join(line for part in _parts(card) for line in (*part, "")).rstrip("\n") + "\n"


def _parts(card: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    yield [f"# {_text(card['model'])}"]
    for paragraph in card["description"].split("\n\n"):
        if paragraph.strip():
            yield [_text(line) for line in paragraph.splitlines()]
    yield _table(("", ""), _about(card))
    yield from _training(card)
    yield from _told(card)
    yield from _columns(card["features"])
    yield from _decisions(card)
    if card["gaps"]:
        yield ["## Known gaps"]
        yield [f"- {_text(gap)}" for gap in card["gaps"]]
    if card["again"]:
        yield ["## Do it again"]
        yield ["```sh", *map(printable, card["again"]), "```"]


def _about(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    said = card["declared"]
    yield "file", _code(card["file"])
    if said:
        yield "learns from", f"{_code(said['table'])}, one row per {', '.join(map(_code, said['key']))}"
        yield "tells", _code(said["label"])
        yield "judged by", f"{said['judged_by']}, on {said['held_out_days']} days, by {_code(said['time'])}"
    if card["tables"]:
        yield "tables", ", ".join(f"{_code(name)} ({what})" for name, what in card["tables"].items())
    trainings = ", ".join(f"{number:,} {_text(what)}" for what, number in card["trainings"].items())
    yield "trainings", trainings or "none"


def _training(card: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    one = card["training"]
    if not one:
        return
    yield ["## Training"]
    yield [f"What follows is of {card['counts_as']}."]
    facts = {
        "began": one["started_at"][:16].replace("T", " ") + " UTC",
        "verdict": one["verdict"],
        "cut-off": one["cut_off"] and f"rows before {one['cut_off']}; the last days judged it",
        "rows": None if one["rows"] is None else f"{one['rows']:,}",
        "took": None if one["seconds"] is None else f"{one['seconds']:,.1f} s",
        "seed": one["seed"],
        "libraries": ", ".join(f"{name} {version}" for name, version in one["libraries"].items()),
    }
    codes = {
        "training": one["experiment_id"][:_SHORT],
        "commit": one["commit_id"][:_SHORT],
        "generation": one["run_id"],
        "data and code": one["fingerprint"],
        "model": one["model_version"],
    }
    rows = [(name, _text(value)) for name, value in facts.items() if value not in (None, "")]
    yield _table(("", ""), [*rows, *((name, _code(value)) for name, value in codes.items() if value)])
    if one["metrics"]:
        yield ["### Results"]
        yield _table(("metric", "value"), [(_code(name), value) for name, value in one["metrics"].items()])
    if one["params"]:
        yield ["### Parameters"]
        yield _table(("name", "value"), [(_code(n), _code(_plain(value))) for n, value in one["params"].items()])
    if one["curves"]:
        yield ["### Curves"]
        for name, steps in one["curves"].items():
            yield _curve(name, steps)


def _curve(name: str, steps: Sequence[tuple[int, float]]) -> Sequence[str]:
    values = [value for _, value in steps]
    least = min(steps, key=lambda one: one[1] if isfinite(one[1]) else inf)
    ends = f"from {_number(values[0])} to {_number(values[-1])}, least {_number(least[1])} at step {least[0]}"
    return [f"{_code(name)}: {counted(len(steps), 'step')}, {ends}", "", "```text", drawn(values), "```"]


def _columns(features: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    if not features:
        return
    yield ["## Features"]
    if features["sets"]:
        yield [f"Of each row, what was known at {_code(features['at'])}:"]
        yield [_feature(one) for one in features["sets"]]
    yield _table(
        ("column", "is", "type", "meaning", "made of"),
        [
            (
                _code(one["column"]),
                one["part"] + (" (personal)" if one["pii"] else ""),
                _text(one["type"]),
                _text(one["description"]) + (f" ({_text(one['unit'])})" if one["unit"] else ""),
                ", ".join(map(_code, one["made_of"])),
            )
            for one in features["columns"]
        ],
    )
    yield [f"- {_code(table)} comes from {_code(file)}" for table, file in features["files"].items()]


def _told(card: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield how well parts of the rows are told that the model has not learned from."""
    if not card.get("parts"):
        return
    yield ["## How well parts are told"]
    yield ["Of rows that the published model has not learned from, the worst parts first:"]
    rows = [
        (one["column"] and _code(one["column"]), _code(one["value"]), one["rows"], one["score"], one["mean"],
         one["mean_told"])
        for one in card["parts"]
    ]  # fmt: skip
    yield _table(("column", "value", "rows", card["declared"]["judged_by"], "mean", "mean told"), rows)


def _feature(one: Mapping[str, Any]) -> str:
    lasts = f", for {_text(one['ttl'])}" if one["ttl"] else ""
    said = f" {_text(one['description'])}" if one["description"] else ""
    owner = f" Owner: {_text(one['owner'])}." if one["owner"] else ""
    by = ", ".join(map(_code, one["entity"]))
    return f"- {_code(one['table'])}, by {by}, from {_code(one['event_time'])} on{lasts}.{said}{owner}"


def _decisions(card: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Yield what the gate has published; or else what the ledger knows of the trainings of nights."""
    if gate := card.get("gate"):
        yield ["## Decisions"]
        names = ("for", "verdict", "challenger", "gain", "95% interval", "days", "why")
        yield _table(names, map(_decided, gate))
    elif card["decisions"]:
        yield ["## Decisions"]
        metrics = list(dict.fromkeys(name for one in card["decisions"] for name in one["metrics"]))
        facts = ("started_at", "cut_off", "verdict")
        rows = [
            (*(_text(one[fact][:16]) for fact in facts), *(one["metrics"].get(name) for name in metrics))
            for one in card["decisions"]
        ]
        yield _table(("began", "cut-off", "verdict", *metrics), rows)


def _decided(one: Mapping[str, Any]) -> Sequence[Any]:
    low, high = one.get("gain_low"), one.get("gain_high")
    interval = "" if low is None or high is None else f"{_number(low)} to {_number(high)}"
    return (
        *(_text(one.get(name) or "") for name in ("decided_for", "verdict")), _code(one.get("challenger") or ""),
        one.get("gain"), interval, one.get("judged_days"), _text(one.get("why") or ""),
    )  # fmt: skip


def _table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Sequence[str]:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    def cell(value: Any) -> str:
        return "" if value is None else value if isinstance(value, str) else _number(value)

    heads = [name if name == _text(name) else _code(name) for name in names]
    return [line(heads), line(["---"] * len(names)), *(line(map(cell, row)) for row in rows)]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.5g}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _text(value: object) -> str:
    """Return a text on one line, of which Markdown takes no letter for a mark."""
    return _MARKS.sub(r"\\\1", cut(printable(str(value))))


def _code(value: object) -> str:
    """Return a text as code; no mark of its own ends it, nor the cell that it is in."""
    text = cut(printable(str(value))).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text or ' '}{fence}"
