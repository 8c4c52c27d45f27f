"""What holds publishing after a rollback: what was wrong must change first, or somebody must insist."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from etl.errors import few
from etl.project import Project
from etl.project.files import write_file
from etl.stages.published.record import Generation, Input


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A rollback from the generation `held` to the one that is `current` since.

    One that cannot be read holds all the same, whatever it says: `damage` tells why, and all else is empty.
    """

    current: str
    held: str
    at: str
    by: str
    reason: str
    #: The fingerprint, in `held`, of all inputs and code that `current` has not, or has otherwise; empty if gone.
    offending: Mapping[str, str]
    damage: str = ""

    @property
    def told(self) -> str:
        """Who went back from where, when and why."""
        if self.damage:
            return f"held by a rollback that cannot be read ({self.damage})"
        why = f": {self.reason}" if self.reason else ""
        return f"rolled back from {self.held} by {self.by} at {self.at[:19]}Z{why}"

    @property
    def came_with(self) -> str:
        """What came with the generation that is held, as a message names it."""
        if self.damage:
            return "nobody can tell, until that file is restored"
        return few(sorted(self.offending)) or "no record tells what"

    def stops(self, facts: Mapping[str, str]) -> bool:
        """Return whether a candidate of those inputs and that code is to wait: nothing of it is any different."""
        return all(facts.get(name, "") == text for name, text in self.offending.items())


def read_hold(project: Project) -> Hold | None:
    """Return what holds the current generation, or None if nothing does; one that is damaged holds."""
    file, now = _file(project), project.current.resolve().name
    try:
        hold = _read(file)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        if not os.path.lexists(file):
            return None
        return Hold(current=now, held="", at="", by="", reason="", offending={}, damage=f"{file}: {error}")
    # one that was left behind when its switch, or the next, was made or was not
    return hold if hold.current == now else None


def _read(file: Path) -> Hold:
    facts = json.loads(file.read_text(encoding="utf-8"))
    hold = Hold(**facts)
    texts = [hold.current, hold.held, hold.at, hold.by, hold.reason, *hold.offending, *hold.offending.values()]
    if "damage" in facts or not all(isinstance(text, str) for text in texts):
        raise ValueError("it is not what a rollback writes")
    return hold


def write_hold(project: Project, hold: Hold) -> None:
    """Hold what comes after the generation `hold.current`, as soon as that is the current one."""
    facts = {name: value for name, value in asdict(hold).items() if name != "damage"}
    write_file(_file(project), json.dumps(facts, ensure_ascii=False, indent=1))


def remove_hold(project: Project) -> None:
    """Let the next candidate be published."""
    _file(project).unlink(missing_ok=True)


def facts_of(inputs: Mapping[str, Mapping[str, Input]], definitions: Mapping[str, str]) -> dict[str, str]:
    """Return the fingerprint of each input and each piece of code, by the name that messages use."""
    days = {
        f"{source} {day} ({item.file})": item.fingerprint
        for source, found in inputs.items()
        for day, item in found.items()
    }
    return days | dict(definitions)


def offending(good: Generation | None, bad: Generation | None) -> dict[str, str]:
    """Return the fingerprint, in `bad`, of what `good` has not, or has otherwise; none if there is no record."""
    if good is None or bad is None:
        return {}
    before, after = (facts_of(record.inputs, record.definitions) for record in (good, bad))
    names = before.keys() | after.keys()
    return {name: after.get(name, "") for name in names if before.get(name) != after.get(name)}


def _file(project: Project) -> Path:
    return project.current.parent / "hold.json"
