"""What a run would do and why, told before it is done: it says what the night then does, and does nothing."""

from datetime import date
from pathlib import Path

import pytest

from etl.ledger import Ledger, stamp
from etl.ledger.keys import transform_key
from etl.plan import Scope
from etl.plan.forecast import Expected, Forecast, forecast
from etl.plan.plan import make_plan
from etl.project import Project
from tests.support import tiny

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int
    item: str

class Sites(pa.DataFrameModel):
    site: str

class Daily(pa.DataFrameModel):
    sales: int = pa.Field(ge=0)

    class Config:
        name = "marts.daily"

sales = Source(contract=Sales, files="sales/{date}.csv")
sites = Source(contract=Sites, files="sites.csv")
"""
SQL = {
    "staging/sales.sql": "-- materialized: view\nselect * from raw.sales",
    "marts/daily.sql": """-- materialized: incremental
-- partition: delivery_date
-- tolerates: sites
select delivery_date, count(*) as sales, (select count(*) from raw.sites) as sites
from staging.sales group by all""",
    "marts/total.sql": "select sum(sales) as sales from marts.daily",
    "marts/sites.sql": "select site from raw.sites",
    "audits/sites.sql": "-- fail: a shop has sites\nselect 1 as x from raw.sites where site = ''",
}
MARCH = {f"sales/2024-03-0{n}.csv": f"id,item\n{n},book\n{n},pen\n" for n in range(1, 6)}
LAST = date(2024, 3, 31)


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """A project with five days of sales and a snapshot of sites, published."""
    return tiny.once(tmp_path, published)


def published(root: Path) -> None:
    tiny.night(tiny.project(root, CONTRACTS, SQL, {**MARCH, "sites.csv": "site\nOslo\n"}))


def tonight(project: Project, **options: bool) -> Forecast:
    ledger = Ledger(project.ledger)
    return forecast(make_plan(project, ledger, Scope(LAST)), ledger, **options)


def to_build(found: Forecast) -> dict[str, str]:
    """Return what is to be built, and why."""
    steps = [*found.tables, found.audit, found.publish]
    return {step.name: step.why for step in steps if step.is_built}


def of(found: Forecast, name: str) -> Expected:
    return next(table for table in found.tables if table.name == name)


def edit(project: Project, file: str, old: str, new: str) -> None:
    path = project.root / file
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))


def test_at_first_everything_is_built_and_nothing_is_known_of_its_size(tmp_path: Path) -> None:
    found = tonight(tiny.project(tmp_path, CONTRACTS, SQL, MARCH))

    assert of(found, "raw.sales").partitions == [date(2024, 3, n) for n in range(1, 6)]
    assert of(found, "raw.sales").why == "new delivery 2024-03-01 to 2024-03-05 (5)"
    daily = of(found, "marts.daily")
    assert (daily.why, daily.partitions, daily.rows, daily.seconds) == ("never built", None, None, None)
    assert of(found, "raw.sites").why == "no delivery yet (sites.csv): an empty table"


def test_when_nothing_is_new_everything_is_left_as_it_is(shop: Project) -> None:
    found = tonight(shop)

    assert to_build(found) == {}
    assert {(table.why, table.rows, table.seconds) for table in found.tables} == {
        ("nothing new", 0, 0.0),
        ("unchanged", 0, 0.0),
    }


def test_a_new_delivery_is_expected_to_be_like_the_ones_before(shop: Project) -> None:
    tiny.deliver(shop, {"sales/2024-03-06.csv": "id,item\n6,pen\n"})

    found = tonight(shop)

    assert to_build(found) == {
        "raw.sales": "new delivery 2024-03-06",
        "marts.daily": "raw.sales: new delivery 2024-03-06",
        "marts.total": "upstream rebuilt: marts.daily",
        "audit": "what it is about is built",
        "publish": "a new generation",
    }
    assert of(found, "raw.sales").rows == 2
    daily, total = of(found, "marts.daily"), of(found, "marts.total")
    assert (daily.partitions, daily.rows) == ([date(2024, 3, 6)], 1)
    assert (total.partitions, total.rows) == (None, 1)
    assert daily.seconds is not None and total.seconds is not None
    assert of(found, "staging.sales").why == "a view: it shows what is below it"


def test_what_was_foretold_is_what_the_night_does(shop: Project) -> None:
    tiny.deliver(shop, {"sales/2024-03-06.csv": "id,item\n6,pen\n", "sales/2024-03-02.csv": "id,item\n2,pen\n"})
    edit(shop, "sql/marts/sites.sql", "select site", "select upper(site) as site")
    found = tonight(shop)

    tiny.night(shop)

    for table in found.tables:
        if not table.name.startswith("raw."):
            receipt = Ledger(shop.ledger).receipt(transform_key(table.name))
            assert receipt is not None
            assert receipt.details["built"] == table.is_built, table.name
            if table.is_built:
                days = None if table.partitions is None else [str(day) for day in table.partitions]
                assert receipt.details["partitions"] == days


def test_a_changed_delivery_is_told_from_a_new_one(shop: Project) -> None:
    tiny.deliver(shop, {"sales/2024-03-02.csv": "id,item\n2,pen\n", "sales/2024-03-07.csv": "id,item\n7,pen\n"})

    assert of(tonight(shop), "raw.sales").why == "changed delivery 2024-03-02; new delivery 2024-03-07"


def test_a_file_that_is_gone_withdraws_its_partition(shop: Project) -> None:
    (shop.raw / "sales/2024-03-05.csv").unlink()

    found = tonight(shop)

    assert of(found, "raw.sales").why == "withdrawn: the file is gone 2024-03-05"
    assert of(found, "marts.daily").partitions == [date(2024, 3, 5)]


def test_too_many_files_that_are_gone_are_said_to_stop_the_run(shop: Project) -> None:
    for file in MARCH:
        (shop.raw / file).unlink()

    assert tonight(shop).notes == [
        "sales: 5 files vanished, more than max_withdrawn = 3: the run will fail, "
        "unless it has --allow-withdrawn sales"
    ]


def test_a_changed_expression_is_shown_as_a_difference(shop: Project) -> None:
    edit(shop, "sql/marts/total.sql", "sum(sales)", "max(sales)")

    total = of(tonight(shop), "marts.total")

    assert (total.why, total.partitions) == ("changed expression", None)
    assert total.diff.splitlines() == [
        "--- sql/marts/total.sql as built",
        "+++ sql/marts/total.sql now",
        "@@ -1 +1 @@",
        "-select sum(sales) as sales from marts.daily",
        "+select max(sales) as sales from marts.daily",
    ]


def test_a_difference_is_still_shown_after_a_night_that_failed(shop: Project) -> None:
    edit(shop, "sql/marts/total.sql", "sum(sales)", "sum(sales / 0)")
    # as a run does when it begins
    Ledger(shop.ledger).forget([transform_key("marts.total")])

    assert "+select sum(sales / 0)" in of(tonight(shop), "marts.total").diff


def test_a_changed_comment_changes_nothing(shop: Project) -> None:
    (shop.sql / "marts/total.sql").write_text("SELECT sum(sales) AS sales -- all of it\nFROM marts.daily;")

    assert to_build(tonight(shop)) == {}


def test_a_changed_header_is_told_from_a_changed_expression(shop: Project) -> None:
    edit(shop, "sql/marts/daily.sql", "-- tolerates: sites\n", "")

    daily = of(tonight(shop), "marts.daily")

    assert (daily.why, daily.partitions) == ("changed header", None)
    assert "--- tolerates: sites" in daily.diff


def test_what_reads_a_changed_view_says_so(shop: Project) -> None:
    edit(shop, "sql/staging/sales.sql", "from raw.sales", "from raw.sales where id > 1")

    found = to_build(tonight(shop))

    assert found["staging.sales"] == "changed expression"
    assert found["marts.daily"] == "changed view staging.sales"


def test_a_changed_contract_is_audited_again_and_builds_nothing(shop: Project) -> None:
    edit(shop, "contracts/all.py", "ge=0", "ge=1")

    found = tonight(shop)

    assert of(found, "marts.daily").why == "changed contract: audited again, not rebuilt"
    assert to_build(found) == {"audit": "changed contract of marts.daily", "publish": "a new generation"}


def test_a_changed_audit_is_named(shop: Project) -> None:
    edit(shop, "sql/audits/sites.sql", "site = ''", "site < 'A'")

    assert to_build(tonight(shop))["audit"] == "changed audit audits.sites"


def test_a_changed_raw_contract_takes_its_deliveries_again(shop: Project) -> None:
    edit(shop, "contracts/all.py", "site: str", "site: str = pa.Field(str_length={'min_value': 1})")

    assert of(tonight(shop), "raw.sites").why.startswith("changed contract or source ")


def test_what_a_model_tolerates_does_not_build_it(shop: Project) -> None:
    tiny.deliver(shop, {"sites.csv": "site\nOslo\nBergen\n"})

    found = tonight(shop)

    assert of(found, "marts.daily").why == "tolerated: raw.sites"
    assert of(found, "marts.sites").why.startswith("raw.sites: changed delivery ")
    assert of(found, "raw.sites").partitions is None


def test_what_was_built_already_in_a_run_that_did_not_end_is_left_as_it_is(shop: Project) -> None:
    Ledger(shop.ledger).forget([transform_key("marts.total")])

    assert of(tonight(shop), "marts.total").why == "built already"


def test_a_build_file_that_is_gone_is_made_anew(shop: Project) -> None:
    shop.build.unlink()

    found = tonight(shop)

    assert of(found, "raw.sales").why == "not loaded yet 2024-03-01 to 2024-03-05 (5)"
    assert of(found, "marts.total").why == "never built"


def test_a_required_delivery_that_is_missing_keeps_the_publish_back(shop: Project) -> None:
    edit(shop, "contracts/all.py", 'files="sales/{date}.csv"', 'files="sales/{date}.csv", required=True')

    found = tonight(shop)

    assert found.publish.why == "nothing is published: sales 2024-03-31 is required, and not there"
    assert not found.publish.is_built


def test_while_a_run_has_the_file_open_the_ledger_tells_what_is_left(shop: Project) -> None:
    tiny.deliver(shop, {"sales/2024-03-06.csv": "id,item\n6,pen\n"})
    Ledger(shop.ledger).forget([transform_key("marts.total")])

    with tiny.opened_elsewhere(shop.build):
        found = tonight(shop)

    assert of(found, "raw.sales").why == "new delivery 2024-03-06"
    assert of(found, "marts.daily").why == "its definition or its input changed"
    assert of(found, "marts.total").why == "not done yet"


def test_a_forecast_writes_nothing_that_a_run_goes_by(shop: Project) -> None:
    tiny.deliver(shop, {"sales/2024-03-06.csv": "id,item\n6,pen\n"})
    before = stamp(shop.build), Ledger(shop.ledger).receipts()

    tonight(shop)

    assert (stamp(shop.build), Ledger(shop.ledger).receipts()) == before


def test_a_lost_ledger_is_not_made_anew_by_a_forecast(shop: Project) -> None:
    for file in shop.ledger.parent.glob(f"{shop.ledger.name}*"):
        file.unlink()

    found = tonight(shop)

    assert of(found, "raw.sales").why == "loaded already"
    assert Ledger(shop.ledger).receipts() == {}


def test_a_changed_seed_macro_or_python_model_is_told_apart(tmp_path: Path) -> None:
    contracts = CONTRACTS + (
        "class Towns(pa.DataFrameModel):\n    site: str\n    class Config:\n        name = 'seeds.towns'\n"
        "class Names(pa.DataFrameModel):\n    name: str\n    class Config:\n        name = 'marts.names'\n"
    )
    more = {
        "seeds/towns.csv": "site\nOslo\nBergen\n",
        "macros/loud.sql": "create macro loud(x) as upper(x)",
        "marts/loud.sql": "select loud(site) as site from seeds.towns",
        "marts/names.py": (
            "READS = ['raw.sites']\n"
            "def model(inputs, ctx):\n    return inputs['raw.sites'].select('site as name')\n"
        ),
    }
    project = tiny.project(tmp_path, contracts, {**SQL, **more}, {"sites.csv": "site\nOslo\n"})
    tiny.night(project)
    edit(project, "sql/seeds/towns.csv", "Bergen", "Narvik")
    edit(project, "sql/macros/loud.sql", "upper(x)", "upper(x) || '!'")
    edit(project, "sql/marts/names.py", "'site as name'", "'lower(site) as name'")

    found = tonight(project)

    towns, names = of(found, "seeds.towns"), of(found, "marts.names")
    assert (towns.why, names.why) == ("changed rows", "changed code")
    assert "+    return inputs['raw.sites'].select('lower(site) as name')" in names.diff
    assert "\n+('Narvik'::varchar)" in towns.diff
    assert of(found, "marts.loud").why.startswith("changed below its text: a macro")
    assert of(found, "marts.loud").diff == ""


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("", "a delivery_date may need other dates of raw.sales"),
        ("-- lookback: 366 days\n", "most partitions read what changed in raw.sales"),
    ],
)
def test_why_all_of_a_model_is_built_is_said_in_the_plan_and_by_the_night(
    tmp_path: Path, header: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    days = {f"sales/2024-03-{n:02}.csv": f"id,item\n{n},book\n" for n in range(1, 15)}
    running = "select delivery_date, sum(id) over (order by delivery_date) as n from raw.sales"
    sql = {"marts/running.sql": f"-- materialized: incremental\n-- partition: delivery_date\n{header}{running}"}
    project = tiny.project(tmp_path, sql=sql, raw=dict(sorted(days.items())[1:]))
    tiny.night(project)
    tiny.deliver(project, dict(sorted(days.items())[:1]))

    assert f"(built in full: {why}" in of(tonight(project), "marts.running").why
    with caplog.at_level("INFO"):
        tiny.night(project)
    assert f"built marts.running (in full: {why}" in caplog.text
