"""What is checked before anything is published, and what a failed check says."""

from pathlib import Path
from typing import Any

import pytest

from etl.contract import Column, Contract, Rule, Unique
from etl.contract.audit import Audit
from etl.ledger import Key, Ledger
from etl.project import Project
from etl.sources import load_catalog
from etl.stages import warehouse
from tests.stages.audited.candidate import check, failure, loaded, mart
from tests.support import tiny

ITEMS = Contract(
    "marts.items",
    columns=(Column("item", "VARCHAR", False), Column("n", "BIGINT", False)),
    rules=(Rule("n.gt", '"n" > 0', "n"), Rule("n.lt", '"n" < 100', "n", "", severity="warn")),
    uniques=(Unique("item.unique", ("item",)),),
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one day of sales loaded: two rows and a reject."""
    return tiny.once(tmp_path, loaded)


def an_audit(sql: str, severity: str = "error", reads: str = "raw.sales") -> Audit:
    return Audit("audits.a", "sql/audits/a.sql", sql, sql, reads=(reads,), severity=severity, why="because")


def test_a_candidate_that_keeps_everything_has_a_receipt_and_its_checks_in_sql(project: Project) -> None:
    mart(project, "select 'book' as item, 3::bigint as n")

    checks = check(project, contracts={"marts.items": ITEMS}, audits=[an_audit("from raw.sales where id > 9")])

    assert {name: check.passed for name, check in checks.items()} == {
        "audits.a": True,
        "marts.items.item.unique": True,
        "marts.items.n.gt": True,
        "marts.items.n.lt": True,
        "raw.sales.nothing_lost": True,
        "raw.sales.price.dear": True,
    }
    query = "select * from etl.checks where name = 'audits.a'"
    assert tiny.ask(project.build, query) == [("audits.a", "raw.sales", "error", True, 0, [], "run-1")]
    receipt = Ledger(project.ledger).receipt(Key("audit"))
    assert receipt is not None
    assert receipt.fingerprint == "content"


def test_a_row_that_breaks_a_contract_is_named_with_rule_table_and_examples(project: Project) -> None:
    mart(project, "select 'item ' || n as item, -n as n from range(5) as t(n)")

    message = failure(
        project,
        contracts={"marts.items": ITEMS},
        arrivals={"marts.items": [f"sales 2024-03-0{n} (sales.csv)" for n in range(1, 6)]},
    )

    lines = message.splitlines()
    assert lines[0] == "marts.items.n.gt found 5 offending rows in marts.items."
    assert lines[1] == "    item = item 0, n = 0"
    assert len(lines) == 5  # three examples
    assert lines[4] == (
        "    new since it was last published: sales 2024-03-01 (sales.csv); sales 2024-03-02 (sales.csv); "
        "sales 2024-03-03 (sales.csv) and 2 more"
    )
    assert Ledger(project.ledger).receipt(Key("audit")) is None
    assert tiny.ask(project.build, "select failing from etl.checks where not passed") == [(5,)]


def test_a_key_that_is_there_twice_is_an_error(project: Project) -> None:
    mart(project, "select 'book' as item, 1::bigint as n from range(2)")

    message = failure(project, contracts={"marts.items": ITEMS})

    assert message == "marts.items.item.unique found 1 offending row in marts.items.\n    item = book, rows = 2"


def test_a_warning_is_recorded_and_stops_nothing(project: Project) -> None:
    mart(project, "select 'book' as item, 500::bigint as n")

    found = check(project, contracts={"marts.items": ITEMS}, audits=[an_audit("from raw.sales", "warn")])

    assert [name for name, check in found.items() if not check.passed] == ["audits.a", "marts.items.n.lt"]
    assert found["marts.items.n.lt"].examples == ["item = book, n = 500"]
    assert found["audits.a"].failing == 2


@pytest.mark.parametrize(
    ("sql", "name", "text"),
    [
        ("select 'book' as item", "marts.items.n.column_in_dataframe", "column 'n' (BIGINT) of contract"),
        ("select 'b' as item, 1 as n", "marts.items.n.dtype", "column 'n' is INTEGER; contract marts.items says"),
        ("select 'book' as item, 'x' as n", "marts.items.n.gt", "it cannot be run: "),
    ],
)  # fmt: skip
def test_a_table_of_another_shape_is_an_error_in_words(project: Project, sql: str, name: str, text: str) -> None:
    mart(project, sql)

    message = failure(project, contracts={"marts.items": ITEMS})

    assert f"{name} found 1 offending row in marts.items.\n    {text}" in message


def test_a_rule_over_a_missing_column_is_a_failed_check_and_no_crash(project: Project) -> None:
    mart(project, "select 'book' as item")
    row_rule = Contract("marts.items", ITEMS.columns, (Rule("both", "n > 0 or item is null"),))

    message = failure(project, contracts={"marts.items": row_rule})

    assert "marts.items.both found 1 offending row" in message
    assert "marts.items.n.column_in_dataframe found 1" in message


def test_an_audit_says_why_it_matters(project: Project) -> None:
    message = failure(project, audits=[an_audit("select id from raw.sales where id = 1")])

    assert message == "audits.a found 1 offending row in raw.sales: because (sql/audits/a.sql).\n    id = 1"


def test_an_audit_that_cannot_be_run_is_named_even_if_it_only_warns(project: Project) -> None:
    message = failure(project, audits=[an_audit("select no_such_column from raw.sales", "warn")])

    assert message.startswith(
        "audits.a found 1 offending row in raw.sales: because (sql/audits/a.sql).\n    it cannot be run: "
    )


def test_a_check_of_unchanged_tables_is_taken_over(project: Project) -> None:
    first = check(project, audits=[an_audit("from raw.sales where id > 9")])
    same = check(project, "run-2", audits=[an_audit("from raw.sales where id > 9")])
    with warehouse.open_build(project, Ledger(project.ledger), "run-3") as con:
        con.execute("update etl._tables set content = 'another'")
    changed = check(project, "run-3", audits=[an_audit("from raw.sales where id > 9")])

    runs = [checks["audits.a"].run_id for checks in (first, same, changed)]
    assert runs == ["run-1", "run-1", "run-3"]


def test_a_check_that_failed_is_done_again_though_nothing_changed(project: Project) -> None:
    warned = [an_audit("from raw.sales", "warn")]
    check(project, audits=warned)

    assert check(project, "run-2", audits=warned)["audits.a"].run_id == "run-2"


def test_warnings_of_raw_rows_are_those_counted_when_they_were_extracted(project: Project) -> None:
    found = check(project, warnings={"sales": {"price.dear": 1}})["raw.sales.price.dear"]

    assert (found.severity, found.passed, found.failing) == ("warn", False, 1)
    assert found.examples[0].startswith("id = 1, item = book, price = 5000.00, delivery_date = 2024-03-01")


def test_a_table_that_is_not_the_planned_one_is_never_published_and_is_built_again(project: Project) -> None:
    message = failure(project, tables={"raw.sales": "planned"})

    assert message == "build.duckdb does not hold raw.sales as planned. Run again to rebuild them."
    assert Ledger(project.ledger).receipt(Key("load", "sales")) is None


def test_a_row_that_is_lost_on_the_way_stops_the_publish(project: Project) -> None:
    with warehouse.open_build(project, Ledger(project.ledger), "run-1") as con:
        con.execute("delete from raw.sales where id = 1")

    message = failure(project)

    assert message == (
        "raw.sales.nothing_lost found 1 offending row in raw.sales.\n"
        "    4 lines in the files, 1 skipped, 3 records; 2 rows in the lake, 1 in raw.sales; "
        "1 rejected, 1 in etl.rejects; 0 discarded, 0 in etl.rejects"
    )


def test_a_reject_that_is_lost_on_the_way_stops_the_publish(project: Project) -> None:
    with warehouse.open_build(project, Ledger(project.ledger), "run-1") as con:
        con.execute("delete from etl.rejects")

    assert "1 rejected, 0 in etl.rejects" in failure(project)


CHECKED = """
import pandera.pandas as pa

class Items(pa.DataFrameModel):
    \"\"\"What was sold.\"\"\"
    item: str = pa.Field(description="its name", metadata={"pii": True})
    amounts: int = pa.Field(alias="^n", regex=True, gt=0)

    @pa.check("item")
    def is_short(cls, items):
        return items.str.len() < 5

    @pa.check("^n")
    def is_even(cls, numbers):
        return numbers.map(EVEN)

    class Config:
        name = "marts.items"

def EVEN(number):
    return number % 2 == 0
"""


def checked(project: Project, contracts: str = CHECKED) -> dict[str, Contract]:
    """Write a contract file and return its contracts of tables."""
    (project.contracts / "all.py").write_text(contracts)
    return load_catalog(project.contracts).tables


def test_checks_in_python_and_of_columns_by_pattern_are_audited(project: Project) -> None:
    mart(project, "select 'novel' as item, 3::bigint as n, 2::bigint as n2")

    message = failure(project, contracts=checked(project))

    assert [line for line in message.splitlines() if not line.startswith(" ")] == [
        "marts.items.item.is_short found 1 offending row in marts.items.",
        "marts.items.n.is_even found 1 offending row in marts.items.",
    ]
    assert "    item = ***, n = 3, n2 = 2" in message
    passed = "select name from etl.checks where passed and table_name = 'marts.items' order by name"
    assert [name for (name,) in tiny.ask(project.build, passed)] == [
        "marts.items.item.not_nullable",
        "marts.items.n.greater_than",
        "marts.items.n.not_nullable",
        "marts.items.n2.greater_than",
        "marts.items.n2.is_even",
        "marts.items.n2.not_nullable",
    ]


def test_a_check_in_python_that_raises_is_a_failed_check(project: Project) -> None:
    mart(project, "select 'pen' as item, 2::bigint as n")
    contracts = CHECKED.replace("return number % 2 == 0", "return 1 / (number - 2) > 0")

    message = failure(project, contracts=checked(project, contracts))

    assert "marts.items.n.is_even found 1 offending row" in message
    assert "its Python function raised ZeroDivisionError: division by zero (on 2)" in message


def test_a_check_in_python_that_passed_is_not_repeated(project: Project, monkeypatch: Any) -> None:
    mart(project, "select 'pen' as item, 2::bigint as n")
    contracts = checked(project)
    check(project, contracts=contracts)
    monkeypatch.setattr("etl.contract.python_rules.prepare", None)

    assert check(project, "run-2", contracts=contracts)["marts.items.n.is_even"].run_id == "run-1"


def test_the_words_of_a_contract_are_comments_of_its_table(project: Project) -> None:
    mart(project, "select 'pen' as item, 2::bigint as n")
    query = (
        "select '', comment from duckdb_tables() where table_name = 'items' "
        "union all select column_name, comment from duckdb_columns() where table_name = 'items' order by 1"
    )

    check(project, contracts=checked(project))
    assert tiny.ask(project.build, query) == [
        ("", "What was sold."),
        ("item", "its name [pii: hash]"),
        ("n", None),
    ]
    check(project, contracts=checked(project, CHECKED.replace('description="its name", ', "")))
    assert tiny.ask(project.build, query)[1] == ("item", "[pii: hash]")


def test_an_example_says_null_as_the_rows_do(project: Project) -> None:
    nothing = an_audit("select null::varchar as item, 'None' as n")

    assert "item = null, n = None" in failure(project, audits=[nothing])
