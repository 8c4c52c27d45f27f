"""Workers that share nothing with a project but its code: another folder and home, no sight of its data."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etl.project import Project
from etl.run import jobs
from etl.run.jobs import hosts
from etl.run.jobs.hosts.processes import Processes
from tests.support.hosts import CLUSTERS, HOSTS, connect, dask
from tests.support.projects import REPOSITORY

#: What a worker has of the environment of who started it, beside what it asks the bucket with.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")
_ASKED_WITH = ("AWS_", "GOOGLE_", "AZURE_")
#: What root can do, and workers cannot: open what nobody may.
_POWERS = "-dac_override,-dac_read_search"


@dataclass(frozen=True)
class Machine:
    """What is as good as another machine: a folder, and how a program is started that may not see the project."""

    folder: Path
    prefix: list[str]
    environment: Mapping[str, str]


@contextmanager
def machine(project: Project) -> Iterator[Machine]:
    """Give another machine with the code of a project.

    Its programs may not even list the project, where the tests are run by root, who may.
    """
    folder = Path(tempfile.mkdtemp(prefix="far"))
    for name in ("home", "tmp", "shop"):
        (folder / name).mkdir()
    for name in ("luigi.cfg", "contracts"):
        there, here = folder / "shop" / name, project.root / name
        shutil.copytree(here, there) if here.is_dir() else shutil.copy(here, there)
    prefix: list[str] = []
    if os.getuid() == 0 and shutil.which("setpriv"):
        project.root.chmod(0)
        prefix = ["setpriv", f"--inh-caps={_POWERS}", f"--bounding-set={_POWERS}"]
    kept = {name: text for name, text in os.environ.items() if name in _KEPT or name.startswith(_ASKED_WITH)}
    places = {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "ETL_PROJECT": str(folder / "shop")}
    try:
        yield Machine(folder, prefix, {**kept, **places, "PYTHONPATH": str(REPOSITORY)})
    finally:
        project.root.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def processes(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have the processes of an executor be on another machine; give its folder."""
    with machine(project) as far:

        def start(_: Processes) -> subprocess.Popen[str]:
            command = [*far.prefix, sys.executable, "-m", "etl.run.jobs.worker"]
            return subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=far.folder, env=far.environment)

        monkeypatch.setattr(Processes, "start", start)
        try:
            yield far.folder
        finally:
            hosts.close_host(project.settings.executor)


@contextmanager
def _dask(project: Project) -> Iterator[tuple[str, Mapping[str, str]]]:
    with machine(project) as far:
        environment = {**far.environment, "PYTHONPATH": f"{CLUSTERS}{os.pathsep}{REPOSITORY}"}
        with dask([*far.prefix, sys.executable], cwd=far.folder, env=environment) as url:
            yield url, {}


@contextmanager
def _spark(project: Project) -> Iterator[tuple[str, Mapping[str, str]]]:
    with HOSTS["spark"]() as url, machine(project) as far:
        yield url, {"PYSPARK_PYTHON": _python(far)}


@contextmanager
def _connect(project: Project) -> Iterator[tuple[str, Mapping[str, str]]]:
    # what it starts is told by the server, not by the run
    with machine(project) as far, connect(_python(far)) as url:
        yield url, {}


def _python(far: Machine) -> str:
    """Return a program that is the Python of a machine; its own variables tell it where its libraries are."""
    python = far.folder / "python"
    places = [f"{name}={far.environment[name]}" for name in ("HOME", "TMPDIR", "ETL_PROJECT")]
    command = shlex.join(["env", *places, *far.prefix, sys.executable])
    python.write_text(f'#!/bin/sh\ncd {shlex.quote(str(far.folder))}\nexec {command} "$@"\n')
    python.chmod(0o755)
    return str(python)


#: Clusters whose workers are on another machine than a project, by what their address begins with: an address,
#: and what the environment of a run needs for it.
FAR_CLUSTERS: dict[str, Callable[[Project], AbstractContextManager[tuple[str, Mapping[str, str]]]]] = {
    "dask": _dask,
    "spark": _spark,
    "sc": _connect,
}


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
