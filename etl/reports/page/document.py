"""The file of the report: HTML that may load nothing, run nothing but our scripts, and read as one."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from etl.errors import printable
from etl.reports.page.glance import glance
from etl.reports.page.markup import Markup, element, hash_source, raw

#: Our scripts, in the order in which they stand in the page.
SCRIPTS = (
    *("dom", "values", "chart", "sql", "data", "search", "history", "tables", "table"),
    *("layout", "graph", "quality", "changes", "learned", "router"),
)
#: The pages that a script makes, by their place behind `#`.
PAGES = {
    "night": "Last night",
    "history": "History",
    "tables": "Tables",
    "graph": "Graph",
    "quality": "Quality",
    "changes": "Changes",
    "learned": "Learning",
}
#: What a report says of what made it, near its beginning.
GENERATOR = "etl report"
#: What would turn the text around it, or cannot be seen; in the page it is shown as its code.
_UNSEEN = re.compile(
    "[\\x7f-\\x9f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"
    "\\U000e0000-\\U000e007f]"
)
#: An escape of JSON. Those of control characters, but for tabs and line ends, are `code`.
_ESCAPE = re.compile(r"\\(?:(?P<code>u00[01][0-9a-f]|[bf])|.)")
#: Beyond it, compressing takes much longer and saves little.
_LEVEL = 4


def policy() -> str:
    """Return what the report may load and run: its own scripts and style, and nothing else."""
    style, layout, script = _asset_text()
    return (
        f"default-src 'none'; script-src {hash_source(layout)} {hash_source(script)}; "
        f"style-src {hash_source(style)}; worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'"
    )


def is_report(beginning: str) -> bool:
    """Return whether a file that begins so is a report."""
    return element("meta", name="generator", content=GENERATOR) in beginning


def document(data: Mapping[str, Any], beside: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the report as one HTML file; `data` is that of report_data().

    `beside` are pages that stand beside it where it is served, by their addresses.
    """
    style, layout, script = _asset_text()
    project = data["project"]
    title = f"{project['name']} ({project['environment']}), {data['night']['sentence']}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=GENERATOR),
        element("meta", http_equiv="Content-Security-Policy", content=policy()),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", raw(style)),
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#main", class_="skip", id="skip"),
        _header(data, beside),
        element("main", _first(data), element("div", id="page", hidden=True), id="main", tabindex="-1"),
        _footer(data),
        element("script", raw(packed(data)), type="text/plain", id="data"),
        element("script", raw(layout), id="layout"),
        element("script", raw(script)),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def packed(data: Mapping[str, Any]) -> str:
    """Return data as the text in which the page holds it: JSON, compressed, of letters that end no element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    if not text.isascii() or "\x7f" in text:
        text = _UNSEEN.sub(lambda found: _as_code(found[0]), text)
    shown = _ESCAPE.sub(lambda found: _as_code(json.loads(f'"{found[0]}"')) if found["code"] else found[0], text)
    small = gzip.compress(shown.encode("utf-8", "backslashreplace"), _LEVEL, mtime=0)
    return base64.b64encode(small).decode("ascii")


def _as_code(char: str) -> str:
    """Return JSON of the code of a character, as messages and links show it."""
    return json.dumps(printable(char))[1:-1]


def _header(data: Mapping[str, Any], beside: Mapping[str, str]) -> Markup:
    project, night = data["project"], data["night"]
    # a project without models that learn has no word of them
    pages = {name: text for name, text in PAGES.items() if name != "learned" or data["learned"]}
    links = [element("a", text, href=f"#{name}") for name, text in pages.items()]
    others = [element("a", text, href=address) for address, text in beside.items()]
    dot = element("span", class_=f"dot {night['level']}", aria_hidden="true")
    brand = element(
        "a", dot, element("b", project["name"]), " ", element("span", project["environment"], class_="tag"),
        href="#night", class_="brand",
    )  # fmt: skip
    field = element(
        "input", id="query", type="search", placeholder="Search tables and columns", autocomplete="off",
        role="combobox", aria_label="Search tables and columns", aria_expanded="false", aria_controls="found",
        aria_autocomplete="list", spellcheck="false",
    )  # fmt: skip
    found = element("div", id="found", role="listbox", aria_label="Found", hidden=True)
    return element(
        "header",
        brand,
        element("nav", links, aria_label="Pages", class_="scripted"),
        element("nav", others, aria_label="Live") if others else None,
        element("div", field, found, class_="search scripted", role="search"),
    )


def _first(data: Mapping[str, Any]) -> Markup:
    hint = "This page is whole without scripts; the other pages need them, and no network."
    note = element("noscript", element("p", hint, class_="small"))
    return element("div", note, glance(data["night"]), id="page-night")


def _footer(data: Mapping[str, Any]) -> Markup:
    project = data["project"]
    written = data["written"][:16].replace("T", " ")
    return element(
        "footer",
        element("p", f"Written {written} UTC from the ledger of {project['warehouse']}."),
        element("p", f"Generation {project['generation'] or 'none yet'}."),
        element("p", "To write it again: ", element("code", "etl report")),
    )


@cache
def _asset_text() -> tuple[str, str, str]:
    """Return the style, the script that lays graphs out, which a worker runs too, and all other scripts."""
    folder = files("etl.reports.page")
    vendor, own = folder / "vendor", folder / "assets"

    def read(place: Any, name: str) -> str:
        return str((place / name).read_text(encoding="utf-8"))

    libraries = [read(vendor, name) for name in ("uplot.min.js", "minisearch.min.js")]
    ours = [read(own, f"{name}.js") for name in SCRIPTS if name != "layout"]
    script = "\n".join([*libraries, '(function () {\n"use strict";', *ours, "})();"])
    layout = read(vendor, "dagre.min.js") + read(own, "layout.js")
    return read(vendor, "uplot.min.css") + read(own, "report.css"), layout, script
