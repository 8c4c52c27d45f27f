"""A forced backfill that was really killed goes on where it was: `etl backfill --force --resume`."""

import os
import signal
import subprocess
import sys

import pytest

from etl.ledger import Ledger
from tests.support import tiny

#: Runs `etl` with argv[2:], and kills itself before the file of so many partitions is put into the lake.
KILLED = """
import os, signal, sys
left = [int(sys.argv[1])]
def hook(event, arguments):
    if event == "os.rename" and "/lake/sales/" in str(arguments[1]):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
sys.argv = ["etl", *sys.argv[2:]]
from etl.cli.main import main
main()
"""
RANGE = ["backfill", "--start", "2024-03-01", "--stop", "2024-03-06"]
RAW = {f"sales/2024-03-0{n}.csv": f"id,item\n{n},pen\n" for n in range(1, 7)}


def etl(project, *words, code=None):
    command = [sys.executable, "-P", *(["-c", code] if code else ["-m", "etl"]), *words]
    own = {**os.environ, "ETL_PROJECT": str(project.root)}
    return subprocess.run(command, env=own, cwd=project.root, capture_output=True, text=True, timeout=300)


def extracted_by(project):
    receipts = Ledger(project.ledger, is_reading=True).receipts().items()
    return {key.partition: receipt.run_id for key, receipt in receipts if key.step == "extract"}


@pytest.mark.parametrize("at", [1, 4])
def test_a_killed_backfill_goes_on_with_what_it_had_not_extracted(tmp_path, at):
    project = tiny.project(tmp_path, raw=RAW)
    assert etl(project, "run", "--date", "2024-03-31").returncode == 0
    before = extracted_by(project)

    killed = etl(project, str(at), *RANGE, "--force", code=KILLED)
    assert killed.returncode == -signal.SIGKILL
    halfway = extracted_by(project)
    done = {day for day in before if halfway.get(day) != before[day]}

    listed = etl(project, *RANGE, "--force", "--resume", "--dry-run").stdout
    assert listed.startswith(f"{6 - len(done)} partitions to take, {len(done)} unchanged")
    resumed = etl(project, *RANGE, "--force", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    after = extracted_by(project)
    assert {day: after[day] for day in done} == {day: halfway[day] for day in done}
    assert all(after[day] > before[day] for day in before)
    assert tiny.published(project, "select count(*), sum(id) from raw.sales") == [(6, 21)]
