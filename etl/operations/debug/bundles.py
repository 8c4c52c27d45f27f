"""Finding and reading what a failed step has left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, few
from etl.project import Project
from etl.run.failures.bundle import VERSION
from etl.run.failures.inputs import WHOLE
from etl.run.failures.kept import FACTS, PROJECT

LAST = "last"


@dataclass(frozen=True)
class Bundle:
    """One failed step: the folder that it has left, and what bundle.json says."""

    folder: Path
    facts: dict[str, Any]

    @property
    def step(self) -> str:
        """The kind of step, such as `extract`."""
        return str(self.facts["step"])

    @property
    def name(self) -> str:
        """The source or model; empty for the audit and for publishing."""
        return str(self.facts["name"])

    @property
    def title(self) -> str:
        """What messages call the step."""
        return f"{self.step} {self.name}".strip()

    @property
    def dates(self) -> Sequence[date]:
        """The partitions that were to be extracted."""
        return [date.fromisoformat(day) for day in self.facts["dates"]]

    @property
    def message(self) -> str:
        """Why it failed."""
        return str(self.facts["error"]["message"])

    @property
    def is_told(self) -> bool:
        """Whether that is all that was said, and nothing of it withheld."""
        return bool(self.facts["error"].get("is_told", True))

    @property
    def is_tolerated(self) -> bool:
        """Whether it is optional, so that its run went on."""
        return bool(self.facts["error"].get("is_tolerated"))

    @property
    def reduced(self) -> list[dict[str, Any]]:
        """The raw files of which there are the records alone."""
        return [item for item in self.facts["inputs"] if item.get("layout")]

    @property
    def is_reduced(self) -> bool:
        """Whether not all inputs are there as they were, so that numbers and examples in messages differ."""
        return any(item["kept"] != WHOLE for item in self.facts["inputs"])

    @property
    def project(self) -> Path:
        """The project with the inputs as its data, which is only read."""
        return self.folder / PROJECT

    @property
    def work(self) -> Path:
        """Where the step is run again, on copies."""
        return self.folder / "debug"


def find_bundle(project: Project | None, given: str) -> Bundle:
    """Return what a failed step has left: in this folder, or of this run; `last` is the last one that has any.

    Of a run with several, it is the first: the others may have failed for it. Raises ConfigError if there is none.
    """
    if (folder := Path(given)).joinpath(FACTS).is_file():
        return read_bundle(folder.resolve())
    found = sorted(project.failures.glob(f"*/*/{FACTS}"), key=lambda file: file.stat().st_mtime) if project else []
    runs = sorted({file.parents[1].name for file in found})
    run = runs[-1] if runs and given == LAST else next((name for name in runs if name.startswith(given)), None)
    if run is None:
        where = f" Runs with a step that has left something: {few(reversed(runs))}." if runs else ""
        what = (
            "No failed step has left anything" if given == LAST else f"{given} is not what a failed step has left"
        )
        raise ConfigError(f"{what}.{where} See `etl runs --failed`.")
    return read_bundle(next(file.parent for file in found if file.parents[1].name == run))


def read_bundle(folder: Path) -> Bundle:
    """Return what a failed step has left in a folder. Raises ConfigError if a newer etl wrote it."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        version = int(facts["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder / FACTS} cannot be read: {error}. Copy the whole folder again.") from None
    if version > VERSION:
        wanted = facts.get("versions", {}).get("etl", "")
        raise ConfigError(f"{folder} was written by a newer etl. Install it: pip install etl=={wanted}")
    return Bundle(folder, facts)
