"""Whatever a file of 1 MB holds, of whatever format: memory stays within a bound, and other days are taken."""

import gzip
import re
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from etl.errors import DeliveryError
from etl.ledger import Ledger
from etl.sources.formats import FORMATS
from tests.sources.formats.bombs import BOMBS, zipped
from tests.sources.formats.makers import MAKERS
from tests.support import tiny

pytestmark = pytest.mark.sampled

#: What a process may take at most for a file of 1 MB, all libraries included.
BOUND_MB = 1000
#: What a child may ask for, so that a bomb that goes off takes down no more than its child.
ADDRESS_SPACE = 8 << 30
#: After so many a child hangs: the most that one takes is 10.
CPU_SECONDS = 1200
ROWS = [[1, "book", 2]]


@pytest.mark.parametrize("name", dict.fromkeys([*FORMATS, *BOMBS]))
def test_no_file_of_1_mb_takes_more_than_its_bound(tmp_path: Path, name: str) -> None:
    if name not in BOMBS:
        pytest.fail(f"Format {name} has no bombs. Add what its decoder can multiply to bombs.py.")
    # in a process of its own, whose memory is not that of extraction
    code = f"from {__name__} import write; write({name!r}, {str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = f"from {__name__} import go_off; go_off({name!r}, {str(tmp_path)!r})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
    peaks = [int(peak) for peak in re.findall(r"^bomb \d+: (\d+) MB", ended.stdout, flags=re.MULTILINE)]
    assert len(peaks) == len(BOMBS[name])
    assert max(peaks) < BOUND_MB, ended.stdout


def go_off(name: str, folder: str) -> None:
    """In a child: extract each bomb of a format beside a sound day, and print the peak memory so far."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for number in range(len(BOMBS[name])):
        problem = _extract(name, Path(folder, str(number)))
        print(f"\nbomb {number}: {_peak_mb()} MB, {problem[:300]!r}", flush=True)


def _peak_mb() -> int:
    """Return the peak memory of this program. `ru_maxrss` would count the test process that started it too."""
    if not (status := Path("/proc/self/status")).exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20  # macOS: bytes
    match = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), flags=re.MULTILINE)
    assert match is not None
    return int(match[1]) // 1024


def write(name: str, folder: str) -> None:
    """Write a project for each bomb of a format, each with a sound day beside it."""
    sound = MAKERS[name].write(["id", "item", "price"], ROWS)
    for number, bomb in enumerate(BOMBS[name]):
        file, content = bomb()
        assert len(content) <= 1 << 20, len(content)
        suffix = file.removeprefix("a")
        other = sound
        if suffix.endswith(".gz"):
            other = gzip.compress(sound)
        elif suffix.endswith(".zip"):
            _, other = zipped([sound], zipfile.ZIP_DEFLATED)
        raw = {f"s/2024-03-01{suffix}": content, f"s/2024-03-02{suffix}": other}
        tiny.project(Path(folder, str(number)), raw=raw)


def _extract(name: str, root: Path) -> str:
    """Extract what is there; return what is refused. The sound day is taken in any case."""
    project = tiny.load_project(root)
    suffix = next((project.raw / "s").iterdir()).name.removeprefix("2024-03-01").removeprefix("2024-03-02")
    fmt = MAKERS[name].fmt(["id", "item", "price"])
    source = tiny.sales(files=f"s/{{date}}{suffix}", format=fmt, extra="ignore")
    problem = ""
    try:
        tiny.take(project, source)
    except DeliveryError as error:
        problem = str(error)
    receipts = Ledger(project.ledger).receipts()
    counts = {key.partition: receipts[key].details for key in receipts}
    assert counts["2024-03-02"]["rows"] == 1
    if not problem:
        day = counts["2024-03-01"]
        assert day["records"] == day["rows"] + day["rejected"]
    return problem
