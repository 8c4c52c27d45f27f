"""Where jobs are done in tests: an address of each kind, with workers of its own."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.run.jobs.hosts import SCHEMES
from tests.support.projects import free_port
from tests.support.thorough import EVERY

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
    _need_spark()
    yield "spark://local-cluster"


def _connect() -> AbstractContextManager[str]:
    return connect(sys.executable)


@contextmanager
def connect(python: str) -> Iterator[str]:
    """Give a server of Spark Connect with two workers, whose Python is a program."""
    _need_spark("grpc_status")
    port, submit = free_port(), CLUSTERS / "pyspark" / "bin" / "spark-submit"
    settings = ("ui.enabled=false", "connect.grpc.binding.address=127.0.0.1", f"connect.grpc.binding.port={port}")
    what = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    command = [str(submit), "--master", "local-cluster[2,1,1024]"]
    command += [word for setting in settings for word in ("--conf", f"spark.{setting}")]
    path = os.pathsep.join([str(Path(etl.__file__).parent.parent), str(CLUSTERS)])
    own = {"PYTHONPATH": path, "PYSPARK_PYTHON": python, "SPARK_HOME": str(CLUSTERS / "pyspark")}
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*command, *what], stdout=quiet, stderr=quiet, env={**os.environ, **own}) as process:
        try:
            while process.poll() is None and not _listens(port):
                time.sleep(0.1)
            yield f"sc://127.0.0.1:{port}"
        finally:
            process.terminate()


def _need_spark(*more: str) -> None:
    if not all((CLUSTERS / name).is_dir() for name in ("pyspark", *more)) or shutil.which("java") is None:
        pytest.skip("Spark is not here: `make clusters`, which needs Java")


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


#: A host of each kind, by what its address begins with.
HOSTS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "processes": _processes,
    "dask": _dask,
    "spark": _spark,
    "sc": _connect,
}
#: What tests of every kind go through: the modules of hosts; with ETL_TEST_EVERY=1 all beginnings of addresses.
KINDS = tuple(SCHEMES) if EVERY else tuple(dict.fromkeys(SCHEMES.values()))
#: Those that compute SQL of Spark.
SPARKS = [kind for kind in KINDS if SCHEMES[kind] == "spark"]


def scheme_of(kind: str) -> str:
    """Return what the address of a kind begins with; of a module one of those that it opens, others each time."""
    return kind if EVERY else random.choice([scheme for scheme, module in SCHEMES.items() if module == kind])
