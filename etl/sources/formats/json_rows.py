"""Records of JSON that are arrays of values, below one that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.contract.values import Values
from etl.errors import UnreadableError
from etl.sources.formats.json_cursor import Element
from etl.sources.formats.json_paths import cell_text, kind_of
from etl.sources.formats.json_values import Malformed, dumped


def header_names(head: Element | tuple[int, bytes], path: Path) -> list[str]:
    """Return the names that the first array of a file has. Raises UnreadableError, which names `path`."""
    value = head.value if isinstance(head, Element) and not head.problem else None
    if not isinstance(value, list) or not value or not all(type(name) is str for name in value):
        raise UnreadableError(
            f"{path}: the first record is not an array of names, as header=True says. Ask for a header, or take "
            "header=True out if the records are objects."
        )
    return value


def row_cells(value: Any, names: Sequence[str], values: Values) -> list[str | None]:
    """Return the cells of a record. Raises Malformed unless it is an array with one for each name."""
    if not isinstance(value, list):
        raise Malformed(f"it is {kind_of(value)}, not an array of values")
    if len(value) != len(names):
        raise Malformed(f"it has {len(value)} values, not {len(names)} as the header")
    return [cell_text(cell, name, values) for cell, name in zip(value, names, strict=True)]


def redacted_row(
    value: Any, names: Sequence[str], hidden: Mapping[str, Callable[[str], str]], values: Values
) -> str:
    """Return a record's text with the cells of hidden columns replaced. Raises Malformed."""
    cells = row_cells(value, names, values)
    for at, (cell, name) in enumerate(zip(cells, names, strict=True)):
        if name in hidden and cell is not None:
            value[at] = hidden[name](cell)
    return dumped(value)
