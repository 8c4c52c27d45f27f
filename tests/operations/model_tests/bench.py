"""A project of raw tables and SELECTs, and tests of its models, run without pytest and without contracts."""

from collections.abc import Mapping
from pathlib import Path

from etl.models import Context, Given, Promised, read_models
from etl.operations.model_tests import Definitions, Workbench, read_cases
from etl.project import load_project

SALES = Given(
    "raw.sales",
    (("sale_date", "DATE"), ("item", "VARCHAR"), ("quantity", "BIGINT"), ("price", "DECIMAL(9,2)")),
    "sale_date",
)
ITEMS = Given("raw.items", (("item", "VARCHAR"), ("weight", "DOUBLE")))
SQL = {
    "staging.sales": "-- materialized: view\nselect *, quantity * price as revenue from raw.sales",
    "staging.items": "-- materialized: view\nselect lower(item) as item, weight from raw.items",
    "marts.items": """select item, sum(quantity) as quantity, max(weight) as weight
from staging.sales left join staging.items using (item) group by item""",
}
#: The contracts of a seed and of a Python model.
PROMISED = {
    name: Promised((("item", "VARCHAR"), ("code", "BIGINT")), (("item", "item"), ("code", "code::bigint")))
    for name in ("seeds.codes", "marts.coded")
}
FILE = "sql/marts/test_items.sql"


def bench(root: Path, sql: Mapping[str, str] = SQL) -> Workbench:
    """Return the workbench of a project with these models; a name with a slash is that of a file."""
    (root / "luigi.cfg").write_text("[etl]\n[etl.vars]\ndear_from = 10\n")
    for name, text in sql.items():
        path = root / "sql" / (name if "/" in name else f"{name.replace('.', '/')}.sql")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    tables = [SALES, ITEMS]
    project = load_project(root)
    models = read_models(root / "sql", tables, Context(project.variables, PROMISED))
    return Workbench(project, Definitions({table.name: table for table in tables}, models))


def run(root: Path, test: str, target: str = "marts.items", sql: Mapping[str, str] = SQL) -> str:
    """Run the one test of a text; return how the table differs from what is expected, or nothing."""
    (case,) = read_cases(FILE, test)
    working = bench(root, sql)
    try:
        return working.run(case, target)
    finally:
        working.close()
