"""A generation is built anew from raw files and the code of its commit, and compared table by table."""

import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from etl.errors import ConfigError, NotReproduced
from etl.operations.promotion import Promotion
from etl.operations.reproduce import reproduce
from etl.project import Project, load_project
from etl.stages import published
from tests.support import tiny

pytestmark = pytest.mark.sampled

CONTRACTS = (
    tiny.CONTRACTS
    + """
class Items(pa.DataFrameModel):
    item: str
    price: int

items = Source(contract=Items, files="items.csv")
"""
)
SQL = {
    **tiny.SQL,
    "marts/daily.sql": (
        "-- materialized: incremental\n-- partition: delivery_date\n"
        "select delivery_date, count(*) as sales, avg(id) / 3 as mean from raw.sales group by all"
    ),
    "marts/all.sql": (
        "-- materialized: view\nselect * exclude (_file, _loaded_at, item) replace (id + 1 as id) from raw.sales"
    ),
    "marts/prices.sql": "select snapshot_date, item, price from raw.items",
}
RAW = {**tiny.SALES, "items.csv": "item,price\nbook,10\npen,2\n"}


def git(project: Project, *arguments: str) -> str:
    identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"]
    command = ["git", "-C", str(project.root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(project: Project) -> None:
    git(project, "add", "luigi.cfg", "contracts", "sql")
    git(project, "commit", "-qm", "a change", "--allow-empty")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project in git, published twice: the items came on the 1st, a day of sales later."""
    return tiny.once(tmp_path / "shop", published_twice)


def published_twice(root: Path) -> None:
    project = tiny.project(root, CONTRACTS, SQL, {"items.csv": RAW["items.csv"]})
    git(project, "init", "-q")
    commit(project)
    night(project, date(2024, 3, 1))
    tiny.deliver(project, tiny.SALES)
    night(project, date(2024, 3, 2))


def night(project: Project, last: date) -> None:
    tiny.night(project, last, git_commit=git(project, "rev-parse", "HEAD"))


def files(project: Project) -> list[Path]:
    return sorted(path for path in project.data.rglob("*") if not path.name.startswith("ledger.sqlite-"))


def different(project: Project, generation: str | None = None) -> list[str]:
    with reproduce(project, generation or str(published.current(project))) as found:
        return found.different


def test_the_same_content_comes_back_and_nothing_is_left_of_it(project: Project) -> None:
    before = files(project)

    assert different(project) == []

    assert files(project) == before


def test_an_earlier_generation_is_built_with_the_code_and_inputs_of_then(project: Project) -> None:
    then = str(published.current(project))
    (project.sql / "marts/items.sql").write_text("select item, count(*) * 2 as sales from raw.sales group by item")
    (project.sql / "marts/more.sql").write_text("select 1 as one")
    commit(project)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    night(project, date(2024, 3, 3))

    assert different(project) == []
    assert different(project, then) == []


def test_a_generation_of_before_a_raw_table_became_a_view_is_built_too(project: Project) -> None:
    then = str(published.current(project))
    with (project.root / "luigi.cfg").open("a") as config:
        config.write("view_rows = 3\n")
    commit(project)
    grown = load_project(project.root)
    tiny.deliver(grown, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    night(grown, date(2024, 3, 3))
    ((kind,),) = tiny.published(
        grown, "select table_type from information_schema.tables where table_name = 'sales'"
    )
    assert kind == "VIEW"

    assert different(grown) == []
    assert different(grown, then) == []


def test_the_first_table_that_comes_out_otherwise_is_the_one_that_others_read(project: Project) -> None:
    record = published.read_record(project.current)
    assert record is not None
    model = project.sql / "marts/daily.sql"
    model.write_text(model.read_text().replace("count(*)", "count(*) + 1"))
    night(project, date(2024, 3, 2))
    model.write_text(model.read_text().replace("count(*) + 1", "count(*)"))

    with reproduce(project, str(published.current(project))) as found:
        assert found.different == ["marts.daily"]
        assert "not all of its code was committed when it was made" in found.notes
        assert "defined differently since it was made: sql/marts/daily.sql" in found.notes


def test_inputs_that_are_gone_are_named(project: Project) -> None:
    (project.raw / "sales/2024-03-01.csv").unlink()
    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,cup\n"})

    with pytest.raises(NotReproduced) as error:
        different(project)

    assert "sales 2024-03-01: sales/2024-03-01.csv is not in raw/ any more" in str(error.value)
    assert "sales 2024-03-02: sales/2024-03-02.csv is another file now" in str(error.value)
    assert not list(project.data.glob(".reproduce*"))


def test_an_earlier_snapshot_comes_from_the_lake_and_is_named_if_that_did_not_keep_it(project: Project) -> None:
    then = str(published.current(project))
    tiny.deliver(project, {"items.csv": "item,price\nbook,11\n"})
    night(project, date(2024, 3, 3))

    assert different(project, then) == []
    assert different(project) == []

    next(project.lake.glob("items/*2024-03-01/data.parquet")).unlink()
    with pytest.raises(NotReproduced, match=r"items 2024-03-01: the snapshot items.csv .* did not keep it"):
        different(project, then)


def test_a_generation_without_a_commit_or_with_an_unknown_one_says_so(project: Project, tmp_path: Path) -> None:
    other = tiny.project(tmp_path / "other")
    tiny.night(other)
    with pytest.raises(NotReproduced, match="has no commit: its code was not in git"):
        different(other)

    tiny.night(other, git_commit="0" * 40, publish_held=True)
    tiny.deliver(other, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(other, git_commit="0" * 40)
    with pytest.raises(ConfigError, match="The commit 000"):
        different(other)


def test_what_was_promoted_is_built_by_the_settings_of_the_environment_that_built_it(tmp_path: Path) -> None:
    sql = {"marts/items.sql": "select item, getvariable('shop') as shop from raw.sales"}
    settings = "[etl.vars]\nshop = here\n[etl.env.staging.vars]\nshop = there\n"
    prod = tiny.project(tmp_path / "shop", sql=sql, settings=settings)
    git(prod, "init", "-q")
    commit(prod)
    staging = load_project(prod.root, "staging")
    night(prod, date(2024, 3, 2))
    night(staging, date(2024, 3, 2))
    Promotion(staging, prod).promote("ann")

    assert tiny.published(prod, "select distinct shop from marts.items") == [("there",)]
    assert different(prod) == []


def test_decisions_that_were_added_since_are_told(project: Project) -> None:
    tiny.decide(project, tiny.sales(), (2, "1,book", "!a test"))
    file = next(project.corrections.glob("*/*.jsonl"))
    file.write_text(file.read_text().replace("2024-04-01", "2999-04-01"))
    with reproduce(project, published.current(project) or "") as anew:
        assert "decisions about rejected records were added since it was made: sales 2024-03-01" in anew.notes


def test_code_in_a_submodule_is_taken_of_the_commit_that_it_was_at(tmp_path: Path) -> None:
    project = tiny.project(tmp_path / "project", CONTRACTS, SQL, RAW)
    sql = replace(project, root=project.sql)
    for repository, names in ((sql, ["."]), (project, ["luigi.cfg", "contracts", "sql"])):
        git(repository, "init", "-q")
        git(repository, "add", *names)
        git(repository, "commit", "-qm", "first")
    night(project, date(2024, 3, 1))
    (project.sql / "marts" / "more.sql").write_text("select 1 as one")
    git(sql, "add", ".")
    git(sql, "commit", "-qm", "second")

    assert different(project) == []


def test_a_model_that_reads_the_row_counts_finds_those_of_then(project: Project) -> None:
    (project.sql / "marts/counts.sql").write_text("select table_name, batch_date, rows from etl.row_counts")
    (project.sql / "marts/items.sql").write_text(
        "-- row_count: within 50% of the last 7\nselect item, count(*) as sales from raw.sales group by item"
    )
    commit(project)
    for day in (3, 4):
        tiny.deliver(project, {f"sales/2024-03-0{day}.csv": f"id,item\n{day},cup{day}\n"})
        night(project, date(2024, 3, day))
    then = str(published.current(project))
    assert tiny.published(project, "select count(*) > 0 from marts.counts") == [(True,)]
    tiny.deliver(project, {"sales/2024-03-05.csv": "id,item\n7,ink\n"})
    night(project, date(2024, 3, 5))

    assert different(project, then) == []
    assert different(project) == []


def test_rows_that_were_kept_when_the_contract_changed_are_named(project: Project) -> None:
    contracts = project.contracts / "all.py"
    changed = contracts.read_text().replace("pa.Field(nullable=True)", 'pa.Field(isin=["pen"])')
    options = '"sales/{date}.csv", optional=True'
    contracts.write_text(changed.replace('"sales/{date}.csv"', options))
    commit(project)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,pen\n", "sales/2024-03-04.csv": "id\n5\n"})
    night(project, date(2024, 3, 4))
    assert tiny.published(project, "select id from raw.sales order by id") == [(2,), (3,), (4,)]

    with reproduce(project, str(published.current(project))) as found:
        assert found.different[0] == "raw.sales"
        what = "not taken by its code, but by an earlier contract or source, and kept when that changed"
        assert found.notes == [f"{what}: sales 2024-03-02"]
