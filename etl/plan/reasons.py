"""Why something is to be done, in plain words: about deliveries, about models, about contracts and audits."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from datetime import date

from etl.errors import ModelError
from etl.ledger import Ledger
from etl.ledger.keys import PUBLISH, PUBLISHED_CHECKS, extract_key, load_key
from etl.models import Model
from etl.models.header import read_header
from etl.models.query import parse
from etl.plan.plan import Plan
from etl.plan.views import was_view
from etl.stages import lake
from etl.stages.warehouse import Build, Built, Day, State
from etl.stages.warehouse.views import is_to_be_view

_LISTED = 3
_UNSEEN = "changed below its text: a macro, a variable, a library, what it reads, the time zone, or etl itself"


def listed(days: Sequence[Day]) -> str:
    """Return days as text: up to three, or the first and the last and how many they are."""
    texts = [str(day or "rows without a date") for day in days]
    return ", ".join(texts) if len(texts) <= _LISTED else f"{texts[0]} to {texts[-1]} ({len(texts):,})"


def about_delivery(plan: Plan, source: str, day: date) -> str:
    """Return why a delivery is to be extracted; "not loaded yet" if it need not be."""
    key = extract_key(source, day)
    receipt, delivery = plan.receipts.get(key), plan.held[source][day]
    if key not in plan.stale:
        return "not loaded yet"
    if receipt is None:
        return "new delivery"
    if receipt.details["sha256"] != delivery.sha256:
        return "changed delivery"
    if receipt.details["definition"] != lake.definition(
        plan.catalog.sources[source].at(day), plan.project.settings.timezone
    ):
        return "changed contract or source"
    if receipt.details["file"] != delivery.file:
        return "renamed delivery"
    return "corrected records" if receipt.fingerprint != plan.fingerprints[key] else plan.stale[key]


def about_definition(state: State, build: Build, built: Built, redefined: Sequence[str]) -> tuple[str, str]:
    """Return what changed in how a model is built, and the difference between its text then and now.

    `redefined` are the views under it that changed. Of the `state` the connection is used, for DuckDB's parser.
    """
    model, now = build.model, build.text
    what = [] if built.text == now else _changed(state, model, built.text)
    diff = _diff(model.file, built.text, now) if what else ""
    if redefined:
        what.append(f"changed {'view' if len(redefined) == 1 else 'views'} {', '.join(redefined)}")
    return ", ".join(what) or _UNSEEN, diff


def about_form(plan: Plan, source: str, rows: int) -> str:
    """Return what a raw table of about so many rows becomes, if it is a view over the lake or a table by now."""
    settings, declared, key = plan.project.settings, plan.catalog.sources[source], load_key(source)
    was = key not in plan.forced and was_view(plan.receipts, source)
    is_view = is_to_be_view(settings, declared, rows, was_view=was)
    before = was_view(plan.receipts, source) if key in plan.receipts else is_view and declared.load != "auto"
    if is_view == before:
        return ""
    if not is_view:
        return "becomes a table, and no view over the lake"
    is_large = declared.load == "auto"
    return "becomes a view over the lake" + (f": more than view_rows = {settings.view_rows:,}" if is_large else "")


def about_checks(plan: Plan, ledger: Ledger) -> Mapping[str, str]:
    """Return, of contracts and audits that are not those of what is published, by name what became of them."""
    published = plan.receipts.get(PUBLISH)
    text = ledger.cached(PUBLISHED_CHECKS, published.details["generation"]) if published else None
    if text is None:
        return {}
    before, now = json.loads(text), plan.checks
    found = {name: "changed" if name in before else "new" for name in now if now[name] != before.get(name)}
    return found | {name: "gone" for name in before if name not in now}


def _changed(state: State, model: Model, before: str) -> list[str]:
    """Return what changed in a text, apart from comments and spaces."""
    if not model.kind.is_select:
        return ["changed code"]
    if model.file.endswith(".csv"):
        return ["changed rows"]
    try:
        header = read_header(model.file, before)[0].building()
        normal = parse(state.con, {model.file: before})[model.file].normal
    except ModelError:  # by what is asked of a model now
        return ["changed expression"]
    # behind the SELECT are the macros and the variables that it uses
    is_same = model.normal == normal or model.normal.startswith(f"{normal}\n-- ")
    found = [] if is_same else ["changed expression"]
    return found if header == model.header.building() else [*found, "changed header"]


def _diff(file: str, before: str, now: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(), now.splitlines(), f"{file} as built", f"{file} now", lineterm=""
    )
    return "\n".join(lines)
