"""Running the modules of a model from the texts that were planned, not from what the files hold by now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from etl.models import Code


@contextmanager
def run_modules(code: Code) -> Iterator[Any]:
    """Run the modules of a model, from the texts that were planned; lend the model's own, and forget them.

    Import would write compiled files beside the models, and take one of the same second for the file as it is.
    """
    package = f"_etl_model_{code.digest[:12]}"
    made: dict[str, ModuleType] = {}
    try:
        for name, text in code.texts.items():
            _run(f"{package}.{name}", text, str(code.path(name)), made)
        yield made[f"{package}.{list(code.texts)[-1]}"]
    finally:
        for name in made:
            sys.modules.pop(name, None)


def _run(name: str, text: str, file: str, made: dict[str, ModuleType]) -> None:
    parent, _, own = name.rpartition(".")
    parts = parent.split(".")
    for depth in range(1, len(parts) + 1):
        folder = ".".join(parts[:depth])
        if folder not in made:
            made[folder] = sys.modules[folder] = ModuleType(folder)
            made[folder].__path__ = []
    module = made[name] = sys.modules[name] = ModuleType(name)
    module.__file__, module.__package__ = file, parent
    exec(compile(text, file, "exec"), module.__dict__)
    setattr(made[parent], own, module)
