"""What each column of a project is made of, through all SQL, down to the raw files; and what it ends up in."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.contract import Column, Contract
from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.models import Given, Model, Models, read_models
from etl.models.lineage import Lineage, Origin, as_data, downstream, read_lineage, upstream
from etl.plan.definitions import definitions
from etl.project import load_project
from etl.sources import Catalog, Source
from tests.support import tiny

CONTRACT = Contract(
    "Sales",
    columns=(Column("id", "BIGINT", False), Column("item", "VARCHAR", True, aliases=("article",))),
)


def lineage_of(root: Path, sql: dict[str, str], *more: Model) -> Lineage:
    """Return the lineage of models over raw.sales (id, item, delivery_date), and of `more` in front of them."""
    source = Source(contract=CONTRACT, files="sales/{date}.csv")
    source.name = "sales"
    for name, text in sql.items():
        path = root / f"{name.replace('.', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    given = [Given(source.table, tuple(source.columns.items()), source.partition)]
    given += [Given(model.name, model.columns) for model in more]
    models = read_models(root, given)
    first = {model.name: model for model in more}
    return read_lineage(Catalog({"sales": source}, {}), Models(first | models.models, models.audits))


def test_trees_lead_down_to_the_file_and_up_to_all_that_a_column_ends_up_in(tmp_path: Path) -> None:
    sql = {
        "staging.sales": "-- materialized: view\nselect id, upper(item) as thing from raw.sales",
        "marts.items": """with known as (
    select thing, id * 2 as twice
    from staging.sales
    where id > 0
)
select thing, sum(twice) as twice, count(*) as n from known group by thing""",
        "marts.top": "select count(*) as items from marts.items",
        "audits.no_thing": "-- fail: it has a name\nselect id from staging.sales where thing is null",
    }
    found = lineage_of(tmp_path, sql)

    folder = tmp_path.name
    assert list(upstream(found, "marts.items.twice")) == [
        f"marts.items.twice = sum(twice)   {folder}/marts/items.sql:6",
        f"└─ known.twice = id * 2   {folder}/marts/items.sql:2",
        f"   └─ staging.sales.id   {folder}/staging/sales.sql:2",
        "      └─ raw.sales.id",
        "         └─ data/raw/sales/{date}.csv: id",
        "Rows, and what they are joined, filtered, grouped or ordered by:",
        "   marts.items from staging.sales, by staging.sales.thing, staging.sales.id",
        "   staging.sales from raw.sales",
    ]
    assert list(downstream(found, "raw.sales.item")) == [
        "raw.sales.item",
        f"└─ staging.sales.thing = upper(item)   {folder}/staging/sales.sql:2",
        f"   ├─ marts.items.thing   {folder}/marts/items.sql:6",
        f"   ├─ marts.items (which rows there are), and so marts.top   {folder}/marts/items.sql",
        f"   └─ audits.no_thing (which rows there are)   {folder}/audits/no_thing.sql",
    ]
    assert list(upstream(found, "raw.sales.item"))[1] == "└─ data/raw/sales/{date}.csv: item or article"


def test_an_audit_of_a_header_reads_the_columns_that_it_judges(tmp_path: Path) -> None:
    header = """-- not_null: Thing
-- unique: id
-- accepted_values: thing = a, b
-- references: thing = staging.sales.thing
-- not_null: thing at least 5% by delivery_date
-- row_count: at least 1
-- row_count: within 5% of the last 7 by delivery_date
-- sums_to: id = staging.sales.id by thing
-- freshness: delivery_date within 2 days
"""
    sales = "select id, upper(item) as thing, delivery_date from raw.sales"
    found = lineage_of(tmp_path, {"marts.x": header + sales, "staging.sales": sales})

    judged = {
        name.removeprefix("marts.x."): set(map(str, found.rows[name]))
        for name in found.tables
        if name.count(".") > 1
    }
    assert judged == {
        "not_null.Thing": {"marts.x.thing"},
        "unique.id": {"marts.x.id"},
        "accepted_values.thing": {"marts.x.thing"},
        "references.thing": {"marts.x.thing", "staging.sales.thing"},
        "not_null.thing,at_least_5,delivery_date": {"marts.x.thing", "marts.x.delivery_date"},
        "row_count.at_least": set(),
        "row_count.last_7,delivery_date": {"marts.x.delivery_date"},
        "sums_to.id": {"marts.x.id", "staging.sales.id", "marts.x.thing", "staging.sales.thing"},
        "freshness.delivery_date": {"marts.x.delivery_date"},
    }
    assert "marts.x.unique.id" not in "\n".join(downstream(found, "marts.x.thing"))
    assert "marts.x.row_count.at_least" not in "\n".join(downstream(found, "marts.x.thing"))


def test_a_branch_that_comes_again_is_shown_once(tmp_path: Path) -> None:
    twice = {f"marts.x{n}": f"select a.v + b.v as v from marts.x{n - 1} a, marts.x{n - 1} b" for n in range(1, 40)}
    found = lineage_of(tmp_path, {"marts.x0": "select id as v from raw.sales", **twice})

    assert len([line for line in upstream(found, "marts.x39.v") if ".v" in line]) == 40
    assert len(as_data(found, "marts.x39.v")["nodes"]) < 200


def test_what_cannot_be_taken_apart_may_depend_on_all_that_is_read(tmp_path: Path) -> None:
    found = lineage_of(tmp_path, {"marts.x": "select unnest({'a': id, 'b': item}) from raw.sales"})

    why = "DuckDB finds other columns in it"
    assert f"└─ perhaps every column of raw.sales: {why}" in list(upstream(found, "marts.x.a"))
    assert "└─ marts.x.b" in "\n".join(downstream(found, "raw.sales.id")).replace("├", "└")


def test_what_no_select_makes_may_depend_on_all_that_it_reads(tmp_path: Path) -> None:
    python = Model(
        "marts.scores", "models/scores.py", "", "", reads=("raw.sales",), columns=(("score", "DOUBLE"),)
    )
    seed = Model("seeds.towns", "seeds/towns.csv", "", "", reads=(), columns=(("town", "VARCHAR"),))
    sql = {"marts.best": "select max(score) as best, max(town) as town from marts.scores, seeds.towns"}
    found = lineage_of(tmp_path, sql, python, seed)

    assert list(upstream(found, "marts.best.best"))[1:3] == [
        "└─ marts.scores.score   models/scores.py",
        "   └─ perhaps every column of raw.sales: it is not made by a SELECT",
    ]
    assert list(upstream(found, "seeds.towns.town")) == ["seeds.towns.town   seeds/towns.csv"]
    assert "marts.best.best" in "\n".join(downstream(found, "raw.sales.id"))


def test_a_macro_reads_tables_and_models(tmp_path: Path) -> None:
    sql = {
        "macros.dear": "create macro top() as (select max(twice) from staging.sales);"
        "create macro dear(least) as table select item from raw.sales where id > least;",
        "staging.sales": "-- materialized: view\nselect id * 2 as twice from raw.sales",
        "marts.x": "select d.item, top() as most from dear(3) as d, raw.sales as s where s.id = 1",
    }
    found = lineage_of(tmp_path, sql)

    assert found.tables["marts.x"].opaque == ""
    assert found.values[Origin("marts.x", "most")] == (Origin("staging.sales", "twice"),)
    assert found.rows["marts.x"] == (Origin("raw.sales", "id"),)


def test_a_history_tells_when_any_of_its_columns_changed(tmp_path: Path) -> None:
    header = "-- materialized: scd2\n-- key: id\n-- partition: day\n"
    found = lineage_of(tmp_path, {"marts.x": f"{header}select delivery_date as day, id, item from raw.sales"})

    assert found.values[Origin("marts.x", "valid_from")] == (Origin("raw.sales", "delivery_date"),)
    assert found.values[Origin("marts.x", "item")] == (Origin("raw.sales", "item"),)
    assert set(found.rows["marts.x"]) == {Origin("raw.sales", name) for name in ("id", "item", "delivery_date")}


def test_a_merge_chooses_rows_by_its_key_and_order(tmp_path: Path) -> None:
    header = "-- materialized: merge\n-- key: id\n-- order: day\n-- partition: day\n"
    found = lineage_of(tmp_path, {"marts.x": f"{header}select delivery_date as day, id, item from raw.sales"})

    assert set(found.rows["marts.x"]) == {Origin("raw.sales", "id"), Origin("raw.sales", "delivery_date")}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("marts.item", r"Did you mean marts\.items\?"),
        ("marts.item.n", r"Did you mean marts\.items\?"),
        ("raw.sales.itm", r"Did you mean raw\.sales\.item\?"),
        ("nothing", r"Name it as schema\.table or schema\.table\.column"),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest(tmp_path: Path, name: str, hint: str) -> None:
    found = lineage_of(tmp_path, {"marts.items": "select item, count(*) as n from raw.sales group by item"})

    with pytest.raises(ConfigError, match=rf"There is no table or column {name}. {hint}"):
        list(upstream(found, name))


def test_data_are_nodes_and_edges(tmp_path: Path) -> None:
    found = lineage_of(tmp_path, {"marts.x": "select upper(item) as thing\nfrom raw.sales\nwhere id > 0"})

    data = as_data(found, "marts.x.thing")
    nodes = {node["id"]: node for node in data["nodes"]}
    edges = {(edge["from"], edge["to"]): edge["as"] for edge in data["edges"]}

    assert (data["of"], data["direction"]) == (["marts.x.thing"], "upstream")
    assert nodes["marts.x.thing"] == {
        "id": "marts.x.thing",
        "kind": "column",
        "table": "marts.x",
        "column": "thing",
        "file": f"{tmp_path.name}/marts/x.sql",
        "expressions": [{"sql": "upper(item)", "line": 1}],
        "opaque": "",
    }
    assert nodes["data/raw/sales/{date}.csv: item or article"]["kind"] == "file"
    assert edges["raw.sales.item", "marts.x.thing"] == "value"
    assert edges["raw.sales.id", "marts.x"] == edges["marts.x", "marts.x.thing"] == "rows"


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    """The lineage of the default project."""
    project = load_project(Path(__file__).parents[3])
    return read_lineage(*definitions(project, Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")))


def test_every_table_of_the_default_project_is_understood(default: Lineage) -> None:
    assert {name: table.opaque for name, table in default.tables.items() if table.opaque} == {}


def test_every_column_of_a_mart_comes_from_a_file_or_counts_rows(default: Lineage) -> None:
    for table, what in default.tables.items():
        for name in what.columns if table.startswith("marts.") and "/" not in table else ():
            nodes = as_data(default, f"{table}.{name}")["nodes"]
            counts = any("count(*)" in made["sql"] for node in nodes for made in node.get("expressions", ()))
            assert counts or any(node["kind"] == "file" for node in nodes), (table, name)


def test_downstream_is_upstream_the_other_way(default: Lineage) -> None:
    columns = [str(Origin(table, name)) for table, what in default.tables.items() for name in what.columns]
    outer = [column for column in columns if "/" not in column]
    ends_in: dict[str, set[str]] = {}
    for column in outer:
        ends_in[column] = {node["id"] for node in as_data(default, column, downstream=True)["nodes"]}

    for column in outer:
        made_of = {node["id"] for node in as_data(default, column)["nodes"]}
        table = column.rpartition(".")[0]
        assert made_of & set(outer) == {one for one in outer if not ends_in[one].isdisjoint({column, table})}


def test_the_command_prints_trees_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tiny.project(tmp_path)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))

    text = CliRunner().invoke(cli, ["lineage", "marts.items"], catch_exceptions=False).output
    data = json.loads(CliRunner().invoke(cli, ["lineage", "raw.sales.item", "--downstream", "--json"]).output)

    assert "data/raw/sales/{date}.csv: item" in text
    assert [(edge["to"], edge["as"]) for edge in data["edges"]] == [
        ("marts.items.item", "value"),
        ("marts.items", "rows"),
    ]
