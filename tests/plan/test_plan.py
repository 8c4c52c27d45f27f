"""What a night finds to do, and why: everything that is new or changed, what depends on it, and nothing else."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from etl.errors import ConfigError, WithdrawnError
from etl.ledger import Ledger, stamp
from etl.ledger.keys import BUILD
from etl.plan import Plan
from etl.project import Project, load_project
from etl.reports.summary import notes
from etl.stages import warehouse
from tests.support import tiny

SITES = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int
    item: str

class Sites(pa.DataFrameModel):
    site: str

sales = Source(contract=Sales, files="sales/{date}.csv")
sites = Source(contract=Sites, files="sites.csv")
"""
SITES_SQL = {
    "staging/sales.sql": "-- materialized: view\nfrom raw.sales",
    "marts/items.sql": "select item, count(*) as n from staging.sales group by item",
    "marts/sites.sql": "select site from raw.sites",
    "audits/sites.sql": "-- fail: a shop has sites\nselect 1 as x from raw.sites where site = ''",
}
MARCH = {f"sales/2024-03-0{n}.csv": f"id,item\n{n},book\n" for n in range(1, 6)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a dated source, a snapshot and three models, published once."""
    return tiny.once(tmp_path, published)


def published(root: Path) -> None:
    made = tiny.project(root, SITES, SITES_SQL, {**MARCH, "sites.csv": "site\nOslo\n"})
    tiny.night(made, date(2024, 3, 5))


def reasons(planned: Plan) -> dict[str, str]:
    return {str(key): reason for key, reason in planned.stale.items()}


def ids(project: Project) -> list[int]:
    return [row[0] for row in tiny.published(project, "select id from raw.sales order by id")]


def test_at_first_everything_is_to_be_done(tmp_path: Path) -> None:
    planned = tiny.plan(tiny.project(tmp_path))

    assert reasons(planned) == dict.fromkeys(
        [
            "extract sales 2024-03-01",
            "extract sales 2024-03-02",
            "load sales",
            "transform marts.items",
            "audit",
            "publish",
        ],
        "never done",
    )


def test_when_everything_is_done_nothing_is_stale(project: Project) -> None:
    assert reasons(tiny.plan(project)) == {}
    assert tiny.night(project, date(2024, 4, 1)).stale == {}


def test_a_new_file_is_taken_with_what_depends_on_it_and_nothing_else(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-06.csv": "id,item\n6,pen\n"})

    planned = tiny.night(project)

    assert tiny.stale(planned) == [
        "extract sales 2024-03-06",
        "load sales",
        "transform staging.sales",
        "transform marts.items",
        "audit",
        "publish",
    ]
    assert ids(project) == [1, 2, 3, 4, 5, 6]


def test_a_changed_file_is_taken_again(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n22,book\n"})

    planned = tiny.night(project)

    assert reasons(planned)["extract sales 2024-03-02"] == "its definition or its input changed"
    assert "extract sales 2024-03-01" not in reasons(planned)
    assert ids(project) == [1, 3, 4, 5, 22]


def test_a_file_that_was_only_touched_is_not(project: Project) -> None:
    path = project.raw / "sales" / "2024-03-02.csv"
    path.write_bytes(path.read_bytes())

    assert tiny.stale(tiny.plan(project)) == []


def test_a_file_beyond_the_batch_date_waits(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-09.csv": "id,item\n9,pen\n"})

    assert tiny.stale(tiny.plan(project, date(2024, 3, 8))) == []
    assert "extract sales 2024-03-09" in tiny.stale(tiny.plan(project, date(2024, 3, 9)))


def test_an_earlier_batch_date_takes_nothing_away(project: Project) -> None:
    assert tiny.stale(tiny.night(project, date(2024, 3, 2))) == []
    assert ids(project) == [1, 2, 3, 4, 5]


def test_a_changed_model_is_built_again_with_those_that_read_it(project: Project) -> None:
    (project.sql / "staging" / "sales.sql").write_text("-- materialized: view\nfrom raw.sales where id > 1")

    planned = tiny.stale(tiny.plan(project))

    assert planned == ["transform staging.sales", "transform marts.items", "audit", "publish"]


def test_another_comment_or_space_in_a_model_changes_nothing(project: Project) -> None:
    (project.sql / "marts" / "sites.sql").write_text("SELECT site -- as delivered\n  FROM raw.sites;\n")

    assert tiny.stale(tiny.plan(project)) == []


def test_another_description_of_a_model_is_published_and_builds_nothing(project: Project) -> None:
    (project.sql / "marts" / "sites.sql").write_text("-- The sites. Grain: site.\nselect site from raw.sites;\n")

    assert tiny.stale(tiny.plan(project)) == ["audit", "publish"]


def test_a_changed_audit_is_done_again_and_builds_nothing(project: Project) -> None:
    (project.sql / "audits" / "sites.sql").write_text("-- fail: x\nselect 2 as x from raw.sites where site = ''")

    assert tiny.stale(tiny.plan(project)) == ["audit", "publish"]


def test_a_changed_contract_takes_its_source_again(project: Project) -> None:
    changed = SITES.replace("site: str", "site: str = pa.Field(str_length={'min_value': 1})")
    (project.contracts / "all.py").write_text(changed)

    planned = tiny.stale(tiny.plan(project))

    assert "extract sites 2024-03-05" in planned
    assert not [key for key in planned if key.startswith("extract sales")]


def test_a_changed_contract_reaches_deliveries_beyond_the_batch_date_too(project: Project) -> None:
    (project.contracts / "all.py").write_text(SITES.replace("item: str", "item: str = pa.Field(nullable=True)"))

    planned = tiny.night(project, date(2024, 3, 2))

    assert len([key for key in tiny.stale(planned) if key.startswith("extract sales")]) == 5
    assert ids(project) == [1, 2, 3, 4, 5]


def test_a_model_that_is_gone_leaves_the_warehouse(project: Project) -> None:
    (project.sql / "marts" / "sites.sql").unlink()

    assert tiny.stale(tiny.night(project)) == ["audit", "publish"]
    query = "select table_name from information_schema.tables where table_schema = 'marts'"
    assert tiny.published(project, query) == [("items",)]


def test_a_file_that_is_gone_withdraws_its_partition(project: Project) -> None:
    (project.raw / "sales" / "2024-03-02.csv").unlink()

    planned = tiny.night(project)

    assert planned.withdrawn == {"sales": [date(2024, 3, 2)], "sites": []}
    assert ids(project) == [1, 3, 4, 5]
    assert tiny.plan(project).withdrawn == {"sales": [], "sites": []}
    assert tiny.stale(tiny.plan(project)) == []


def test_too_many_files_that_are_gone_at_once_stop_the_night_until_it_is_allowed(project: Project) -> None:
    shutil.rmtree(project.raw / "sales")

    with pytest.raises(WithdrawnError, match="sales: the files of 5 published partitions vanished"):
        tiny.night(project)
    assert ids(project) == [1, 2, 3, 4, 5]

    tiny.night(project, allow_withdrawn="sites,sales")
    assert ids(project) == []


def test_a_file_that_comes_back_is_taken_again(project: Project) -> None:
    path = project.raw / "sales" / "2024-03-02.csv"
    path.rename(path.with_suffix(".away"))
    tiny.night(project)
    path.with_suffix(".away").rename(path)

    tiny.night(project)

    assert ids(project) == [1, 2, 3, 4, 5]


def test_a_snapshot_with_the_same_content_keeps_its_partition(project: Project) -> None:
    planned = tiny.plan(project, date(2024, 3, 20))

    assert list(planned.held["sites"]) == [date(2024, 3, 5)]


def test_a_snapshot_with_new_content_is_the_partition_of_the_batch_date_and_the_only_one_loaded(
    project: Project,
) -> None:
    tiny.deliver(project, {"sites.csv": "site\nBergen\n"})

    planned = tiny.night(project, date(2024, 3, 20))

    assert "extract sites 2024-03-20" in tiny.stale(planned)
    assert tiny.published(project, "select site, snapshot_date from raw.sites") == [("Bergen", date(2024, 3, 20))]
    assert len(list(project.lake.glob("sites/*/data.parquet"))) == 2


def test_the_snapshot_that_came_last_is_loaded_whatever_its_batch_date_and_no_record_is_lost(
    project: Project,
) -> None:
    tiny.deliver(project, {"sites.csv": "site\nBergen\n"})

    tiny.night(project, date(2024, 3, 1))

    assert tiny.published(project, "select site, snapshot_date from raw.sites") == [("Bergen", date(2024, 3, 1))]
    assert len(list(project.lake.glob("sites/*/data.parquet"))) == 2
    assert tiny.stale(tiny.plan(project, date(2024, 3, 20))) == []


def test_a_snapshot_that_is_gone_stays_as_it_was_taken_by_another_contract(project: Project) -> None:
    (project.raw / "sites.csv").unlink()
    contracts = project.contracts / "all.py"
    contracts.write_text(contracts.read_text().replace('"sites.csv"', '"sites.csv", max_reject_ratio=0.5'))

    before = tiny.published(project, "from marts.sites")

    planned = tiny.night(project, date(2024, 3, 20))

    assert tiny.published(project, "from marts.sites") == before
    assert notes(planned.taken["sites"]) == [
        "2024-03-05 stays as it was taken before the contract or the source changed, since sites.csv is gone from "
        "raw/. Have it delivered again"
    ]


@pytest.mark.parametrize("day", [date(2024, 3, 5), date(2024, 3, 20)])
def test_a_refused_optional_snapshot_leaves_the_one_before_it(tmp_path: Path, day: date) -> None:
    contracts = SITES.replace('"sites.csv"', '"sites.csv", optional=True')
    project = tiny.project(tmp_path, contracts, SITES_SQL, {**MARCH, "sites.csv": "site\nOslo\n"})
    tiny.night(project, date(2024, 3, 4))
    tiny.deliver(project, {"sites.csv": "place\nBergen\n"})

    tiny.night(project, day)

    assert tiny.published(project, "select site from marts.sites") == [("Oslo",)]
    assert tiny.published(project, "select date, rule, text from etl.rejects where source = 'sites'") == []
    assert (project.quarantine / "sites" / f"snapshot_date={day}" / "data.parquet").exists()


def test_what_says_nothing_about_the_rows_makes_nothing_stale(project: Project) -> None:
    contracts = project.contracts / "all.py"
    contracts.write_text(contracts.read_text().replace('files="sites.csv"', 'files="sites.csv", max_withdrawn=9'))

    assert tiny.stale(tiny.plan(project)) == []


def test_another_time_zone_makes_everything_stale(project: Project) -> None:
    (project.root / "luigi.cfg").write_text("[etl]\ntimezone = Asia/Tokyo\n")

    stale = tiny.stale(tiny.plan(load_project(project.root)))

    assert "extract sales 2024-03-01" in stale
    assert "transform marts.sites" in stale


def test_a_missing_sql_folder_drops_nothing(project: Project) -> None:
    (project.root / "luigi.cfg").write_text("[etl]\nsql = sqll\n")

    with pytest.raises(ConfigError, match=r"sqll, is gone, .* set \[etl\] sql in luigi.cfg"):
        tiny.plan(load_project(project.root))


def test_a_backfill_that_ends_before_it_begins_is_refused(project: Project) -> None:
    with pytest.raises(ConfigError, match="The first date, 2024-03-05, is after the last, 2024-03-01"):
        tiny.plan(project, date(2024, 3, 1), first=date(2024, 3, 5))


def test_a_snapshot_whose_file_is_gone_stays(project: Project) -> None:
    (project.raw / "sites.csv").unlink()

    planned = tiny.night(project, date(2024, 3, 20))

    assert tiny.stale(planned) == []
    assert planned.withdrawn["sites"] == []
    assert tiny.published(project, "select site from marts.sites") == [("Oslo",)]


def test_a_backfill_takes_its_dates_only(project: Project) -> None:
    tiny.deliver(project, {f"sales/2024-03-0{n}.csv": f"id,item\n{n}{n},book\n" for n in range(1, 5)})

    planned = tiny.night(project, date(2024, 3, 3), first=date(2024, 3, 2))

    assert [key for key in tiny.stale(planned) if "extract" in key] == [
        "extract sales 2024-03-02",
        "extract sales 2024-03-03",
    ]
    assert ids(project) == [1, 4, 5, 22, 33]


def test_a_backfill_of_one_source_leaves_the_others(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n22,book\n", "sites.csv": "site\nBergen\n"})

    planned = tiny.night(project, source="sites")

    assert [key for key in tiny.stale(planned) if "extract" in key] == ["extract sites 2024-03-31"]
    assert ids(project) == [1, 2, 3, 4, 5]


def test_a_backfill_withdraws_nothing_outside_of_its_dates(project: Project) -> None:
    (project.raw / "sales" / "2024-03-05.csv").unlink()

    tiny.night(project, date(2024, 3, 3), first=date(2024, 3, 2))

    assert ids(project) == [1, 2, 3, 4, 5]


def test_force_does_again_what_is_done_with_what_depends_on_it(project: Project) -> None:
    planned = tiny.night(project, date(2024, 3, 2), first=date(2024, 3, 2), source="sales", force=True)

    assert reasons(planned) == dict.fromkeys(
        [
            "extract sales 2024-03-02",
            "load sales",
            "transform staging.sales",
            "transform marts.items",
            "audit",
            "publish",
        ],
        "forced",
    )
    assert ids(project) == [1, 2, 3, 4, 5]
    assert tiny.stale(tiny.plan(project)) == []


def test_a_source_that_nobody_knows_is_an_error(project: Project) -> None:
    with pytest.raises(ConfigError, match=r"There is no source sale\. Did you mean sales\?"):
        tiny.plan(project, source="sale")


def test_a_contract_for_a_table_that_nobody_makes_is_an_error(project: Project) -> None:
    (project.contracts / "more.py").write_text(
        "import pandera.pandas as pa\nclass X(pa.DataFrameModel):\n    a: int\n\n"
        "    class Config:\n        name = 'marts.x'\n"
    )

    with pytest.raises(ConfigError, match=r"A contract is for the table marts.x, .*sql/marts/x.sql"):
        tiny.plan(project)


@pytest.mark.parametrize(
    ("lag_days", "last", "missing"),
    [
        (0, date(2024, 3, 5), {}),
        (0, date(2024, 3, 6), {"sales": date(2024, 3, 6)}),
        (2, date(2024, 3, 7), {}),
        (2, date(2024, 3, 8), {"sales": date(2024, 3, 6)}),
    ],
)
def test_a_required_source_lacks_its_newest_expected_day(
    tmp_path: Path, lag_days: int, last: date, missing: dict[str, date]
) -> None:
    contracts = tiny.CONTRACTS.replace('.csv")', f'.csv", required=True, lag_days={lag_days})')

    project = tiny.project(tmp_path, contracts, raw=MARCH)

    assert tiny.plan(project, last).missing == missing
    assert tiny.plan(project, last, first=date(2024, 3, 1)).missing == {}


def test_a_required_snapshot_is_missing_if_it_is_not_in_raw(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace('sales/{date}.csv")', 'sales.csv", required=True)')
    project = tiny.project(tmp_path, contracts, raw={})
    assert tiny.plan(project, date(2024, 3, 5)).missing == {"sales": date(2024, 3, 5)}

    tiny.deliver(project, {"sales.csv": "id,item\n1,a\n"})

    assert tiny.night(project, date(2024, 3, 5)).missing == {}
    assert tiny.plan(project, date(2024, 3, 9)).missing == {}

    (project.raw / "sales.csv").unlink()

    assert tiny.plan(project, date(2024, 3, 9)).missing == {"sales": date(2024, 3, 9)}


def test_a_lost_lake_file_is_extracted_again(project: Project) -> None:
    next(project.lake.glob("sales/*=2024-03-02/data.parquet")).unlink()

    planned = tiny.night(project)

    assert tiny.stale(planned) == ["extract sales 2024-03-02"]
    assert "lake does not hold it as it was written" in reasons(planned)["extract sales 2024-03-02"]
    assert tiny.stale(tiny.plan(project)) == []


def test_a_lost_quarantine_file_is_extracted_again(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-06.csv": "id,item\nx,pen\n"})
    tiny.night(project)
    shutil.rmtree(project.quarantine)

    assert tiny.stale(tiny.night(project)) == ["extract sales 2024-03-06"]
    assert list(project.quarantine.rglob("*.parquet")) != []


def test_a_lost_build_is_built_again_from_the_lake(project: Project) -> None:
    project.build.unlink()

    planned = tiny.night(project)

    assert not [key for key in tiny.stale(planned) if key.startswith("extract")]
    assert reasons(planned)["load sales"] == "build.duckdb is not as it was left"
    assert ids(project) == [1, 2, 3, 4, 5]
    assert tiny.stale(tiny.plan(project)) == []


def test_an_older_copy_of_the_build_is_brought_up_to_date(project: Project, tmp_path: Path) -> None:
    shutil.copyfile(project.build, tmp_path / "old.duckdb")
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n22,book\n", "sales/2024-03-06.csv": "id,item\n6,a\n"})
    tiny.night(project)
    shutil.copyfile(tmp_path / "old.duckdb", project.build)

    tiny.night(project)

    assert ids(project) == [1, 3, 4, 5, 6, 22]


def test_a_lost_warehouse_is_published_again_without_building_anything(project: Project) -> None:
    project.warehouse.unlink()

    assert reasons(tiny.night(project)) == {"publish": "nothing is published"}
    assert ids(project) == [1, 2, 3, 4, 5]


def test_a_lost_ledger_costs_no_extraction(project: Project) -> None:
    for path in project.data.glob("ledger.sqlite*"):
        path.unlink()

    planned = tiny.night(project)

    assert not [key for key in tiny.stale(planned) if key.startswith("extract")]
    assert reasons(planned)["load sales"] == "never done"
    assert ids(project) == [1, 2, 3, 4, 5]
    assert tiny.stale(tiny.plan(project)) == []


def test_a_step_is_done_only_by_the_run_that_found_it_stale(project: Project) -> None:
    tiny.deliver(project, {"sales/2024-03-06.csv": "id,item\n6,pen\n"})
    planned = tiny.plan(project)
    key = tiny.extract_key("2024-03-06")
    assert not planned.is_done(key, None)

    done = tiny.night(project)

    receipt = Ledger(project.ledger).receipt(key)
    assert done.is_done(key, receipt)
    assert not planned.is_done(key, receipt)


def test_a_build_file_of_an_older_version_is_loaded_anew(tmp_path):
    project = tiny.project(tmp_path)
    tiny.night(project)
    ledger = Ledger(project.ledger)
    with warehouse.open_build(project, ledger, "run-1") as con:
        con.execute(
            "alter table etl.rejects drop column discarded; alter table etl.partitions drop column records"
        )
    ledger.write(replace(ledger.receipt(BUILD), details={"stamp": stamp(project.build)}))

    night = tiny.night(project)

    assert "load sales" in tiny.stale(night)
    assert tiny.published(project, "select sum(records), sum(discarded) from etl.partitions") == [(3, 0)]
    assert tiny.stale(tiny.plan(project)) == []


def test_definitions_that_another_version_cached_are_read_anew(tmp_path):
    project = tiny.project(tmp_path)
    before = tiny.plan(project)
    with closing(sqlite3.connect(project.ledger)) as con, con:
        con.execute("""update cache set value = '{"sources": [{}], "tables": []}'""")

    assert tiny.plan(project).catalog.sources.keys() == before.catalog.sources.keys()


def test_the_code_of_a_feature_is_its_own_and_that_of_its_newest_values(tmp_path: Path) -> None:
    feature = (
        "-- entity: item\n-- event_time: at_time\nselect item, delivery_date as at_time, {} as v from raw.sales"
    )
    project = tiny.project(tmp_path, sql={"features/sold.sql": feature.format("max(id)") + " group by all"})
    before = tiny.plan(project).code["sql/features/sold.sql"]
    (project.sql / "features/sold.sql").write_text(feature.format("min(id)") + " group by all")
    after = tiny.plan(project).code["sql/features/sold.sql"]
    assert len(before.split()) == len({*before.split(), *after.split()}) - 1 == 2
