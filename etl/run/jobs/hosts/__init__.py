"""hosts: where jobs are done. An address names one: `processes://4`, `dask://host:8786`, `spark://host:7077`."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Protocol, cast

#: The module that opens an address, by what that begins with.
SCHEMES = {"processes": "processes", "dask": "dask", "spark": "spark", "sc": "spark"}

#: The hosts that this process has opened, by its id and the address.
_open: dict[tuple[int, str], Host] = {}


class Host(Protocol):
    """Something that does jobs, each on whatever machine it likes, and again where a worker is lost."""

    def run(self, jobs: Sequence[str]) -> Iterator[str]:
        """Yield the answer of each job as it comes, in any order. Raises StepError if one cannot be had."""

    def close(self) -> None:
        """Let go of the workers."""


def host_of(url: str) -> Host:
    """Return the host with an address, opened by the first of this process who asks, and closed at its end.

    Raises StepError if it cannot be reached, or a library is missing.
    """
    key = (os.getpid(), url)
    if key not in _open:
        module = import_module(f"etl.run.jobs.hosts.{SCHEMES[url.partition(':')[0]]}")
        _open[key] = cast("Host", module.open_host(url))
        atexit.register(close_host, url)
    return _open[key]


def close_host(url: str) -> None:
    """Close the host with an address, if this process has opened it; one that was forked from it leaves it."""
    if host := _open.pop((os.getpid(), url), None):
        host.close()
