"""What a published column says of itself: its contract's word, else its header's, else that of what it holds."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column, Contract
from etl.models import KINDS, LOG_NAMES, Given, read_models
from etl.models.described import description_of
from etl.models.kinds import MATERIALIZED
from etl.models.lineage.passed import with_passed
from etl.project import Project
from etl.sources import Catalog, Source
from etl.stages.published.notes import Notes, notes_of
from etl.stages.published.own import OWN
from tests.support import tiny

RAW = Contract(
    "Sales",
    columns=(
        Column("id", "BIGINT", False, description="Its number."),
        Column("day", "DATE", False),
        Column("a", "VARCHAR", True, description="The first.", unit="euros"),
        Column("b", "VARCHAR", True, description="The second.", pii="hash"),
        Column("c", "VARCHAR", True),
    ),
)
SAME = ("{0}", "({0})", "t.{0}")
COMPUTED = (
    "upper({0})",
    "{0} || '!'",
    "cast({0} as varchar(9))",
    "coalesce({0}, 'x')",
    "case when id > 1 then {0} end",
    "(select max(s.{0}) from {1} as s)",
    "lag({0}) over (order by id)",
    "nullif({0}, 'x')",
    "[{0}][1]",
)
#: What a header needs for a kind, over columns that every model here has.
HEADERS = {
    "incremental": "-- partition: day\n",
    "merge": "-- key: id\n-- order: day\n",
    "scd2": "-- key: id\n-- partition: day\n",
}


def notes(root: Path, sql: Mapping[str, str], contracts: Mapping[str, Contract]) -> Mapping[str, Notes]:
    """Return the notes of raw.sales and of models over it."""
    source = Source(contract=RAW, files="sales/{date}.csv", partition="delivery_date")
    source.name = "sales"
    for name, text in sql.items():
        path = root / f"{name.replace('.', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    catalog = Catalog({"sales": source}, {})
    models = with_passed(catalog, read_models(root, [Given(source.table, tuple(source.columns.items()))]))
    with duckdb.connect() as con:
        tables = {source.table: tuple(source.columns.items())} | {m.name: m.stored for m in models.models.values()}
        for name, columns in tables.items():
            con.execute(f"create schema if not exists {name.split('.')[0]}")
            con.execute(f"create table {name} ({', '.join(f'{column} {type}' for column, type in columns)})")
        return notes_of(con, [source], list(models.models.values()), contracts)


@st.composite
def chains(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, Contract], dict[str, dict[str, dict[str, str]]]]:
    """Draw models, each over the one before, with contracts of some; and what each column is to say."""
    plain = [kind for kind in MATERIALIZED if KINDS[kind].is_plain or kind == "merge"]
    kinds = [*draw(st.lists(st.sampled_from(plain), max_size=2)), draw(st.sampled_from(MATERIALIZED))]
    known: dict[str, dict[str, str]] = {column.name: RAW.notes().get(column.name, {}) for column in RAW.columns}
    below, sql, contracts, expected = "raw.sales", {}, {}, {}
    for number, kind in enumerate(kinds):
        name, said = f"marts.m{number}", {"id": known["id"], "day": known["day"]}
        columns, lines, promised = ["id", "day"], [], []
        for column in draw(st.permutations(["a", "b", "c"])):
            is_same = draw(st.booleans())
            text = draw(st.sampled_from(SAME if is_same else COMPUTED)).format(column, below)
            columns.append(f"{text} as {column}")
            said[column] = dict(known[column]) if is_same else {}
            if draw(st.integers(0, 3)) == 0:
                lines.append(f"-- column: {column} = In the header.\n")
                said[column]["description"] = "In the header."
            if draw(st.integers(0, 3)) == 0:
                promised.append(Column(column, "VARCHAR", True, description="In the contract."))
                said[column]["description"] = "In the contract."
        if promised:
            contracts[name] = Contract("Promised", columns=tuple(promised))
        header = f"-- materialized: {kind}\n{HEADERS.get(kind, '')}{''.join(lines)}"
        sql[name] = f"{header}select {', '.join(columns)} from {below} as t"
        expected[name], known, below = said, said, name
    return sql, contracts, expected


@given(chain=chains())
@settings(max_examples=60, deadline=None)
def test_a_column_says_what_those_say_whose_values_it_holds_unless_somebody_says_more(chain, tmp_path_factory):
    sql, contracts, expected = chain

    found = notes(tmp_path_factory.mktemp("sql"), sql, contracts)

    for table, columns in expected.items():
        stored = {name: dict(found[table].columns.get(name, {})) for name in found[table].names}
        assert stored == {name: columns.get(name, stored[name]) for name in stored}
        # what a kind adds is described too
        assert all(stored[name].get("description") for name in stored if name not in columns)


def test_a_union_says_what_all_of_its_parts_say_and_hides_what_one_hides(tmp_path: Path) -> None:
    sql = {"marts.x": "select a as same, b as other from raw.sales union all select a, a from raw.sales"}

    found = notes(tmp_path, sql, {})["marts.x"].columns

    assert found == {"same": {"description": "The first.", "unit": "euros"}, "other": {"pii": "hash"}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-- The sites. Grain: site.\n-- owner: ann\nselect 1", "The sites."),
        ("-- owner: ann\n\n-- What a plane\n-- did, e.g. fly. More.\nselect 1", "What a plane did, e.g. fly."),
        ("-- No. 5 of the U.S. list.\n-- unit: a = b\n-- More\nselect 1", "No. 5 of the U.S. list."),
        ("/* The sites,\n * all of them! And more. */\nselect 1", "The sites, all of them!"),
        ("-- ------\n-- The sites\n-- ======\nselect 1", "The sites"),
        ("-- materialized: view\nselect 1 -- no header. No.", ""),
        ("\ufeff--The sites.\nselect 1", "The sites."),
        ("-- Version 1.5 of it. Yes.\nselect 1", "Version 1.5 of it."),
        ("select 1", ""),
    ],
)  # fmt: skip
def test_the_first_sentence_of_a_header_is_the_description(text: str, sentence: str) -> None:
    assert description_of(text) == sentence


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = tiny.project(tmp_path)
    tiny.night(project)
    return project


COMMENTS = """select schema_name || '.' || table_name, '', comment from duckdb_tables() where not internal
union all select schema_name || '.' || view_name, '', comment from duckdb_views() where not internal
union all select schema_name || '.' || table_name, column_name, comment from duckdb_columns() where not internal"""


def test_every_table_and_column_of_the_log_has_its_comment(project: Project) -> None:
    found = {(table, column): text for table, column, text in tiny.published(project, COMMENTS)}

    own = {key: text for key, text in found.items() if key[0].startswith("etl.") and key[0][4] != "_"}
    assert {key for key, text in own.items() if not text} == set()
    assert OWN.keys() >= LOG_NAMES


def test_another_description_follows_to_the_published_file_and_builds_nothing(project: Project) -> None:
    before = tiny.published(project, "select name, built_at from etl.models order by all")
    path = project.sql / "marts/items.sql"
    path.write_text(f"-- What sold. Grain: item.\n{path.read_text()}")

    tiny.night(project)

    found = {(table, column): text for table, column, text in tiny.published(project, COMMENTS)}
    assert found["marts.items", ""] == "What sold."
    assert tiny.published(project, "select name, built_at from etl.models order by all") == before


def test_what_a_source_says_of_a_column_follows_to_the_tables_that_pass_it_on(project: Project) -> None:
    facts = (
        "select name, built_at from etl.models union all select source, loaded_at from etl.partitions order by all"
    )
    before = tiny.published(project, facts)
    path = next(project.contracts.glob("*.py"))
    said = 'item: str = pa.Field(nullable=True, description="What was sold.", metadata={"unit": "name"})'
    path.write_text(path.read_text().replace("item: str = pa.Field(nullable=True)", said))

    plan = tiny.night(project)

    found = {(table, column): text for table, column, text in tiny.published(project, COMMENTS)}
    assert found["raw.sales", "item"] == found["marts.items", "item"] == "What was sold. [unit: name]"
    assert tiny.stale(plan) == ["audit", "publish"]
    assert tiny.published(project, facts) == before
