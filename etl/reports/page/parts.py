"""What pages are made of: sections, and tables whose columns are of texts or of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from etl.reports.page.markup import Markup, element

#: A text as short as a date is not broken.
_SHORT = 26


def section(title: str, content: object) -> Markup:
    """Return a part of a page below its heading."""
    return element("section", element("h2", title), content)


def table(names: Sequence[str], rows: Iterable[Sequence[object]], caption: str) -> Markup:
    """Return a table; a name that begins with `#` is of a column of numbers, with `~` of one of long texts."""
    head = [element("th", name.lstrip("#~"), scope="col", class_=_kind(name)) for name in names]
    body = [element("tr", list(_cells(names, row))) for row in rows]
    inner = element(
        "table",
        element("caption", caption, class_="hidden"),
        element("thead", element("tr", head)),
        element("tbody", body),
    )
    return element("div", inner, class_="wide", tabindex="0", role="region", aria_label=caption)


def _cells(names: Sequence[str], row: Sequence[object]) -> Iterator[Markup]:
    for place, (name, value) in enumerate(zip(names, row, strict=True)):
        if place == 0:
            yield element("th", value, scope="row")
        else:
            is_short = type(value) is str and len(value) < _SHORT
            yield element("td", value, class_=_kind(name) or ("nowrap" if is_short else None))


def _kind(name: str) -> str | None:
    return {"#": "number", "~": "text"}.get(name[:1])
