"""A real cron runs what was installed: as another user, with nothing set, umask 077, and no home."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from etl.operations.schedule import crontab
from etl.operations.schedule.entry import Entry
from etl.project import load_project
from tests.support import tiny

USER = "nobody"
#: The next minute, and a night on however busy a machine.
PATIENCE = 200.0


@pytest.fixture
def folder():
    """A folder that everybody may enter, with a hostile name."""
    made = Path(tempfile.mkdtemp(dir="/var/tmp"))
    made.chmod(0o755)
    yield made / "ware house's 50% é"
    shutil.rmtree(made)


@pytest.fixture
def cron():
    """A cron daemon: the machine's, or one of this test's own."""
    if os.geteuid() or not shutil.which("cron") or not shutil.which("crontab"):
        pytest.skip("needs root, and Debian's cron")
    if subprocess.run(["pgrep", "-x", "cron"], capture_output=True).returncode == 0:
        yield
        return
    daemon = subprocess.Popen([str(shutil.which("cron")), "-f"], env={"PATH": "/usr/bin:/bin"}, umask=0o077)
    yield
    daemon.terminate()
    daemon.wait()


def interpreter(folder: Path) -> Path:
    """Return a Python with what this one has installed that another user may run."""
    base = next((path for path in (Path(sys.executable), Path("/usr/bin/python3")) if _runs(path)), None)
    if base is None:
        pytest.skip(f"{USER} may run no Python of this version")
    site = folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    site.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {base.resolve().parent}\ninclude-system-site-packages = false\n")
    (site / "all.pth").write_text(
        "\n".join(
            path
            for path in sys.path
            if Path(path).is_dir() and path.endswith(("site-packages", str(Path(__file__).parents[3])))
        )
    )
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(base)
    return folder / "bin/python"


def _runs(python: Path) -> bool:
    code = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    try:
        return subprocess.run([python, "-c", code], user=USER, capture_output=True, env={}).returncode == 0
    except OSError:
        return False


def test_an_entry_runs_a_green_night_and_its_removal_leaves_the_crontab_as_it_was(cron, folder, monkeypatch):
    before = b'# mine\nMAILTO=""\n0 0 1 1 *\ttrue % 1\n'
    monkeypatch.setattr(sys, "executable", str(interpreter(folder.parent / "venv")))
    project = tiny.project(folder)
    (folder / "etl.env").write_text("ETL_MASK_KEY=from the file\n")
    (folder / "etl.env").chmod(0o600)
    found = pwd.getpwnam(USER)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, found.pw_uid, found.pw_gid)
    crontab.write(USER, before)
    entry = Entry(project=load_project(folder), at="* * * * *", user=USER)
    try:
        crontab.install(entry)
        end = time.monotonic() + PATIENCE
        log = project.logs / "unattended.log"
        while not project.warehouse.exists() and time.monotonic() < end:
            time.sleep(0.5)
        assert project.warehouse.exists(), log.read_text() if log.exists() else "nothing was begun"
        assert crontab.remove(entry)
        assert crontab.read(USER) == before
    finally:
        crontab.write(USER, None)
    while "taken, 3 rows" not in log.read_text() and time.monotonic() < end:
        time.sleep(0.2)

    assert "2 partitions taken, 3 rows, 0 rejected" in log.read_text()
    # the permissions are those of luigi.cfg, not of cron's umask
    assert project.warehouse.resolve().stat().st_mode & 0o777 == 0o444
    assert project.warehouse.resolve().stat().st_uid == found.pw_uid
