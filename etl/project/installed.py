"""The versions of installed libraries."""

from __future__ import annotations

import os
import re
import sys
from functools import cache


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
