"""Whoever opens a published file sees what is explained there, and nothing that only the next build needs."""

from datetime import date
from pathlib import Path

import pytest

from etl.project import Project
from etl.stages import published
from etl.stages.published.own import OWN
from tests.operations.test_kinds import CONTRACTS, FEED
from tests.support import tiny
from tests.support.kinds import SAMPLES, TRIED

#: What a client asks to draw its tree.
TREES = [
    "select schema_name, table_name from duckdb_tables()",
    "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE'",
    "select schema, name from (show all tables) where not schema in (select schema_name from duckdb_views())",
]
UNEXPLAINED = """
select schema_name || '.' || table_name from duckdb_tables() where schema_name = 'etl' and comment is null
union all
select schema_name || '.' || table_name || '.' || column_name from duckdb_columns()
where schema_name = 'etl' and coalesce(comment, '') = ''"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two nights of every kind of model; the second deletes rows that a merge then keeps aside."""
    return tiny.once(tmp_path / "project", two_nights)


def two_nights(root: Path) -> None:
    project = tiny.project(root, CONTRACTS, dict(SAMPLES[kind] for kind in TRIED), FEED)
    tiny.night(project, date(2024, 3, 1))
    tiny.night(project, date(2024, 3, 2))


@pytest.mark.parametrize("tree", TREES)
def test_a_client_shows_no_internal_table(project: Project, tree: str) -> None:
    shown = {name for schema, name in tiny.published(project, tree) if schema == "etl"}

    assert {f"etl.{name}" for name in shown} <= {*OWN, "etl.steps"}
    assert {"contents", "partitions", "checks", "steps", "profiles"} <= shown


def test_all_that_is_left_in_the_schema_etl_is_explained(project: Project) -> None:
    assert tiny.published(project, UNEXPLAINED) == []


def test_the_build_keeps_what_the_next_night_needs(project: Project) -> None:
    query = "select table_name from duckdb_tables() where schema_name = 'etl'"
    kept = {name for (name,) in tiny.ask(project.build, query)}

    assert {"_loaded", "_builds", "_hashes", "marts.merge deleted"} <= kept
    assert tiny.stale(tiny.plan(project, date(2024, 3, 2))) == []


def test_what_the_same_rows_are_is_there_to_be_compared(project: Project) -> None:
    query = "select date, partition_column, content from etl.contents where table_name = 'raw.feed' order by all"
    now = tiny.published(project, query)

    assert [(day, column) for day, column, _ in now] == [(date(2024, 3, 1), "day"), (date(2024, 3, 2), "day")]
    before = project.generations / published.generations(project)[0] / published.FILE
    assert tiny.ask(before, query) == now[:1]


def test_nothing_but_the_file_and_its_record_is_in_the_generation(project: Project) -> None:
    there = {path.name for path in project.warehouse.resolve().parent.iterdir()}
    assert there == {"warehouse.duckdb", "generation.json"}
