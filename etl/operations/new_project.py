"""A new project in an empty folder, made from the template."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ConfigError
from etl.project import CONFIG

if TYPE_CHECKING:
    pass


_TEMPLATE = Path(__file__).parent / "template"


def new_project(folder: Path) -> None:
    """Make a project in a folder that does not exist or is empty. Raises ConfigError otherwise."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty; a new project needs a folder of its own.")
    shutil.copytree(_TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    if not (folder / CONFIG).is_file():
        raise ConfigError(f"the template of a project is missing from this installation: {_TEMPLATE}.")
