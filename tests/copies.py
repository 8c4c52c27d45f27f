"""Projects that are as another one is: what costs nights is made once, and copied for each test."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from etl.ledger import Ledger, stamp

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
        ledger = Ledger(path)
        found = ledger.receipts().values()
        ledger.write(*(replace(receipt, details=_restamped(receipt.details, stamps)) for receipt in found))


def once(make: Callable[[Path], object], root: Path) -> None:
    """Have in `root` what `make` makes of an empty folder."""
    if make not in _made:
        folder = Path(tempfile.mkdtemp(prefix="made"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        make(folder / root.name)
        _made[make] = folder / root.name
    copy(_made[make], root)


def _restamped(details: dict[str, Any], stamps: dict[tuple[int, ...], list[int]]) -> dict[str, Any]:
    def known(value: Any) -> Any:
        is_stamp = isinstance(value, list) and all(isinstance(number, int) for number in value)
        return stamps.get(tuple(value), value) if is_stamp else value

    return {name: known(value) for name, value in details.items()}
