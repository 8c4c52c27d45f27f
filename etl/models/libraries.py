"""The libraries that Python models say they use: another version of one makes another model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from etl.errors import ModelError

NAME = "LIBRARIES"


def versions(names: Iterable[str], place: str) -> dict[str, str]:
    """Return the versions of the libraries, by the names that pip calls them.

    Raises ModelError that begins with `place` for one that is not installed.
    """
    found = {name: _version(name) for name in sorted(names)}
    for name, number in found.items():
        if not number:
            raise ModelError(
                f"{place}: the library {name} is not installed. Install it by the name that pip calls it: "
                f"pip install {_called(name)}"
            )
    return found


def stated(code: bytes) -> Mapping[str, str]:
    """Return the libraries that a Python file says it uses, with the versions of those that are installed."""
    if NAME.encode() not in code:
        return {}
    import ast

    try:
        body = ast.parse(code).body
    except SyntaxError:
        return {}
    values = [node.value for node in body if isinstance(node, ast.Assign | ast.AnnAssign)]
    texts = {node.value for value in values if value for node in ast.walk(value) if isinstance(node, ast.Constant)}
    return {name: _version(name) for name in sorted(text for text in texts if isinstance(text, str) and text)}


def _version(name: str) -> str:
    """Return the version of a library that is installed; empty if it is not."""
    # a night whose models say nothing of libraries is spared its 10 ms
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except (PackageNotFoundError, ValueError):
        return ""


def installed_at(name: str) -> list[Path]:
    """Return the folder that tells of a library of this very version; nothing for one that is not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return [Path(str(getattr(distribution(name), "_path", "")))]
    except (PackageNotFoundError, ValueError):
        return []


def _called(name: str) -> str:
    """Return what pip calls a library, told by the name that Python imports it by."""
    from importlib.metadata import packages_distributions

    return packages_distributions().get(name, [name])[0]
