"""A raw file that is opened once, and checked then: whatever takes its name later, only that file is read."""

from __future__ import annotations

import os
import re
import resource
from contextlib import suppress
from pathlib import Path

from etl.errors import DeliveryError
from etl.project.files import open_inside
from etl.stages.raw import File, state_of

#: What a format may tell by the end of a name; all else of a sender's name is nobody's business below.
_ENDINGS = re.compile(r"(\.[A-Za-z0-9]{1,8}){1,3}$")
#: Where Linux has the files that a process has open, by their numbers.
_OPEN_FILES = Path("/proc/self/fd")
#: How many files are kept open at once: half of what the process may. Of more, each is checked, and closed again.
_MOST_OPEN = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2

_open: set[int] = set()


class Pinned:
    """A raw file of a run, to be read by `path`: a link beside `scratch` to the file that was opened."""

    def __init__(self, file: File, scratch: Path) -> None:
        """Open and check the file. Raises DeliveryError if it is not the one that the run was planned with."""
        ending = _ENDINGS.search(file.path.name)
        self.path = scratch.with_name(f"{scratch.name}.raw{ending[0] if ending else ''}")
        self._descriptor = open_inside(file.path, file.raw)
        try:
            if state_of(os.fstat(self._descriptor)) != file.stat_key[1:]:
                raise DeliveryError(
                    f"{file.name} is another file than when the run began. Nothing of it was taken; the next run "
                    "takes what it then finds."
                )
            self.path.unlink(missing_ok=True)
            self.path.symlink_to(self._target(file))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        _open.discard(self._descriptor)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _target(self, file: File) -> Path:
        if len(_open) >= _MOST_OPEN or not _OPEN_FILES.is_dir():
            os.close(self._descriptor)
            self._descriptor = -1
            return file.path.absolute()
        _open.add(self._descriptor)
        return _OPEN_FILES / str(self._descriptor)
