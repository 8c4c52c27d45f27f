"""The report of a generated ledger: its size, the CPU seconds that it takes to write, and how fast it opens.

    python benchmarks/report.py --tables 200 --nights 365

Nobody runs 365 nights for it: benchmarks/report_ledger.py writes the ledger. With the extra `browser` and a
chromium the page is opened, its search asked and its graphs drawn.

"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from report_ledger import make

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="keep the project in this folder, and take it from there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.keep or Path(folder) / "shop"
        if not (root / "luigi.cfg").exists():
            make(root, options.tables, options.nights)
        write(root)
        seconds = median(write(root) for _ in range(options.rounds))
        file = root / "data" / "warehouse" / "report.html"
        print(f"{options.tables} tables, {options.nights} nights: {file.stat().st_size / 1e6:.2f} MB")
        print(f"written in {seconds:.2f} CPU s")
        opened(file)


def write(root: Path) -> float:
    """Write the report in a process of its own; return its CPU seconds."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "etl", "report"]
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def opened(file: Path) -> None:
    """Print how long the page takes in a browser, if there is one."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        program = None
    if program is None:
        return print("no browser: pip install 'etl[browser]', and a chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        # the first page of a process pays for starting it
        page.goto("about:blank")
        page.goto(f"file://{file}")
        page.wait_for_selector("html[data-searchable]", timeout=60_000)
        for name, what in (("ready", "interactive"), ("searchable", "search ready")):
            print(f"{what} after {page.evaluate(f'document.documentElement.dataset.{name}')} ms")
        asked = "(() => { const began = performance.now(); const field = document.getElementById('query'); "
        asked += "field.value = 'price net'; field.dispatchEvent(new Event('input')); "
        asked += "return performance.now() - began })()"
        print(f"a search takes {page.evaluate(asked):.0f} ms")
        for place, what in (("graph", "a table's graph"), ("graph/all", "the whole graph")):
            page.goto(f"file://{file}#{place}")
            page.wait_for_selector(".graph[data-milliseconds]", timeout=120_000)
            print(f"{what} takes {page.evaluate('document.querySelector(`.graph`).dataset.milliseconds')} ms")
        browser.close()


if __name__ == "__main__":
    main()
