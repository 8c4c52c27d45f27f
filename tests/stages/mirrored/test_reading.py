"""The recipes of docs/mirror.md read a whole generation from a mirror."""

import re
from typing import Any

import pytest

from etl.stages.mirrored.places import open_place
from tests.stages.mirrored.conftest import PLACES, Mirrored, url_of, with_mirror
from tests.support import pages, tiny

RECIPES = re.findall(r"```\n(import [a-z]+\n.*?)```", pages.page("mirror.md"), flags=re.DOTALL)
BY_DAY = "-- materialized: incremental\n-- partition: delivery_date\n-- export: parquet\n"
ITEMS = f"{BY_DAY}select delivery_date, item, count(*) as sales from raw.sales group by all order by all"


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("recipe", RECIPES, ids=["duckdb", "pandas"])
def test_a_recipe_reads_all_of_it(recipe: str, kind: str, tmp_path, request, monkeypatch, capsys) -> None:
    if kind != "file" and "attach" in recipe:
        pytest.skip("DuckDB's extension httpfs cannot be had offline")
    if kind in ("gs", "az"):
        pytest.skip("pyarrow asks no other server than theirs")
    url = url_of(kind, tmp_path, request, monkeypatch)
    project = with_mirror(tiny.project(tmp_path / "shop", sql={"marts/items.sql": ITEMS}), url)
    Mirrored(project, open_place(url)).night()

    assert '"s3://shop/warehouse"' in recipe
    found: dict[str, Any] = {}
    exec(recipe.replace("s3://shop/warehouse", url.removeprefix("file://") if "duckdb" in recipe else url), found)

    if "items" in found:
        read = zip(found["items"]["delivery_date"].astype(str), found["items"]["item"], strict=True)
        assert sorted(read) == [("2024-03-01", "book"), ("2024-03-01", "pen"), ("2024-03-02", "book")]
    else:
        assert re.findall(r"book|pen", capsys.readouterr().out) == ["book", "pen", "book"]
        found["con"].close()
