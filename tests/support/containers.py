"""What deploy/Containerfile says, without a container."""

import re
from pathlib import Path

from tests.support.projects import REPOSITORY

DEPLOY: Path = REPOSITORY / "deploy"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the file, each with what stands behind its name, on one line."""
    text = (DEPLOY / "Containerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    parts = (line.partition(" ") for line in lines if line.strip())
    return [(name, " ".join(rest.split())) for name, _, rest in parts]


def stages() -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage."""
    found: list[list[tuple[str, str]]] = []
    for name, text in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, text))
    return found


def variables() -> dict[str, str]:
    """Return the variables that the image sets."""
    text = " ".join(text for name, text in stages()[-1] if name == "ENV")
    return dict(re.findall(r'(\w+)="?([^" ]*)"?', text))
