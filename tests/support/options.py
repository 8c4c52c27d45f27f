"""What people write as the options of a dataclass, and what its comments say of each."""

import inspect
import re
import textwrap
from inspect import Parameter, signature
from typing import Any


def options(kind: type) -> dict[str, Parameter]:
    """Return the options of a class, as they are written in a call."""
    return dict(signature(kind).parameters)


def comments(kind: type) -> dict[str, str]:
    """Return the comment above each field, on one line, its bases' too; fields without one are left out."""
    found: dict[str, str] = {}
    for base in kind.__mro__[1:]:
        if base.__module__.startswith("etl."):
            found = {**comments(base), **found}
    lines: list[str] = []
    for line in textwrap.dedent(inspect.getsource(kind)).splitlines():
        if said := re.fullmatch(r"    # (.*)", line):
            lines.append(said[1])
            continue
        if lines and (name := re.match(r"    (\w+):", line)):
            found[name[1]] = " ".join(lines)
        lines = []
    return found


def default(kind: type, name: str) -> str:
    """Return the default of an option as a table shows it; empty if it has to be given."""
    value: Any = options(kind)[name].default
    return "" if value is Parameter.empty else f"`{value!r}`".replace("'", '"')


def row(kind: type, name: str) -> str:
    """Return the row of an option in the table of its class, up to what a page adds to its comment."""
    cells = (f"`{name}`", default(kind, name), comments(kind).get(name, ""))
    return "".join(f"| {cell} " if cell else "| " for cell in cells).rstrip()
