"""A new project in an empty folder, made from the template."""

from __future__ import annotations

import shutil
from pathlib import Path

from etl.errors import ConfigError
from etl.project import CONFIG

_TEMPLATE = Path(__file__).parent / "template"


def new_project(folder: Path, *, is_empty: bool = False) -> None:
    """Make a project in a folder that does not exist, or holds hidden files only, such as .git.

    It has a small feed of sales as an example, unless it should be empty. Raises ConfigError for another folder.
    """
    if folder.exists() and (not folder.is_dir() or any(path.name[0] != "." for path in folder.iterdir())):
        raise ConfigError(f"{folder} is not empty; a new project needs a folder of its own.")
    if not (_TEMPLATE / CONFIG).is_file():
        raise ConfigError(f"The template of a project is missing from this installation: {_TEMPLATE}.")
    if is_empty:
        for name in ("contracts", "sql/staging", "sql/marts", "sql/audits", "data/raw"):
            (folder / name).mkdir(parents=True)
        shutil.copyfile(_TEMPLATE / CONFIG, folder / CONFIG)
    else:
        shutil.copytree(_TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
