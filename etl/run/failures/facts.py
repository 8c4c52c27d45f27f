"""A plan as JSON, and back: what a step asks of the plan of its run, where neither raw/ nor the lake is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from etl.ledger import Key, Receipt
from etl.plan import Plan, Scope
from etl.plan.deliveries import Taken
from etl.plan.settled import Days
from etl.stages.raw import Delivery, File, Found, state

_DATES = ("first", "last")


def facts_of(plan: Plan, corrections: Mapping[tuple[str, date], str]) -> dict[str, Any]:
    """Return what the steps of a plan depend on, as what JSON can hold.

    `corrections` are the hashes of what was decided about deliveries, where a bundle has it otherwise.
    """
    scope = {name: str(value) if name in _DATES else value for name, value in asdict(plan.scope).items()}
    return {
        "scope": scope,
        "fingerprints": [[*key, print_] for key, print_ in plan.fingerprints.items()],
        "stale": [[*key, why] for key, why in plan.stale.items()],
        "forced": sorted(plan.forced),
        "is_build_intact": plan.is_build_intact,
        "held": {
            name: [
                _delivery_facts(each, corrections.get((name, day), each.corrections)) for day, each in days.items()
            ]
            for name, days in plan.held.items()
        },
        "taken": {name: _taken_facts(taken) for name, taken in plan.taken.items()},
    }


def scope_of(facts: Mapping[str, Any]) -> Scope:
    """Return the scope that facts_of() has written down."""
    known: dict[str, Any] = {
        name: date.fromisoformat(value) if name in _DATES else value for name, value in facts["scope"].items()
    }
    return Scope(**known)


def restored_plan(plan: Plan, facts: Mapping[str, Any], receipts: Mapping[Key, Receipt]) -> Plan:
    """Return a plan that was made of the same code, with what another one of it knew."""
    held = {
        name: Days({date.fromisoformat(item["date"]): _delivery(_root(plan, name), name, item) for item in items})
        for name, items in facts["held"].items()
    }
    taken = {name: _taken(item, held[name]) for name, item in facts["taken"].items()}
    return replace(
        plan,
        scope=scope_of(facts),
        held=held,
        fingerprints={Key(*key): print_ for *key, print_ in facts["fingerprints"]},
        stale={Key(*key): why for *key, why in facts["stale"]},
        forced=frozenset(Key(*key) for key in facts["forced"]),
        is_build_intact=facts["is_build_intact"],
        receipts=receipts,
        taken=taken,
        withdrawn={name: item.withdrawn for name, item in taken.items()},
        missing={},
    )


def _delivery_facts(delivery: Delivery, corrections: str) -> dict[str, Any]:
    files = [[file.name, file.size, file.sha256] for file in delivery.files]
    return {
        "date": str(delivery.date),
        "files": files,
        "problem": delivery.problem,
        "corrections": corrections,
    }


def _root(plan: Plan, name: str) -> Path:
    source = plan.catalog.sources.get(name)
    return source.root(plan.project) if source else plan.project.raw


def _delivery(root: Path, source: str, facts: Mapping[str, Any]) -> Delivery:
    return Delivery(
        source=source,
        date=date.fromisoformat(facts["date"]),
        files=tuple(_file(root, *file) for file in facts["files"]),
        problem=facts["problem"],
        corrections=facts["corrections"],
    )


def _file(root: Path, name: str, size: int, sha256: str) -> File:
    """Return a raw file as it lies here; one that does not, as one that was taken before."""
    path, changed_ns, inode = root / name, 0, 0
    if path.is_file():
        size, changed_ns, inode = state(path)
    return File(name, path, size, changed_ns, inode=inode, sha256=sha256)


def _taken_facts(taken: Taken) -> dict[str, Any]:
    return {
        "withdrawn": list(map(str, taken.withdrawn)),
        "lost": list(map(str, taken.lost)),
        "given_up": sorted(map(str, taken.given_up)),
        "outdated": {str(day): why for day, why in taken.outdated.items()},
    }


def _taken(facts: Mapping[str, Any], held: Days) -> Taken:
    return Taken(
        held=held,
        withdrawn=list(map(date.fromisoformat, facts["withdrawn"])),
        waiting={},
        left_out=[],
        repeats=[],
        found=Found({}, {}),
        lost=list(map(date.fromisoformat, facts["lost"])),
        given_up=frozenset(map(date.fromisoformat, facts["given_up"])),
        outdated={date.fromisoformat(day): why for day, why in facts["outdated"].items()},
    )
