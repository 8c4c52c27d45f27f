"""Optional models: one that fails keeps what it held, the rest is published, and the next night tries it again."""

import logging
from pathlib import Path

import duckdb
import pytest

from etl.engine import connections
from etl.errors import ModelError, TransformError
from etl.ledger import Ledger
from etl.models import Header, Model
from etl.models.header import read_header
from etl.project import Project
from etl.reports.status import project_status
from etl.reports.summary import summary
from etl.stages.warehouse import Build, define_own
from etl.stages.warehouse.optional import Failures
from tests.support import tiny

pytestmark = pytest.mark.sampled

#: Fails as long as there is a sale 13.
OPTIONAL = """-- optional: yes
{header}select delivery_date, item, count(*) as sales from raw.sales
where id <> 13 or error('no such item') is null group by all
"""
COUNTED = "select count(*) as items, sum(sales) as sales from marts.items"
SQL = {
    "marts/items.sql": OPTIONAL.format(header=""),
    "marts/counted.sql": COUNTED,
    "marts/all_sales.sql": "select count(*) as sales from raw.sales",
}
GOOD, BAD = "id,item\n4,ink\n", "id,item\n13,bad\n"
DAY = "sales/2024-03-03.csv"
HEADERS = {
    "table": "",
    "incremental": "-- materialized: incremental\n-- partition: delivery_date\n",
    "merge": "-- materialized: merge\n-- key: item\n-- order: delivery_date\n",
    "scd2": "-- materialized: scd2\n-- key: item\n-- partition: delivery_date\n",
}


def told(project: Project, planned: tiny.Plan) -> str:
    ledger = Ledger(project.ledger)
    return "\n".join(summary(planned, ledger, ledger.runs()[0], ledger.receipts()))


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_what_it_held_stays_as_a_whole_until_it_can_be_built(
    tmp_path: Path, header: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tiny.project(tmp_path, sql={**SQL, "marts/items.sql": OPTIONAL.format(header=header)})
    tiny.night(project)
    before = tiny.published(project, "from marts.items order by all")
    counted = tiny.published(project, "from marts.counted")

    tiny.deliver(project, {DAY: BAD})
    with caplog.at_level(logging.WARNING):
        planned = tiny.night(project)

    assert tiny.published(project, "from marts.all_sales") == [(4,)]
    assert tiny.published(project, "from marts.items order by all") == before
    assert tiny.published(project, "from marts.counted") == counted
    assert "warning: marts.items (sql/marts/items.sql) could not be built: " in caplog.text
    assert "warning: marts.items (sql/marts/items.sql) could not be built: " in told(project, planned)
    monkeypatch.chdir(project.root)
    (said,) = project_status()["optional"]
    assert said["model"] == "marts.items" and "no such item" in said["failed"] and said["since"]

    again = tiny.night(project)
    assert again.stale[tiny.Key("transform", "marts.items")] == "it failed, and is tried again"
    assert tiny.published(project, "from marts.items order by all") == before

    tiny.deliver(project, {DAY: GOOD})
    planned = tiny.night(project)
    assert tiny.published(project, "select count(*) from marts.items where item = 'ink'") == [(1,)]
    assert tiny.published(project, "from marts.counted") != counted
    assert "warning" not in told(project, planned)
    assert project_status()["optional"] == []
    assert tiny.stale(tiny.night(project)) == []


def test_one_that_fails_for_a_time_is_built_without_anything_new(tmp_path: Path) -> None:
    helper = tmp_path / "ready"
    model = f"""# optional: yes
import os
READS = ["raw.sales"]

def model(inputs, ctx):
    if not os.path.exists({str(helper)!r}):
        raise OSError("not there")
    return inputs["raw.sales"].project("count(*) as sales")
"""
    promised = "\nclass Late(pa.DataFrameModel):\n    sales: int\n    class Config:\n        name = 'marts.late'\n"
    sql = {
        "marts/late.py": model,
        "marts/below.sql": "-- row_count: at least 1\nselect 2 * sales as twice from marts.late",
    }
    helper.touch()
    project = tiny.project(tmp_path, contracts=tiny.CONTRACTS + promised, sql=sql)
    tiny.night(project)
    helper.unlink()
    tiny.deliver(project, {DAY: GOOD})
    tiny.night(project)
    assert tiny.published(project, "from marts.below") == [(6,)]

    helper.touch()
    tiny.night(project)

    assert tiny.published(project, "from marts.below") == [(8,)]
    assert tiny.stale(tiny.night(project)) == []


def test_without_earlier_content_it_is_left_out_if_nothing_reads_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sql = {name: text for name, text in SQL.items() if "counted" not in name}
    sql["audits/odd.sql"] = "-- fail: odd items\nselect * from marts.items where sales % 2 = 7"
    sql["marts/more.sql"] = "-- optional: yes\nselect item from marts.items"
    project = tiny.project(tmp_path, sql=sql, raw={DAY: BAD})

    with caplog.at_level(logging.WARNING):
        tiny.night(project)

    tables = "select schema_name || '.' || table_name from duckdb_tables() where schema_name = 'marts'"
    assert tiny.published(project, tables) == [("marts.all_sales",)]
    assert "The model is optional. It was never built, so it is left out." in caplog.text
    assert "marts.more (sql/marts/more.sql) could not be built: marts.items, which it reads, failed" in caplog.text
    assert "without marts.items, marts.more, these audits are left out: audits.odd" in caplog.text


def test_without_earlier_content_what_reads_it_fails(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, sql=SQL, raw={DAY: BAD})

    with pytest.raises(
        TransformError, match=r"marts.counted .* could not be built: marts.items, which it reads, failed"
    ):
        tiny.night(project)


def test_what_may_hold_removed_personal_data_does_not_stay(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace(
        "pa.Field(nullable=True)", 'pa.Field(nullable=True, metadata={"pii": "partial"})'
    )
    project = tiny.project(tmp_path, contracts=contracts, sql=SQL)
    tiny.night(project)
    (project.raw / "sales/2024-03-01.csv").unlink()
    tiny.deliver(project, {DAY: BAD})

    with pytest.raises(TransformError, match=r"may be personal data of sales that was masked or withdrawn"):
        tiny.night(project)


@pytest.mark.parametrize(
    "text", ["-- optional: no", "-- optional: yes\n-- materialized: view", "-- optional: true"]
)
def test_the_header_says_yes_or_nothing(text: str) -> None:
    with pytest.raises(ModelError, match="optional"):
        read_header("x.sql", text + "\nselect 1")


def test_a_damaged_file_is_not_tolerated() -> None:
    model = Model("marts.x", "sql/marts/x.sql", "", "", reads=(), header=Header(optional=True))
    with duckdb.connect() as con:
        define_own(con)
        failures = Failures(con=con, run_id="run-1", sources_of={"marts.x": ()})

        assert failures.add(Build(model, "", ""), f"marts.x could not be built: {connections._DAMAGED[0]}") is None
        assert failures.problems.keys() == {"marts.x"}
        assert failures.add(Build(model, "", ""), "marts.x could not be built: no such item") is not None
