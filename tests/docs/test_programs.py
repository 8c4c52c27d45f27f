"""docs/programs.md is true: its chain of three files is played, and its tables name all that a command can say."""

import re

from etl.engine.process import _PATIENCE_SECONDS
from etl.models.commands import PLACES, WORDS
from etl.stages.warehouse.command import GIVEN
from tests.support import tiny
from tests.support.pages import ROOT, blocks

PAGE = ROOT / "docs/programs.md"
TEXT = PAGE.read_text()


CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    sale_date: pa.Date
    price_eur: float

sales = Source(contract=Sales, files="sales/{date}.csv")
"""
SALES = {"sales/2024-03-01.csv": "sale_date,price_eur\n2024-03-01,100\n2024-03-01,200\n"}


def test_the_chain_of_the_page_is_built_and_published(tmp_path):
    project = tiny.project(tmp_path, CONTRACTS, {}, SALES)
    growth = re.search(r"`sql/marts/growth.sql` [^:]*: `([^`]*)`", TEXT)
    files = {"sql/marts/growth.sql": growth[1]}
    for block in (block for block in blocks() if block.page == PAGE and block.language in ("sql", "python")):
        above = " ".join(TEXT.splitlines()[: block.line - 2][-3:])
        if "podman" not in block.text:
            files[re.findall(r"`((?:sql|contracts)/[^`]+)`", above)[-1]] = f"{block.text}\n"
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)

    tiny.night(project)

    assert len(files) == 5
    assert tiny.published(project, "from marts.forecast") == [(tiny.DAY, 306)]
    assert tiny.published(project, "from marts.growth") == [(tiny.DAY, 6)]


def test_the_page_names_all_that_a_command_can_say():
    rows = re.findall(r"^\| `(\{?\w+\}?)` \|", TEXT, re.MULTILINE)
    assert rows == [*WORDS, *(f"{{{place}}}" for place in PLACES), "{name}"]
    assert all(f"| {said}" in TEXT for said in PLACES.values())
    assert all(f"`{name}`" in TEXT for name in GIVEN)
    assert f"{_PATIENCE_SECONDS} seconds" in TEXT
