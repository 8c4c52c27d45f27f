"""Workers that share nothing with a project but its code: another folder and home, no sight of its data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from etl.project import Project
from etl.run import jobs
from etl.run.jobs import hosts
from etl.run.jobs.hosts.processes import Processes
from tests.support.projects import REPOSITORY

#: What a worker has of the environment of who started it, beside what it asks the bucket with.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")
_ASKED_WITH = ("AWS_", "GOOGLE_", "AZURE_")
#: What root can do, and workers cannot: open what nobody may.
_POWERS = "-dac_override,-dac_read_search"


@contextmanager
def machine(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have the processes of an executor be on what is as good as another machine; give its folder.

    They may not even list the project, where the tests are run by root, who may.
    """
    folder = Path(tempfile.mkdtemp(prefix="far"))
    for name in ("home", "tmp", "shop"):
        (folder / name).mkdir()
    for name in ("luigi.cfg", "contracts"):
        there, here = folder / "shop" / name, project.root / name
        shutil.copytree(here, there) if here.is_dir() else shutil.copy(here, there)
    powerless: list[str] = []
    if os.getuid() == 0 and shutil.which("setpriv"):
        project.root.chmod(0)
        powerless = ["setpriv", f"--inh-caps={_POWERS}", f"--bounding-set={_POWERS}"]
    kept = {name: text for name, text in os.environ.items() if name in _KEPT or name.startswith(_ASKED_WITH)}
    places = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "ETL_PROJECT": str(folder / "shop")}

    def start(_: Processes) -> subprocess.Popen[str]:
        command = [*powerless, sys.executable, "-m", "etl.run.jobs.worker"]
        environment = {**kept, **places, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=folder, env=environment)

    monkeypatch.setattr(Processes, "start", start)
    try:
        yield folder
    finally:
        hosts.close_host(project.settings.executor)
        project.root.chmod(0o755)
        shutil.rmtree(folder)


class Near:
    """A host whose workers are this process; `before` and `after` are given the text of each job and reply."""

    def __init__(self, before: Any = lambda text: None, after: Any = lambda text: None) -> None:
        self.before, self.after, self.texts = before, after, []

    def run(self, given: Sequence[str]) -> Iterator[str]:
        for text in given:
            self.before(text)
            reply = jobs.run_job(text)
            self.after(reply)
            self.texts += [text, reply]
            yield reply

    def close(self) -> None:
        """Nothing is to be let go of."""
