"""Units that systemd takes, whatever the project's folder is called, and that let a night do little else."""

import re
import shutil
import subprocess
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from etl.operations.schedule import systemd
from etl.operations.schedule.entry import Entry
from tests.support import tiny

NAMES = ["shop", 'ware house\'s 50% "é" $HOME', "a\\b;c"]


@pytest.fixture(params=NAMES)
def units(request, tmp_path) -> list[Path]:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    project = tiny.project(tmp_path / request.param)
    entry = Entry(project=project, at="10 4 * * mon-fri", user="nobody", days="business days")
    systemd.install(entry, ZoneInfo("Europe/Berlin"), tmp_path / "units")
    systemd.install_watch(entry, tmp_path / "units")
    return sorted((tmp_path / "units").iterdir())


def test_systemd_takes_them(units):
    command = ["systemd-analyze", "verify", "--man=no", *map(str, units)]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_a_night_may_do_little_else(units):
    services = [path for path in units if path.suffix == ".service"]
    assert len(services) == 2
    for service in services:
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(service)]

        said = subprocess.run(command, capture_output=True, text=True).stdout

        level = re.search(r"exposure level for .*: ([\d.]+)", said)
        assert level and float(level[1]) <= 4.0, said


def test_removing_leaves_nothing(tmp_path):
    project = tiny.project(tmp_path / "shop")
    entry = Entry(project=project, at="10 4 * * *", user="nobody")
    other = tmp_path / "units/other.service"
    systemd.install(entry, ZoneInfo("UTC"), tmp_path / "units")
    systemd.install_watch(entry, tmp_path / "units")
    other.write_text("[Service]\n")

    assert systemd.remove(entry, tmp_path / "units")
    assert list((tmp_path / "units").iterdir()) == [other]
    assert not systemd.remove(entry, tmp_path / "units")


def test_a_night_may_write_where_its_settings_say(tmp_path):
    settings = f"data = {tmp_path}/elsewhere\nmetrics = {tmp_path}/collected/etl.prom\n"
    project = tiny.project(tmp_path / "shop", settings=settings)

    service, _ = systemd.units(Entry(project=project, at="10 4 * * *"), ZoneInfo("UTC")).values()

    if "ReadWritePaths" in service:
        places = f'"{project.root}" "-{tmp_path}/elsewhere" "-{tmp_path}/collected"'
        assert f"ReadWritePaths={places}\n" in service
