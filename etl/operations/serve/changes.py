"""What changes something: the same command as a person types, in a process of its own that outlives the server."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import IO

from etl.errors import AlreadyRunning
from etl.ledger import now
from etl.ledger.lock import holder
from etl.operations.serve.access import TOKEN
from etl.operations.serve.asked import Refusal
from etl.project import Project
from etl.run.origin import TRIGGER

#: So many changes are remembered, and so much of what each one said is shown.
_MOST, _SHOWN_BYTES = 50, 32_000
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Change:
    """A command of `etl` that was begun: its arguments, and what it said so far."""

    id: str
    arguments: Sequence[str]
    _: KW_ONLY
    at: str
    process: subprocess.Popen[bytes] = field(repr=False)
    output: IO[bytes] = field(repr=False)

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it is under way."""
        return self.process.poll()

    @property
    def said(self) -> str:
        """The end of what it said."""
        size = os.fstat(self.output.fileno()).st_size
        text = os.pread(self.output.fileno(), _SHOWN_BYTES, max(0, size - _SHOWN_BYTES))
        return text.decode("utf-8", "replace")

    @property
    def was_refused(self) -> bool:
        """Whether it has done nothing, since another process had the project's lock."""
        return self.exit_code == AlreadyRunning.exit_code


@dataclass
class Changes:
    """The changes that were begun here, one after another."""

    project: Project
    _begun: dict[str, Change] = field(default_factory=dict, repr=False)

    def find(self, id: str) -> Change:
        """Return a change. Raises Refusal for one that is not remembered."""
        if id not in self._begun:
            raise Refusal(404, "This change is not remembered any more. What it did is among the runs.")
        return self._begun[id]

    def begin(self, arguments: Sequence[str]) -> Change:
        """Begin a command of `etl`. Raises Refusal if a run or another command has the project."""
        if any(change.exit_code is None for change in self._begun.values()):
            raise Refusal(409, "A change that was begun here is under way. Wait until it is over.")
        if who := holder(self.project):
            raise Refusal(409, f"{who} is under way, and nothing can be changed meanwhile. Wait until it is over.")
        output = tempfile.TemporaryFile()  # noqa: SIM115 (it is open as long as it is shown)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "etl", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=self.project.root,
            env=_environment(self.project),
            start_new_session=True,
        )
        change = Change(secrets.token_urlsafe(9), arguments, at=now(), process=process, output=output)
        self._begun[change.id] = change
        while len(self._begun) > _MOST:
            self._begun.pop(next(iter(self._begun))).output.close()
        return change

    def close(self) -> None:
        """Remember nothing any more; what is under way goes on."""
        while self._begun:
            self._begun.popitem()[1].output.close()

    async def wait(self, change: Change, seconds: float) -> None:
        """Wait until a change is over, or for so long."""
        while change.exit_code is None and seconds > 0:
            await asyncio.sleep(_POLL_SECONDS)
            seconds -= _POLL_SECONDS


def _environment(project: Project) -> dict[str, str]:
    """Return the environment of a command: the server's own, without the token."""
    own = {name: value for name, value in os.environ.items() if name != TOKEN}
    named = {"ETL_ENV": project.environment} if project.environment else {}
    return {**own, "ETL_PROJECT": str(project.root), TRIGGER: "serve", "NO_COLOR": "1", **named}
