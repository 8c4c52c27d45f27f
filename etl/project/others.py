"""What another project has published, read from its files alone: not with its code, nor under its lock.

A newer or older etl may have published it, so no more is asked of its settings and its record than what is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, FetchError
from etl.project.project import CONFIG, data_setting
from etl.project.settings import Settings, items, parse

#: Every generation's file has this name: DuckDB follows the links and names the catalog after the file.
FILE = "warehouse.duckdb"
#: The folder beside it with the files that its raw views read, in a folder of the name of their generation.
RAW = "warehouse.raw"
#: What a generation says of itself.
RECORD = "generation.json"
#: A switch, and the deletion of what was current before, may come between two looks.
_LOOKS = 3


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The generation that another project shows its readers; its folder is never written to again."""

    root: Path
    data: Path
    folder: Path
    generation: str
    published_at: str
    #: What is in the record of each table: `kind` table or view, and `hash`; equal ones have the same rows.
    tables: Mapping[str, Mapping[str, Any]]

    @property
    def file(self) -> Path:
        """The file with its tables."""
        return self.folder / FILE


def folder_of(root: Path, place: str) -> Path:
    """Return the folder of another project, as somebody below `root` calls it."""
    return (root / place).resolve()


def data_of(root: Path, environment: str = "") -> Path:
    """Return where another project has its data. Raises ConfigError if there is no project in that folder.

    An environment is only the one that is named, whatever this process works in.
    """
    parser = parse(root / CONFIG)
    if not parser.has_section("etl"):
        raise ConfigError(f"{root} has no {CONFIG} with an [etl] section. Name the folder of a project.")
    said = items(parser, "etl")
    base = Settings(
        data=said.get("data", Settings.data), environment=said.get("environment", Settings.environment)
    )
    return root / data_setting(parser, base, environment or base.environment)


def usual_environment(root: Path) -> str:
    """Return what the environment is called that [etl] of another project describes."""
    return items(parse(root / CONFIG), "etl").get("environment", Settings.environment)


def pointer_of(root: Path, environment: str = "") -> Path:
    """Return the link that another project switches when it publishes, or rolls back."""
    return data_of(root, environment) / "warehouse" / "current"


def published_by(root: Path, environment: str = "") -> Publication:
    """Return what another project shows its readers now.

    Raises ConfigError if there is no such project, and FetchError, which passes, if nothing whole is published.
    """
    data = data_of(root, environment)
    found: Publication | None = None
    for _ in range(_LOOKS):
        if found := _read(root, data):
            return found
    link = pointer_of(root, environment)
    why = f"{link} leads to nothing that is whole" if link.is_symlink() else "it has published nothing yet"
    error = FetchError(f"{root} cannot be read: {why}. Run it, or see `etl generations` there.")
    # whoever copies or restores it may be at it
    error.is_transient = link.is_symlink()
    raise error


def _read(root: Path, data: Path) -> Publication | None:
    """Return what is published; None if nothing is, or it is only half there."""
    link = data / "warehouse" / "current"
    folder = link.resolve()
    try:
        said = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        is_whole = (folder / FILE).stat().st_size == said["bytes"] and said["generation"] == folder.name
        tables = {str(name): dict(item) for name, item in said["tables"].items()}
        published_at = str(said["published_at"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not is_whole or not link.is_symlink():
        return None
    return Publication(
        root=root, data=data, folder=folder, generation=folder.name, published_at=published_at, tables=tables
    )
