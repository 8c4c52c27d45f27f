"""The libraries of the report are what their lock says, and no byte else."""

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.projects import REPOSITORY

TOOLS = REPOSITORY / "tools" / "vendor"
VENDOR = REPOSITORY / "etl" / "reports" / "page" / "vendor"
KNOWN = tomllib.loads((VENDOR / "vendor.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", KNOWN)
def test_a_file_is_the_one_that_was_vendored(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == KNOWN[name]["sha256"], "type `make vendor`"


@pytest.mark.parametrize("name", KNOWN)
def test_a_file_is_of_the_version_in_the_lock(name: str) -> None:
    lock = json.loads((TOOLS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    known = KNOWN[name]
    locked = lock[f"node_modules/{known['package']}"]
    assert (known["version"], known["integrity"]) == (locked["version"], locked["integrity"])


@pytest.mark.parametrize("name", KNOWN)
def test_a_file_comes_with_its_licence(name: str) -> None:
    licence, place = KNOWN[name]["licence"].split(", see ")
    assert licence == "MIT"
    assert "Permission is hereby granted" in (VENDOR / place).read_text(encoding="utf-8")


def test_nothing_is_there_that_was_not_vendored() -> None:
    licences = {known["licence"].split(", see ")[1] for known in KNOWN.values()}
    assert {path.name for path in VENDOR.iterdir()} == {"vendor.toml", *KNOWN, *licences}


def test_neither_lock_nor_list_names_a_host() -> None:
    for path in (TOOLS / "package.json", TOOLS / "package-lock.json", VENDOR / "vendor.toml"):
        assert "://" not in path.read_text(encoding="utf-8")


def test_the_lock_makes_the_same_bytes_again(tmp_path: Path) -> None:
    modules = TOOLS / "node_modules"
    if not (modules / ".bin" / "esbuild").exists() or not shutil.which("node"):
        pytest.skip("tools/vendor/node_modules is not there: type `make vendor` where npm is")
    subprocess.run([sys.executable, TOOLS / "vendor.py", tmp_path], check=True)
    for path in VENDOR.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
