"""Lineage across projects: the way leads on in those that were read, whose code is never run."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.operations.fetching import fetch_now
from etl.project import Project
from etl.stages import published
from tests.support import tiny

DAY = date(2024, 3, 31)
READER = """
import pandera.pandas as pa
from etl import Project, Source

class Items(pa.DataFrameModel):
    item: str
    sales: int

items = Source(contract=Items, fetch=Project("../{0}", "marts.items"))
"""
SQL = {"marts/items.sql": "select item, 2 * sales as sales from raw.items"}


@pytest.fixture
def shops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Project]:
    """Three projects, each of which reads the one before; the last one asks."""
    found = [tiny.project(tmp_path / "mill")]
    tiny.night(found[0], DAY)
    for name, before in (("bakery", "mill"), ("shop", "bakery")):
        found.append(tiny.project(tmp_path / name, READER.format(before), SQL, {}))
        monkeypatch.setenv("ETL_PROJECT", str(found[-1].root))
        assert [row.outcome for row in fetch_now([], day=DAY)] == ["landed"]
        tiny.night(found[-1], DAY)
    return found


def ask(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["lineage", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_chain_is_a_tree_of_projects_with_the_generations_that_were_read(shops: list[Project]) -> None:
    mill, bakery, shop = (one.root for one in shops)
    first, second = (published.current(one) for one in shops[:2])
    assert ask("--across").splitlines() == [
        f"{shop}",
        f"└─ raw.items from marts.items of {bakery}: generation {second}, which is current there",
        f"   └─ raw.items from marts.items of {mill}: generation {first}, which is current there",
    ]
    tiny.deliver(shops[0], {"sales/2024-03-05.csv": "id,item\n9,cup\n"})
    tiny.night(shops[0], DAY)
    assert f"generation {first}; {published.current(shops[0])} is current there" in ask("--across")


def test_a_column_leads_to_the_raw_file_of_another_project(shops: list[Project]) -> None:
    found = ask("marts.items.sales", "--across").splitlines()
    assert [line.strip("│├└─ ").split("   ")[0] for line in found[:5]] == [
        "marts.items.sales = 2 * sales",
        "raw.items.sales",
        "bakery:marts.items.sales = 2 * sales",
        "bakery:raw.items.sales",
        "mill:marts.items.sales = count(*)",
    ]
    assert "mill:marts.items from mill:raw.sales" in "\n".join(found)
    back = ask("mill:raw.sales.item", "--across", "--downstream")
    assert "bakery:marts.items.item" in back and "─ marts.items.item" in back
    # without it, the way ends at what was fetched
    assert "bakery" not in ask("marts.items.sales")


def test_it_is_data_too(shops: list[Project]) -> None:
    data: dict[str, Any] = json.loads(ask("--across", "--json"))
    assert [Path(one["project"]).name for one in data["projects"]] == ["shop", "bakery", "mill"]
    assert [one["reads"][0]["table"] for one in data["projects"][:2]] == ["marts.items"] * 2 and not data["cycles"]
    edges = json.loads(ask("marts.items.sales", "--across", "--json"))["edges"]
    assert {"from": "bakery:marts.items.sales", "to": "raw.items.sales", "as": "value"} in edges


def test_code_that_has_changed_there_is_not_run_and_what_was_fetched_tells_the_way(shops: list[Project]) -> None:
    (shops[1].root / "contracts/all.py").write_text("raise RuntimeError('run')")
    said = ask("--across")
    assert f"raw.items from marts.items of {shops[0].root}" in said
    assert f"{shops[1].root}: its code has changed since its last run" in said
    assert "bakery:marts.items: sales" in ask("marts.items.sales", "--across")


def test_projects_that_read_each_other_are_said(shops: list[Project], monkeypatch: pytest.MonkeyPatch) -> None:
    mill, bakery, shop = shops
    (mill.root / "contracts/all.py").write_text(tiny.CONTRACTS + READER.format("shop"))
    monkeypatch.setenv("ETL_PROJECT", str(mill.root))
    fetch_now([], day=DAY)
    tiny.night(mill, DAY)
    monkeypatch.setenv("ETL_PROJECT", str(shop.root))
    said = ask("--across")
    way = f"{shop.root} <- {bakery.root} <- {mill.root} <- {shop.root}"
    assert said.splitlines()[-1] == f"These projects read each other, so that none is ever done: {way}"
    assert said.count("(see above)") == 1
    assert "bakery:marts.items.sales" in ask("marts.items.sales", "--across")


def test_a_project_that_is_gone_is_said(shops: list[Project]) -> None:
    shops[0].root.rename(shops[0].root.with_name("away"))
    said = ask("--across")
    assert "nothing is published there now" in said and "mill: " in said


def test_without_a_name_only_across_goes(shops: list[Project]) -> None:
    done = CliRunner().invoke(cli, ["lineage"])
    assert done.exit_code != 0 and "TABLE" in str(done.output) + str(done.exception)
