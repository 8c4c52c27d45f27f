"""Bridges: programs that listen to a broker, and print a line for each message.

That is all of the protocol: a line wakes, and nothing of it is read. So any consumer of any broker is a bridge,
and neither what a message says nor who forges one has a say in what is run or loaded.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from etl.errors import ConfigError, sentence
from etl.operations.watch.waker import Watched
from etl.project import CONFIG
from etl.project.waiting import is_readable

_ROUND_SECONDS, _GATHERING_SECONDS = 0.25, 0.2
_READ_BYTES = 1 << 16


@dataclass(frozen=True)
class Bridge:
    """Wakes by each line that a program prints; it is begun in the project's folder, and again when it ended."""

    number: int
    # an argument may be an address with a password
    command: tuple[str, ...] = field(repr=False)
    root: Path
    is_outside = True

    @classmethod
    def of(cls, watched: Watched) -> Sequence[Bridge]:
        """Return one for each line of [etl] watch_bridges."""
        root = watched.project.root
        said = f"{root / CONFIG}: [etl] watch_bridges"
        lines = [line.strip() for line in watched.project.settings.watch_bridges.splitlines() if line.strip()]
        found = []
        for number, line in enumerate(lines, 1):
            try:
                command = tuple(shlex.split(line))
            except ValueError as error:
                raise ConfigError(f"{said}: line {number} is not a command: {sentence(str(error))}") from None
            if not command or _program(root, command[0]) is None:
                raise ConfigError(
                    f"{said}: line {number}: there is no program {command[0] if command else repr(line)}. Install "
                    "it, or name it with its folder."
                )
            found.append(cls(number, command, root))
        return found

    @property
    def named(self) -> str:
        """The program, without its arguments."""
        return f"bridge {self.number} ({Path(self.command[0]).name})"

    def wakes(self, stop: Event) -> Iterator[str]:
        """Yield at each line, or for several at once; and when the program begins: what was told before was lost.

        Raises OSError when the program has ended.
        """
        where = _program(self.root, self.command[0]) or self.command[0]
        with subprocess.Popen(
            [where, *self.command[1:]], cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            try:
                assert process.stdout is not None
                yield f"{self.named} listens"
                yield from self._lines(process.stdout.fileno(), stop)
                if not stop.is_set():
                    code = process.wait(_ROUND_SECONDS)
                    raise OSError(f"it has ended with the exit code {code}")
            except subprocess.TimeoutExpired:
                raise OSError("it prints no more lines") from None
            finally:
                _end(process)

    def _lines(self, output: int, stop: Event) -> Iterator[str]:
        while not stop.is_set():
            if not is_readable(output, _ROUND_SECONDS):
                continue
            read = os.read(output, _READ_BYTES)
            if not read:
                return
            if b"\n" in read:
                yield f"{self.named} has a message"
                # one that prints without an end wakes now and then, and costs little
                stop.wait(_GATHERING_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.terminate()
        process.wait(_ROUND_SECONDS)
    if process.poll() is None:
        process.kill()


def _program(root: Path, name: str) -> str | None:
    """Return the path of a program; one with a folder in its name is looked for from the project's on."""
    return shutil.which(str(root / name) if os.sep in name else name)
