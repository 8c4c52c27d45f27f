"""Projects that are as another one is: what costs nights is made once, and copied for each test."""

import atexit
import gc
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from etl.ledger import stamp

_made: dict[Callable[[Path], object], Path] = {}


def copy(original: Path, root: Path) -> None:
    """Copy a project's folder, and let its ledgers know the copies of the files whose stamps are in them."""
    stamps: dict[tuple[int, ...], list[int]] = {}

    def one(source: str, target: str) -> None:
        shutil.copy2(source, target)
        stamps[tuple(stamp(Path(source)))] = stamp(Path(target))

    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(original, root, symlinks=True, copy_function=one)
    for path in root.rglob("ledger.sqlite"):
        with closing(sqlite3.connect(path)) as con, con:
            for row, details in con.execute("select rowid, details from receipts").fetchall():
                text = json.dumps(_restamped(json.loads(details), stamps))
                con.execute("update receipts set details = ? where rowid = ?", (text, row))


def once(make: Callable[[Path], object], root: Path) -> None:
    """Have in `root` what `make` makes of an empty folder."""
    if make not in _made:
        folder = Path(tempfile.mkdtemp(prefix="made"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        make(folder / root.name)
        # SQLite deletes its log when the last connection goes, which must not be in the middle of a copy
        gc.collect()
        _made[make] = folder / root.name
    copy(_made[make], root)


def _restamped(details: dict[str, Any], stamps: dict[tuple[int, ...], list[int]]) -> dict[str, Any]:
    def known(value: Any) -> Any:
        is_stamp = isinstance(value, list) and all(isinstance(number, int) for number in value)
        return stamps.get(tuple(value), value) if is_stamp else value

    return {name: known(value) for name, value in details.items()}
