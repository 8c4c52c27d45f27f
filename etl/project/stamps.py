"""How a folder is, told by names and stats alone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def tree_stamp(folder: Path) -> str:
    """Return a text that changes once a file in a folder or below was added, changed or removed.

    What Python compiles, and what is hidden, is passed over. A folder that cannot be read is an empty one.
    """
    found = hashlib.sha256()
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            try:
                status = os.stat(os.path.join(path, name))
            except OSError:
                continue
            state = (path, name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            found.update(repr(state).encode("utf-8", "surrogateescape"))
    return found.hexdigest()
