"""The work of three small nights, counted: the first, one new day, nothing new. No time is measured.

    make guard     compare with counts.json: exit code 1 if anything grew by more than 10 %
    make counts    write counts.json

Counted are calls of Python functions and of C functions by Python, statements of DuckDB and of the ledger, files
opened, flushes, and bytes read and written: what a busy machine cannot change. Python counts its calls itself, so
that no other program is needed. Versions of Python differ in what they call: another than that of counts.json is
not compared.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import date
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from processes import DELIVER_FLIGHTS, REPOSITORY, default_project, measure, python

FIGURES = Path(__file__).with_name("counts.json")
#: A share, and of what is few an absolute number, that may come on top.
MOST_SHARE, MOST_MORE = 0.10, 2
SETTLED_SECONDS = 3
BATCH_DATE = "2018-05-27"
NIGHTS = {"first": date(2013, 1, 3), "one new day": date(2013, 1, 4), "nothing new": date(2013, 1, 4)}
COUNTED = (
    "calls of Python functions",
    "files opened",
    "flushes",
    "statements of DuckDB",
    "statements of the ledger",
)
FLUSHES = {"fsync", "fdatasync", "syncfs", "sync"}
LEDGER = {"execute", "executemany", "executescript"}
DUCKDB = ("execute", "executemany")
#: What Luigi imports if it is installed, as extras bring it; without it, the figures are those of any environment.
LUIGI_EXTRAS = ("requests", "jsonschema")


def main() -> None:
    """Count, and write or compare; exit 1 if anything grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write counts.json instead of comparing with it")
    parser.add_argument("--night", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.night:
        sys.exit(counted_night(options.night))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = nights()
    if options.write:
        FIGURES.write_text(json.dumps({"python": version, "nights": found}, indent=2) + "\n")
        return
    known = json.loads(FIGURES.read_text())
    if known["python"] != version:
        print(f"counts.json is of Python {known['python']}, this is {version}: nothing is compared.")
        return
    print("\n".join(table(known["nights"], found)))
    if grown := more(known["nights"], found):
        print("\n".join(["", *grown, "", "If that is meant to be: make counts"]))
        sys.exit(1)


def nights() -> dict[str, dict[str, int]]:
    """Run the nights in a folder of their own, each in a process, and return what was counted."""
    found = {}
    compileall.compile_dir(REPOSITORY / "etl", quiet=1)
    variables = {"PYTHONHASHSEED": "0", "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": ""}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "project")
        default_project(root, "threads = 1\n")
        for name, last in NIGHTS.items():
            python(DELIVER_FLIGHTS, str(root / "data/raw"), str(last))
            # as on any night: files that are younger than two seconds are looked at again by the next run
            time.sleep(SETTLED_SECONDS)
            measure(name, [sys.executable, __file__, "--night", str(root)], variables)
            found[name] = json.loads((root / "counts.json").read_text())
    return found


def counted_night(root: Path) -> int:
    """Be a night of the project in a folder, write what it did to counts.json there, and return its exit code."""
    os.chdir(root)
    counts, functions = Counter(dict.fromkeys(COUNTED, 0)), Counter[Any]()

    def count(frame: FrameType, event: str, function: Any) -> None:
        if event == "call":
            counts["calls of Python functions"] += 1
        elif event == "c_call":
            functions[function] += 1

    def hear(event: str, _: tuple[Any, ...]) -> None:
        if event == "open":
            counts["files opened"] += 1

    sys.modules.update(dict.fromkeys(LUIGI_EXTRAS))  # type: ignore[arg-type]  # None: it cannot be imported
    sys.meta_path.insert(0, Finder(counts))
    sys.addaudithook(hear)
    sys.argv = ["luigi", "--module", "etl", "Nightly", "--date", BATCH_DATE]
    threading.setprofile(count)
    sys.setprofile(count)
    try:
        from luigi.cmdline import luigi_run

        luigi_run()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    counts["calls of C functions"] = functions.total()
    for function, times in functions.items():
        counts["flushes"] += times * (function.__name__ in FLUSHES)
        is_ledger = type(getattr(function, "__self__", None)).__module__ == "sqlite3"
        counts["statements of the ledger"] += times * (is_ledger and function.__name__ in LEDGER)
    # else a thread that ends last would close the connections that were called, while Python is ending
    functions.clear()
    moved = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    counts["KB read"], counts["KB written"] = int(moved["rchar"]) // 1000, int(moved["wchar"]) // 1000
    (root / "counts.json").write_text(json.dumps(dict(sorted(counts.items()))))
    return code


class Finder(MetaPathFinder):
    """Finds DuckDB's own module, and has its statements counted: the profiler of Python does not see them."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how to load that module; None of all others."""
        spec = PathFinder.find_spec(name, path) if name == "_duckdb" else None
        if spec and spec.loader:
            load = spec.loader.exec_module

            def load_and_count(module: ModuleType) -> None:
                load(module)
                for method in DUCKDB:
                    self.count(module.DuckDBPyConnection, method)

            spec.loader.exec_module = load_and_count  # type: ignore[method-assign]
        return spec

    def count(self, cls: type, method: str) -> None:
        """Have calls of a method counted."""
        called = getattr(cls, method)

        def counted(*arguments: Any, **options: Any) -> Any:
            self.counts["statements of DuckDB"] += 1
            return called(*arguments, **options)

        setattr(cls, method, counted)


def table(known: Mapping[str, Mapping[str, int]], found: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return what was found beside what was known, as Markdown."""
    lines = ["| night | what | known | now | ratio |", "| --- | --- | --- | --- | --- |"]
    for night, counts in found.items():
        for what, number in counts.items():
            before = known[night].get(what, 0)
            lines.append(f"| {night} | {what} | {before:,} | {number:,} | {number / max(before, 1):.2f} |")
    return lines


def more(known: Mapping[str, Mapping[str, int]], found: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a sentence for each count that grew by more than it may."""
    return [
        f"The night '{night}' has {number:,} {what}, {known[night].get(what, 0):,} before."
        for night, counts in found.items()
        for what, number in counts.items()
        if number > known[night].get(what, 0) * (1 + MOST_SHARE) + MOST_MORE
    ]


if __name__ == "__main__":
    main()
