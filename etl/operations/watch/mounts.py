"""Whether a file system tells of changes: those over the network know only of their own machine's."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

#: The types of file systems on which others write without this machine's knowledge.
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|glusterfs|gpfs|lustre|beegfs|virtiofs|vboxsf|vmhgfs|fuse(blk)?(\..*)?|drvfs"
)
_MOUNTS = Path("/proc/self/mountinfo")


def tells_changes(folder: Path) -> bool:
    """Return whether changes below a folder can be heard of: the library is there, and nobody else's disk."""
    return find_spec("watchfiles") is not None and not _NETWORK.fullmatch(type_of(folder))


def type_of(folder: Path, mounts: Path = _MOUNTS) -> str:
    """Return the type of the file system that a folder is on, such as `ext4`; empty if nobody says."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    found, longest = "", -1
    place = os.path.realpath(folder)
    for line in lines:
        # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), before.split(" ")[4])
        is_above = place == point or place.startswith(f"{point.rstrip('/')}/")
        if is_above and len(point) >= longest:
            # of several at one place the last one is seen
            found, longest = after.split(" ")[0], len(point)
    return found
