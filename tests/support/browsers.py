"""A browser for the pages, where there is one: one for the tests of a module.

Playwright bears no two in a process, and its loop runs in the tests' thread while it is there: the tests of other
modules are not to meet it.
"""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.projects import REPOSITORY

AXE = REPOSITORY / "tools" / "vendor" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of the machine's own, driven by playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright lacks: pip install 'etl[browser]'")
    programs = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, programs)), None)
    if program is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    with sync_api.sync_playwright() as driver:
        # a container has no user namespaces, and too little shared memory
        found = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield found
        found.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker, as a script."""
    if not AXE.exists():
        pytest.skip("axe-core is not there: type `make vendor` where npm is")
    return AXE.read_text(encoding="utf-8")
