"""The tables in the pages that the code knows are those that it knows now."""

import re

import pytest

from docs import tables
from etl.sources.connectors import WRITTEN
from etl.sources.fetches import FETCHES
from tests.support.pages import PAGES

BLOCK = re.compile(
    r"<!-- \[\[\[cog import cog, tables; cog.outl\(tables\.(\w+)\((.*?)\)\) \]\]\] -->\n(.*?)<!-- \[\[\[end",
    re.DOTALL,
)
FOUND = [(page.name, *block) for page in PAGES for block in BLOCK.findall(page.read_text())]


@pytest.mark.parametrize(("page", "name", "of", "text"), FOUND, ids=[f"{name} {of}" for _, name, of, _ in FOUND])
def test_a_table_is_as_the_code_says(page, name, of, text):
    said = getattr(tables, name)(*([of.strip('"')] if of else []))
    assert text == f"{said}\n", f"{page} is not what the code says; run `make docs`"


def test_every_table_is_on_a_page():
    made = {name for name, one in vars(tables).items() if getattr(one, "__module__", "") == tables.__name__}
    assert {name for name in made if name[0] != "_"} == {name for _, name, _, _ in FOUND}
    assert {of.strip('"') for _, name, of, _ in FOUND if name == "connector"} == set(WRITTEN)
    assert {of.strip('"') for _, name, of, _ in FOUND if name == "fetch"} == set(FETCHES)


def test_what_a_table_says_is_said_in_the_code():
    assert not re.search(r"\| +\|$", tables.settings() + tables.failures() + tables.front(), re.MULTILINE)
