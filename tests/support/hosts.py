"""Where jobs are done in tests: an address of each kind, with workers of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import etl

#: Where `make clusters` puts their libraries: whoever imports pandera would import them too.
CLUSTERS = Path(etl.__file__).parent.parent / ".venv" / "cluster"

#: A program that is a cluster of Dask with two workers, and prints its address.
DASK = """
import sys
from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address.replace("tcp", "dask"), flush=True)
        sys.stdin.read()
"""


@contextmanager
def _processes() -> Iterator[str]:
    yield "processes://2"


def _dask() -> AbstractContextManager[str]:
    return dask([sys.executable], env={**os.environ, "PYTHONPATH": str(CLUSTERS)})


@contextmanager
def dask(python: Sequence[str], **options: Any) -> Iterator[str]:
    """Give a cluster of two workers, in processes of their own."""
    if not (CLUSTERS / "distributed").is_dir():
        pytest.skip("Dask is not here: `make clusters`")
    pipe = subprocess.PIPE
    with subprocess.Popen([*python, "-c", DASK], stdin=pipe, stdout=pipe, text=True, **options) as process:
        assert process.stdin and process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@contextmanager
def _spark() -> Iterator[str]:
    """Give two workers that the driver starts."""
    if not (CLUSTERS / "pyspark").is_dir() or shutil.which("java") is None:
        pytest.skip("Spark is not here: `make clusters`, which needs Java")
    yield "spark://local-cluster"


#: A host of each kind, by the name of its module.
HOSTS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "processes": _processes,
    "dask": _dask,
    "spark": _spark,
}
