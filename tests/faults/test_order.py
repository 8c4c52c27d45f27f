"""What a loss of power may not turn around: content before names, results before receipts."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.stages.lake.corrections import corrections_file
from tests.faults.faults import disturbed
from tests.support import projects, tiny


@pytest.fixture(scope="module")
def effects(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The side effects of a first night, in order: number, function, path, and what it came from."""
    done, effects = disturbed(projects.make(tmp_path_factory.mktemp("order")), projects)
    assert done.returncode == 0, done.stdout
    return effects


def position(effects: list[list[Any]], function: str, path: str, after: int = 0) -> int:
    """Return the number of the first such side effect; fail if there is none."""
    for number, name, what, *_ in effects[after:]:
        if name == function and re.fullmatch(path, str(what)):
            return int(number)
    raise AssertionError(f"no {function} of {path}")


@pytest.mark.parametrize("place", ["lake", "quarantine"])
def test_a_partition_is_on_the_disk_before_it_has_its_name(effects: list[list[Any]], place: str) -> None:
    moved = [row for row in effects if row[1] == "replace" and row[2].startswith(f"{place}/")]
    assert moved
    for number, _, target, source in moved:
        flushed = position(effects, "fsync", re.escape(source))
        assert flushed < number, f"{source} was renamed to {target} before it was flushed"
        # its name too, before the receipt says that it is there
        position(effects, "fsync", re.escape(target.rpartition("/")[0]), after=number)


def test_a_decision_is_on_the_disk_with_its_name_before_the_command_says_it_is_kept(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={"sales/2024-03-04.csv": "id,item\n8,book\nfour,pen\nfive,cap\n"})
    tiny.night(project)
    for line, is_first in ((3, True), (4, False)):
        options = ("discard", "sales", "--line", str(line), "--reason", "a test")
        done, effects = disturbed(project, projects, options, ("etl", "quarantine"))
        assert done.returncode == 0, done.stdout
        number = position(effects, "replace", "corrections/sales/2024-03-04.jsonl")
        source = effects[number - 1][3]
        assert position(effects, "fsync", re.escape(source)) < number
        # its name, and that of the folder that came with it
        assert position(effects, "fsync", "corrections/sales", after=number) > number
        assert any(row[1:3] == ["fsync", "corrections"] for row in effects) == is_first
    assert len(corrections_file(project, tiny.sales(), date(2024, 3, 4)).read_text().splitlines()) == 2


def test_a_receipt_comes_after_what_it_proves(effects: list[list[Any]]) -> None:
    for _, name, _, sql, rows in (row for row in effects if row[1] == "_many" and "into receipts" in row[3]):
        assert name
        for text in rows:
            if "'extract', 'orders'" in text:
                (day,) = re.findall(r"\d{4}-\d\d-\d\d", text)[:1]
                placed = position(effects, "replace", f"lake/orders/delivery_date={day}/data.parquet")
                written = next(row[0] for row in effects if row[1] == "_many" and text in row[4])
                assert placed < written, sql


def test_a_generation_is_whole_on_the_disk_before_it_is_named_and_named_before_it_is_current(
    effects: list[list[Any]],
) -> None:
    folder = "warehouse/generations"
    steps = [
        position(effects, "fsync", f"{folder}/.new/warehouse.duckdb"),
        position(effects, "fsync", f"{folder}/.new/generation.json"),
        position(effects, "fsync", f"{folder}/.new"),
        position(effects, "rename", f"{folder}/2.*"),
        position(effects, "fsync", folder),
        position(effects, "replace", "warehouse/current"),
        position(effects, "fsync", "warehouse"),
        next(row[0] for row in effects if row[1] == "_many" and "generations" in row[3]),
        next(row[0] for row in effects if row[1] == "_many" and any("('publish'" in text for text in row[4])),
    ]
    assert steps == sorted(steps)
