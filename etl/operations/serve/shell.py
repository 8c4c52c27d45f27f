"""A page: what stands around its content, and what a browser may do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

from etl.project import Project
from etl.reports.page import parts
from etl.reports.page.markup import Markup, element, hash_source, raw

#: The pages of the server beside those of the report, by their addresses.
PAGES = {
    "/runs": "Runs",
    "/quarantine": "Quarantine",
    "/generations": "Generations",
    "/profiles": "Profiles",
}


def page(
    project: Project | None, title: str, content: object, *, form_key: str = "", place: str = "", refresh: int = 0
) -> str:
    """Return a whole page at an address; a stranger's names no project.

    After `refresh` seconds a browser asks for it again.
    """
    style, script = _assets()
    name = f"{project.root.name} ({project.environment_name})" if project else "etl"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="refresh", content=str(refresh)) if refresh else None,
        element("title", f"{title}, {name}"),
        element("link", rel="icon", href="data:,"),
        element("style", raw(style)),
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#main", class_="skip"),
        _header(project, form_key, place) if project else None,
        element("main", element("h1", title), content, id="main", tabindex="-1"),
        element("script", raw(script)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def policy() -> str:
    """Return the Content-Security-Policy of every page: it loads nothing, and runs one script of ours."""
    style, script = _assets()
    return (
        f"default-src 'none'; script-src {hash_source(script)}; style-src {hash_source(style)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def address(*names: str, **values: object) -> str:
    """Return the address of a page: each name is one part of it, and values stand behind it."""
    given = {name: value for name, value in values.items() if value not in ("", None, [])}
    path = "/" + "/".join(quote(name, safe="") for name in names)
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def link(text: object, *names: str, **values: object) -> Markup:
    """Return a link to a page of ours."""
    return element("a", text, href=address(*names, **values), class_="name")


def form(action: str, key: str, *children: object, **hidden: object) -> Markup:
    """Return a form that changes something; `hidden` are values that it sends as they are."""
    given = [
        (name, item) for name, value in hidden.items() for item in (value if isinstance(value, list) else [value])
    ]
    fields = [
        element("input", type="hidden", name=name, value=str(item))
        for name, item in [("key", key), *given]
        if str(item) != ""
    ]
    return element("form", fields, *children, method="post", action=action, class_="row")


def field(label: str, name: str, **attributes: Any) -> Markup:
    """Return a field of a form with its label."""
    return element("label", label, " ", element("input", name=name, autocomplete="off", **attributes))


def rows_of(names: Sequence[str], rows: Sequence[Sequence[object]], caption: str, otherwise: str) -> Markup:
    """Return a table, or what is said if it has no rows."""
    return parts.table(names, rows, caption) if rows else element("p", otherwise)


def facts(found: Mapping[str, object]) -> Markup:
    """Return names and what is known of each."""
    shown = [element("div", element("dt", name), element("dd", value)) for name, value in found.items() if value]
    return element("dl", shown, class_="figures")


def _header(project: Project, form_key: str, place: str) -> Markup:
    brand = element(
        "a", element("b", project.root.name), " ", element("span", project.environment_name, class_="tag"),
        href="/", class_="brand",
    )  # fmt: skip
    here = "/" + place.split("/")[1] if "/" in place else ""
    links = [
        element("a", text, href=path, aria_current="page" if path == here else None)
        for path, text in {"/": "Report", **PAGES}.items()
    ]
    out = element("button", "Log out", type="submit")
    key = element("input", type="hidden", name="key", value=form_key)
    leave = element("form", key, out, method="post", action="/logout", class_="push") if form_key else None
    return element("header", brand, element("nav", links, aria_label="Pages"), leave)


@cache
def _assets() -> tuple[str, str]:
    """Return the style and the script of every page."""
    own = files("etl.operations.serve") / "assets"
    report = files("etl.reports.page") / "assets" / "report.css"
    style = report.read_text("utf-8") + (own / "serve.css").read_text("utf-8")
    return style, (own / "live.js").read_text("utf-8")
