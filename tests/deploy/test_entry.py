"""What the image runs, run without one: as its user, with its variables alone, on a disk that is read-only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from etl.project import Project
from tests.support import tiny
from tests.support.containers import stages, variables

UID = "10001"


@pytest.fixture
def place():
    """A folder that the user of the image can get to, as the folders of pytest are not."""
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("only root, with setpriv, can be another user")
    folder = Path(tempfile.mkdtemp(prefix="etl-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def project(place: Path) -> Project:
    """A project as the image has it: its files are root's and read-only, the data is the user's."""
    made = tiny.project(place / "project")
    for path in (made.root, *made.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for path in (made.data, *made.data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.chown(path, int(UID), int(UID))
    return made


def begin(project: Project, *arguments: str, **others: str) -> subprocess.Popen:
    last = dict(stages()[-1])
    image = variables()
    here = {"ETL_PROJECT": str(project.root), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    command = [*json.loads(last["ENTRYPOINT"]), *(arguments or json.loads(last["CMD"]))]
    user = ["setpriv", "--reuid", UID, "--regid", UID, "--clear-groups", "--no-new-privs"]
    assert image.keys() >= here.keys()
    process = subprocess.Popen(
        [*user, *command],
        cwd=project.root,
        env={**image, **here, **others},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return process


def run(project: Project, *arguments: str, **others: str) -> tuple[int, str]:
    process = begin(project, *arguments, **others)
    said = process.communicate()[0]
    if "Permission denied" in said and not (project.data / "etl.sqlite").exists() and str(sys.prefix) in said:
        pytest.skip("another user cannot read the virtual environment")
    return process.returncode, said


def test_a_night_is_green_and_writes_to_the_data_alone(project):
    before = {
        path: path.stat().st_mtime_ns for path in project.root.rglob("*") if project.data not in path.parents
    }

    assert run(project, ETL_COMMIT="1" * 40) == (0, "")

    assert tiny.published(project, "select count(*) from raw.sales") == [(3,)]
    owners = {path.lstat().st_uid for path in project.data.rglob("*")}
    assert owners == {int(UID)}
    before.pop(project.data, None)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    health = json.loads(dict(stages()[-1])["HEALTHCHECK"].partition("CMD ")[2])
    code, said = run(project, *health[1:])
    assert code == 0 and "published" in said
    code, said = run(project, "deployed", "--json")
    assert [one["commit"] for one in json.loads(said)] == ["1" * 40]


def test_the_health_of_a_project_that_cannot_be_read_is_bad(project):
    (project.root / "luigi.cfg").write_text("[etl]\nnonsense = 1\n")

    assert run(project, "status")[0] == 35


def test_a_signal_to_the_first_process_ends_the_night(project):
    (project.sql / "marts/slow.sql").write_text(
        "select sum(a.range * b.range) as n from range(1000000) a, range(1000000) b"
    )
    process = begin(project)
    log = project.data / "logs/unattended.log"
    while process.poll() is None and not (log.exists() and "loaded" in log.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)

    said = process.communicate()[0]

    assert process.returncode == 128 + signal.SIGTERM, said
    assert "The run was interrupted by SIGTERM." in log.read_text()
    assert "Traceback" not in log.read_text()
