"""A real watch: a process that is woken by a rename, publishes, and ends when it is told to."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

from etl.ledger import Ledger
from etl.ledger.history import History
from etl.stages import published
from tests.support import tiny

PATIENCE_SECONDS = 120


@contextmanager
def watched(project, *options):
    """Have a project watched until the block ends; what was said is in watch.log."""
    environment = {**os.environ, "ETL_PROJECT": str(project.root)}
    with (project.root / "watch.log").open("w") as log:
        command = [sys.executable, "-P", "-m", "etl", "watch", *options]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)


def until(is_so) -> None:
    for _ in range(PATIENCE_SECONDS * 20):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("nothing happened")


def test_a_delivery_is_published_without_anybody_asking_for_it(tmp_path):
    project = tiny.project(tmp_path, settings="threads = 1\nwatch_cool_down = 1\n")
    with watched(project) as process:
        until(lambda: published.current(project))
        first = published.current(project)
        (project.raw / "sales/.new").write_text("id,item\n4,cap\n")
        (project.raw / "sales/.new").rename(project.raw / "sales/2024-03-03.csv")
        until(lambda: published.current(project) != first)
        # a watch stays small
        libraries = Path(f"/proc/{process.pid}/maps").read_text()
        assert not any(name in libraries for name in ("duckdb", "pandas", "pyarrow"))
    assert process.returncode == 0
    assert (tmp_path / "watch.log").read_text().count("the watch ends") == 1
    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        assert {facts.trigger for facts in History(ledger).facts().values()} == {"watch"}
