"""`etl mirror`: what is sent, what is lacking, and their exit codes; a rollback sends what it changed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import EtlError
from etl.project import Project, load_project
from etl.stages import published
from tests.support import tiny

MORE = {"sales/2024-03-03.csv": "id,item\n4,cup\n"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that has published twice, and has sent nothing to its mirror."""
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path / "shop"))
    project = tiny.project(tmp_path / "shop", settings=f"threads = 1\nmirror = file://{tmp_path}/mirror\n")
    tiny.night(project)
    tiny.deliver(project, MORE)
    tiny.night(project)
    return project


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, arguments)
    if isinstance(result.exception, EtlError):
        assert result.exception.exit_code == code, result.exception
        return str(result.exception)
    assert result.exit_code == code, result.output
    return result.output


def pointed(tmp_path: Path) -> str:
    return json.loads((tmp_path / "mirror/current.json").read_text())["generation"]


def test_it_sends_what_is_lacking_and_a_check_says_whether_something_is(project, tmp_path) -> None:
    url, there = project.settings.mirror, published.current(project)
    assert "readers find no generation" in said("mirror", "--check", code=30)
    assert f"{url} has nothing yet, and lacks what is published now. To send it: etl mirror" in said("status")
    assert f"readers find generation {there}; 2 files with " in said("mirror")
    assert f"{url} has all of the current generation." in said("mirror", "--check")
    assert f"mirror      {url} has {there}, sent " in said("status")


def test_a_rollback_switches_its_readers_too(project, tmp_path) -> None:
    said("mirror")
    said("rollback", "--reason", "spoiled")
    assert pointed(tmp_path) == published.generations(project)[0] == published.current(project)


def test_without_a_mirror_it_says_how_to_set_one(project) -> None:
    (project.root / "luigi.cfg").write_text("[etl]\n")
    assert "This project has no mirror. Set [etl] mirror in luigi.cfg" in said("mirror", code=35)
    assert "\nmirror " not in said("status")


def test_another_environment_has_no_mirror_but_its_own(project, tmp_path) -> None:
    with (project.root / "luigi.cfg").open("a") as file:
        file.write("[etl.env.dev]\n[etl.env.test]\nmirror = file:///mnt/test\n")
    found = [load_project(project.root, name).settings.mirror for name in ("prod", "dev", "test")]
    assert found == [f"file://{tmp_path}/mirror", "", "file:///mnt/test"]


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ("shop", "mirror = shop is not an address such as file:///mnt/share/shop, s3://shop/warehouse"),
        ("http://shop/x", "is not an address"),
        ("s3://", "is not an address"),
        ("file://host/share", "is not an address"),
        ("s3://ann:canary@shop/x", "is an address alone, without a user, a password"),
        ("s3://shop/x?key=canary", "is an address alone"),
        ("file://{root}/data/mirror", "is inside the folder of the data"),
        ("file://{root}/data", "is inside the folder of the data"),
    ],
)
def test_a_wrong_address_is_refused_and_no_secret_is_said(mirror, message, project) -> None:
    (project.root / "luigi.cfg").write_text(f"[etl]\nmirror = {mirror.format(root=project.root)}\n")
    text = said("mirror", code=35)
    assert message in text
    assert "canary" not in text
