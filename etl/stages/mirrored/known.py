"""What the ledger knows of the mirror: what it was sent last, and whether that is all of it. Light to import."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass

from etl.ledger import Ledger, now
from etl.project import Project
from etl.stages.published import current, generations

#: What the ledger's cache keeps: what was sent, and who sends.
_SENT, _SENDER = "mirror", "mirror sender"


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a mirror holds, as far as the ledger knows."""

    url: str
    #: The generation that readers of the mirror find; empty if none was sent there yet.
    generation: str = ""
    #: When that was sent, UTC.
    at: str = ""
    #: All generations that it holds.
    generations: tuple[str, ...] = ()
    #: Why the last try failed; empty if it did not.
    problem: str = ""


def known(project: Project, ledger: Ledger) -> Known:
    """Return what the mirror of a project holds; nothing of one to which nothing was sent yet."""
    url = project.settings.mirror
    text = ledger.cached(_SENT, url)
    facts = json.loads(text) if text else {"url": url}
    return Known(**{**facts, "generations": tuple(facts.get("generations", ()))})


def note(ledger: Ledger, found: Known) -> None:
    """Keep what a mirror holds."""
    ledger.cache(_SENT, found.url, json.dumps(asdict(found)))


def sent(project: Project, generation: str) -> Known:
    """Return what a mirror holds that was sent all there is, just now."""
    return Known(
        url=project.settings.mirror, generation=generation, at=now(), generations=tuple(generations(project))
    )


def is_behind(project: Project, ledger: Ledger) -> bool:
    """Return whether the mirror lacks the current generation, or holds one that the project deleted."""
    if not project.settings.mirror or (there := current(project)) is None:
        return False
    held = known(project, ledger)
    return held.generation != there or set(held.generations) != set(generations(project))


def told(project: Project, ledger: Ledger) -> str:
    """Return, as a sentence, what the mirror holds; empty without a mirror."""
    if not project.settings.mirror:
        return ""
    held = known(project, ledger)
    there = f"{held.generation}, sent {held.at[:16].replace('T', ' ')}Z" if held.generation else "nothing yet"
    if not is_behind(project, ledger):
        return f"{held.url} has {there}"
    why = f" The last try failed: {held.problem}" if held.problem else ""
    return f"{held.url} has {there}, and lacks what is published now.{why} To send it: etl mirror"


def sender(project: Project, ledger: Ledger) -> str:
    """Return what tells its mirror from that of others: a number that the ledger keeps, and the environment."""
    number = ledger.cached(_SENDER, "") or uuid.uuid4().hex
    ledger.cache(_SENDER, "", number)
    return f"{number} {project.environment_name}"
