"""What a project declares of its deliveries, asked of a process of its own: a watch stays small.

`python -m etl.operations.watch.declared ROOT` prints it as JSON; contracts that were changed are compiled there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, EtlError, sentence
from etl.project import Project, load_project
from etl.sources.connectors import connector_from, connector_to
from etl.sources.connectors.connector import Connector

_LONGEST_SECONDS = 300


@dataclass(frozen=True)
class Delivered:
    """How the deliveries of a source come, by its name, and below which folder."""

    name: str
    connector: Connector
    root: Path


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The sources whose deliveries lie in raw/; whether there are others; and the pointers of those."""

    delivered: tuple[Delivered, ...]
    #: Whether any source is fetched, or made by a task: whether that has anything new, only a run can tell.
    has_outside: bool
    pointers: tuple[Path, ...]


def ask(project: Project) -> Declared:
    """Return what a project declares now. Raises ConfigError with what is wrong with it."""
    command = [sys.executable, "-P", "-m", __name__, project.identity]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            cwd=project.root,
            check=False,
        )
        return _read(json.loads(done.stdout.splitlines()[-1])) if done.returncode == 0 else _refused(done.stderr)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise ConfigError(f"What {project.place} declares cannot be asked: {sentence(str(error))}") from error


def tell(project: Project) -> dict[str, Any]:
    """Return what a project declares as plain data; what was compiled is kept in the ledger if that can be."""
    from etl.ledger import Ledger
    from etl.plan.definitions import definitions

    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        sources = definitions(project, ledger)[0].sources.values()
    outside = [source for source in sources if source.fetch or source.task]
    pointers: list[str] = []
    for source in sources:
        # of a project that is not there, the run says so
        with suppress(ConfigError):
            pointers += map(str, getattr(source.fetch, "pointers", _none)(project))
    return {
        "delivered": [
            {"name": s.name, "connector": connector_to(s.connector), "root": str(s.root(project))}
            for s in sources
            if not s.fetch
        ],
        "has_outside": bool(outside),
        "pointers": pointers,
    }


def _none(project: Project) -> tuple[()]:
    return ()


def _read(said: Mapping[str, Any]) -> Declared:
    delivered = (
        Delivered(one["name"], connector_from(one["connector"]), Path(one["root"])) for one in said["delivered"]
    )
    return Declared(
        delivered=tuple(delivered), has_outside=said["has_outside"], pointers=tuple(map(Path, said["pointers"]))
    )


def _refused(said: bytes) -> Declared:
    raise ConfigError(said.decode("utf-8", "replace").strip() or "It ended without a word.")


def _main(identity: str) -> int:
    try:
        print(json.dumps(tell(load_project(identity))))
    except EtlError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
