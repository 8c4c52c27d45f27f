"""HTML made of elements: a text is always a text, whatever it says."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

from etl.errors import printable

#: Elements that have no end.
_VOID = ("br", "hr", "input", "link", "meta")


class Markup(str):
    """A text that is HTML; only element() and raw() make one."""


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """Return an element; what is not Markup is escaped, None is left out, and a list stands for its items.

    An attribute is written with `_` for `-` and with one behind for a word of Python (`class_`); one that is None
    or False is left out. What would turn the text around it, or could not be seen, is shown as its code.
    """
    given = "".join(_attribute(name, value) for name, value in attributes.items() if value not in (None, False))
    inner = "".join(map(_child, children))
    return Markup(f"<{tag}{given}>" if tag in _VOID else f"<{tag}{given}>{inner}</{tag}>")


def raw(text: str) -> Markup:
    """Return a text of ours that is HTML as it stands."""
    return Markup(text)


def hash_source(text: str) -> str:
    """Return what a Content-Security-Policy calls a script or a style that a page may have."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _child(child: Any) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, list | tuple):
        return "".join(map(_child, child))
    lines = str(child).split("\n")
    return "\n".join(escape(printable(line)) for line in lines)


def _attribute(name: str, value: object) -> str:
    word = name.rstrip("_").replace("_", "-")
    return f" {word}" if value is True else f' {word}="{escape(printable(str(value)))}"'
