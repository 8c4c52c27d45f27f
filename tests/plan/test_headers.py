"""What headers ask for beyond the SQL: a contract by its class name, an owner, a place in the lake."""

from pathlib import Path

import pytest

from etl.errors import AuditError, ConfigError, ContractError, ModelError, TransformError
from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project
from tests.support import tiny

COUNTED = """
class Counted(pa.DataFrameModel):
    \"\"\"How often something was sold.\"\"\"
    item: str = pa.Field(isin=["book", "pen"], metadata={"unit": "word"})
    sales: int = pa.Field(gt=0, description="How many were sold.")
"""
ITEMS = """-- contract: Counted
-- owner: ann@example.org
-- unit: item = letters, sales = pieces
select item, count(*) as sales from raw.sales group by item
"""
OTHER = "-- contract: Counted\nselect item, count(*) + 1 as sales from raw.sales group by item\n"


def project(root: Path, items: str = ITEMS, contracts: str = tiny.CONTRACTS + COUNTED) -> Project:
    """Write a project with two tables that ask for one contract."""
    return tiny.project(root, contracts, {"marts/items.sql": items, "marts/other.sql": OTHER})


def test_several_tables_share_a_contract_each_under_its_own_name(tmp_path: Path) -> None:
    made = project(tmp_path)
    tiny.night(made)
    checks = "select name from etl.checks where name like '%.sales.greater_than' order by name"
    assert tiny.published(made, checks) == [
        ("marts.items.sales.greater_than",),
        ("marts.other.sales.greater_than",),
    ]


def test_a_contract_that_a_header_names_is_compiled_and_its_fault_has_the_place(tmp_path: Path) -> None:
    refused = tiny.CONTRACTS + COUNTED + "\n    @pa.parser('item')\n    def tidy(cls, item): return item\n"
    with pytest.raises(ContractError, match=r"sql/marts/items.sql:1: contract: Counted \(.*all.py\): .*parser"):
        tiny.plan(project(tmp_path, contracts=refused))


def test_a_contract_that_nothing_uses_is_an_error_that_says_how_to_use_it(tmp_path: Path) -> None:
    made = tiny.project(tmp_path, tiny.CONTRACTS + COUNTED)
    with pytest.raises(
        ContractError, match=r"all.py:11: nothing uses the contract Counted, .*Config.name"
    ) as error:
        tiny.plan(made)
    assert "(-- contract: Counted)" in str(error.value)


def test_a_header_uses_the_base_classes_of_the_contract_that_it_names_too(tmp_path: Path) -> None:
    base = COUNTED.replace("Counted(", "Base(").replace("    sales:", "    many:")
    derived = base + "\nclass Counted(Base):\n    sales: int\n"
    with pytest.raises(ModelError, match=r"the contract of marts.items promises the column many \(BIGINT\)"):
        tiny.plan(project(tmp_path, contracts=tiny.CONTRACTS + derived))


def test_compiled_contracts_are_kept_until_something_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = project(tmp_path)
    ledger = Ledger(made.ledger)
    first, _ = definitions(made, ledger)
    with monkeypatch.context() as patched:
        patched.setattr("etl.plan.headers.load_named", lambda *_: pytest.fail("it is known"))
        again, _ = definitions(made, ledger)
    assert again.to_json() == first.to_json()

    changed = (tiny.CONTRACTS + COUNTED).replace("gt=0", "gt=1")
    (made.contracts / "all.py").write_text(changed)
    anew, _ = definitions(made, ledger)
    assert anew.to_json() != first.to_json()


def test_a_class_that_is_not_there_is_an_error_with_file_line_and_the_closest(tmp_path: Path) -> None:
    made = project(tmp_path, "-- All items.\n" + ITEMS.replace("Counted", "Countd"))
    with pytest.raises(
        ContractError, match=r"sql/marts/items.sql:2: .* no pandera model Countd. Did you mean Counted\?"
    ):
        tiny.plan(made)


def test_a_class_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    made = project(tmp_path)
    (made.contracts / "more.py").write_text("import pandera.pandas as pa\n" + COUNTED)
    with pytest.raises(ContractError, match=r"items.sql:1: contract: Counted is in all.py and more.py"):
        tiny.plan(made)


def test_a_table_has_one_contract(tmp_path: Path) -> None:
    both = COUNTED + '\n    class Config:\n        name = "marts.items"\n'
    with pytest.raises(ModelError, match=r"sql/marts/items.sql:1: contract: marts.items has a contract already"):
        tiny.plan(project(tmp_path, contracts=tiny.CONTRACTS + both))


def test_the_rules_of_a_named_contract_stop_the_publish_and_name_the_owner(tmp_path: Path) -> None:
    made = project(tmp_path)
    tiny.deliver(made, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})
    with pytest.raises(AuditError, match=r"(?s)marts.items.item.isin.*the owner of marts.items: ann@example.org"):
        tiny.night(made)


def test_a_model_that_cannot_be_built_names_its_owner(tmp_path: Path) -> None:
    broken = ITEMS.replace("count(*) as sales", "error('no')::bigint as sales").replace("group by item", "")
    with pytest.raises(TransformError, match=r"marts.items \(sql/marts/items.sql, owner: ann@example.org\)"):
        tiny.night(project(tmp_path, broken))


def test_a_python_model_has_an_owner_and_an_export_too(tmp_path: Path) -> None:
    named = COUNTED + '\n    class Config:\n        name = "marts.items"\n'
    python = """# owner: ann@example.org
# export: parquet
READS = ["raw.sales"]

def model(inputs, ctx):
    return inputs["raw.sales"].aggregate("item, count(*) as sales")
"""
    made = tiny.project(tmp_path, tiny.CONTRACTS + named, {"marts/items.py": python})
    tiny.night(made)
    assert (made.lake / "marts/items/data.parquet").is_file()

    (made.sql / "marts/items.py").write_text(python.replace("count(*) as sales", "error('no') as sales"))
    with pytest.raises(TransformError, match=r"marts.items \(sql/marts/items.py(:6)?, owner: ann@example.org\)"):
        tiny.night(made)

    (made.sql / "marts/items.py").write_text("# contract: Counted\n" + python)
    with pytest.raises(ModelError, match=r"sql/marts/items.py:1: contract: marts.items has a contract already"):
        tiny.plan(made)


def test_units_and_owners_are_comments_and_what_the_contract_says_goes_first(tmp_path: Path) -> None:
    made = project(tmp_path)
    tiny.night(made)

    query = "select {}, comment from duckdb_{}s() where table_name = 'items' and not internal order by 1"
    assert tiny.published(made, query.format("table_name", "table")) == [
        ("items", "How often something was sold. [owner: ann@example.org]")
    ]
    assert tiny.published(made, query.format("column_name", "column")) == [
        ("item", "[unit: word]"),
        ("sales", "How many were sold. [unit: pieces]"),
    ]


def test_an_export_where_the_partitions_of_a_source_lie_is_refused(tmp_path: Path) -> None:
    made = tiny.project(tmp_path, sql={"sales/items.sql": "-- Items.\n-- export: parquet\nfrom raw.sales"})
    with pytest.raises(ConfigError, match=r"sql/sales/items.sql:2: export: sales.items would go to lake/sales"):
        tiny.plan(made)
