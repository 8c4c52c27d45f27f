"""The versions of installed libraries, and the code of this package."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from functools import cache
from pathlib import Path


@cache
def version_of(name: str) -> str:
    """Return the version of an installed library, as the name of its folder says it.

    Raises importlib.metadata.PackageNotFoundError if it is not installed. That module takes longer to import than
    all else that a command does before it begins, so it is asked only about what is installed in another way.
    """
    folder = re.compile(rf"{re.escape(name)}-([^-]+)\.dist-info", re.IGNORECASE)
    for path in sys.path:
        try:
            found = next(filter(None, map(folder.fullmatch, os.listdir(path or "."))), None)
        except OSError:
            continue
        if found:
            return found[1]
    from importlib.metadata import version

    return version(name)


@cache
def digest_of_code(folder: Path) -> str:
    """Return a hash of the Python files below a folder of this package, as they were when it was first asked for.

    A process that goes on while the package is replaced goes on with the code that it has.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"\0{path.relative_to(folder.parent)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
