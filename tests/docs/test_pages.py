"""README.md is the front door, short, and every link of it and of docs/ leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.support.pages import PAGES, prose


def test_the_front_door_is_short():
    assert len(PAGES[0].read_text().splitlines()) <= 250


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.name)
def test_a_page_has_a_title_and_the_front_door_leads_to_it(page):
    assert page.read_text().startswith("# ")
    assert f"](docs/{page.name}" in PAGES[0].read_text()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {path} does not exist"
        assert not anchor or anchor in anchors(target), f"{page.name}: {path}#{anchor} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_written_in_plain_english(page):
    odd = r"\banew\b|\bmend(ed|s|ing)?\b|(?<!here )\b(is|are) no (?!longer|more)\w+|\bis there twice\b"
    assert [found[0] for found in re.finditer(odd, prose(page))] == []
