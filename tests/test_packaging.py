"""What is installed: a wheel with all that the package needs, libraries in versions that the tests passed on."""

import configparser
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import duckdb
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.projects import REPOSITORY, environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy of what is committed, with what is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(REPOSITORY / "etl", folder / "etl", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pytest_etl.py", "setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(REPOSITORY / name, folder)
    # what else is in a checkout must not get into it
    for name in ("tests", "benchmarks", "contracts", "sql"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    run(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", *OFFLINE, "--no-deps", ".", folder=folder)
    (made,) = folder.glob("*.whl")
    return made


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (
        path for path in (REPOSITORY / "etl").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    assert held == {"pytest_etl.py", *(path.relative_to(REPOSITORY).as_posix() for path in files)}


def test_a_first_night_of_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    commands = empty_environment(tmp_path / "venv")
    # without --no-deps: pip looks whether all that is required is there
    run(
        sys.executable,
        "-m",
        "pip",
        f"--python={commands}/python",
        "install",
        *OFFLINE,
        str(wheel),
        folder=tmp_path,
    )
    shop = tmp_path / "shop"
    run(commands / "etl", "init", "shop", folder=tmp_path)
    run(commands / "luigi", "--module", "etl", "Nightly", "--date", "2024-03-02", folder=shop)
    assert "passed" in run(commands / "pytest", folder=shop)
    with duckdb.connect(str(shop / "data/warehouse.duckdb"), read_only=True) as con:
        assert con.sql("select count(*) from raw.sales").fetchall() == [(5,)]


def test_every_library_has_the_version_that_the_tests_passed_on() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    known = {canonicalize_name(r.name): r for r in map(Requirement, (line for line in lines if line[:1] != "#"))}
    assert all([s.operator for s in requirement.specifier] == ["=="] for requirement in known.values())
    for requirement in required():
        name = canonicalize_name(requirement.name)
        assert name in known, f"constraints.txt lacks {name}; type `make constraints`."
        (pin,) = known[name].specifier
        assert requirement.specifier.contains(pin.version), (
            f"constraints.txt has {name} {pin.version}: {requirement}."
        )


#: No index is asked: what is installed is all that there is.
OFFLINE = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-cache-dir")


def run(*command: str | Path, folder: Path) -> str:
    """Run a command in a folder, which must succeed, and knows nothing of this checkout; return what it says."""
    bare = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=bare, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def empty_environment(folder: Path) -> Path:
    """Make an environment that has all libraries that are installed here, but not the package; return its bin/."""
    venv.create(folder, symlinks=True, with_pip=False)
    (target,) = folder.glob("lib/python*/site-packages")
    for here in (path for path in map(Path, sys.path) if path.name == "site-packages"):
        for entry in here.iterdir():
            is_own = entry.name.startswith(("etl-", "__editable__", "pytest_etl", "__pycache__"))
            if not is_own and entry.suffix != ".pth" and not (target / entry.name).exists():
                (target / entry.name).symlink_to(entry)
    # a command of a library is one of the environment, as pip would make it
    for module in ("luigi.cmdline:luigi_run", "pytest:console_main"):
        name, function = module.split(":")
        command = folder / "bin" / name.split(".")[0]
        command.write_text(f"#!{folder}/bin/python\nimport {name} as module\nmodule.{function}()\n")
        command.chmod(0o755)
    return folder / "bin"


def required() -> Iterator[Requirement]:
    """Yield all that the package requires, with its extras, and all that those require, on this machine."""
    config = configparser.ConfigParser()
    config.read(REPOSITORY / "setup.cfg")
    texts = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    lines = (line.strip() for text in texts for line in text.splitlines())
    waiting = [Requirement(line) for line in lines if line and not line.startswith("#")]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        yield requirement
        extras = [{"extra": extra} for extra in ("", *requirement.extras)]
        try:
            needed = requires(requirement.name) or ()
        except PackageNotFoundError:  # an extra that is not installed here
            continue
        for further in map(Requirement, needed):
            if further.marker is None or any(further.marker.evaluate(extra) for extra in extras):
                waiting.append(further)
