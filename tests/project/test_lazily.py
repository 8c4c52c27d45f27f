"""The face of a room: every name that it has is there when it is asked for, and no other is."""

from importlib import import_module
from pathlib import Path

import pytest

import etl

ROOT = Path(str(etl.__file__)).parent
ROOMS = [
    ".".join(["etl", *path.parent.relative_to(ROOT).parts])
    for path in sorted(ROOT.rglob("__init__.py"))
    if "__getattr__" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_what_it_says_it_has_and_nothing_else(room: str) -> None:
    module = import_module(room)

    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
    with pytest.raises(AttributeError):
        module.nothing_of_this_name  # noqa: B018
