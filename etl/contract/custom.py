"""Registered custom checks as SQL: what their author says they are in DuckDB."""

from __future__ import annotations

from collections.abc import Callable

#: Takes the column as SQL, its DuckDB type and the check's statistics by name; returns a boolean expression.
Renderer = Callable[..., str]

_renderers: dict[str, Renderer] = {}


def sql_check(name: str) -> Callable[[Renderer], Renderer]:
    """Decorate a function as the SQL of the check `name`, registered with pandera.extensions.

    It is called as `renderer(column, type, **statistics)`; `column` is SQL, and the check ignores nulls as
    the Python one does. When a contract is compiled, both are compared on sample values.
    """

    def register(renderer: Renderer) -> Renderer:
        _renderers[name] = renderer
        return renderer

    return register


def renderer(name: str) -> Renderer | None:
    """Return the renderer of a check, if one was registered."""
    return _renderers.get(name)
