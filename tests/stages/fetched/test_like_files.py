"""What holds of raw files holds of fetched ones: history, reproduction, bundles of failed steps, withdrawal."""

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import DeliveryError, WithdrawnError
from etl.ledger import Ledger
from etl.operations.reproduce import reproduce
from etl.plan.definitions import definitions
from etl.project import Project
from etl.project.own import foreign
from etl.reports.status import project_status
from etl.stages import fetched, published
from tests.operations.test_reproduce import commit, git, night
from tests.support import tiny

CONTRACTS = """
import json
from pathlib import Path
import pandera.pandas as pa
from etl import Fetch, Source

SHOP = Path(__file__).parents[1] / "shop.txt"

class Items(pa.DataFrameModel):
    id: int
    item: str

def all_items():
    for line in Path({shop!r}).read_text().splitlines():
        id, item = line.split()
        yield {{"id": id, "item": item}}

def new_items(cursor):
    return [row for row in all_items() if cursor is None or int(row["id"]) >= int(cursor)]

now = Source(contract=Items, fetch=Fetch(all_items))
history = Source(contract=Items, fetch=Fetch(all_items), history=True)
new = Source(contract=Items, fetch=Fetch(new_items, column="id"), max_withdrawn=1)
"""
SQL = {
    "marts/now.sql": "select id, item from raw.now",
    "marts/history.sql": "select snapshot_date, id, item from raw.history",
    "marts/new.sql": "-- materialized: merge\n-- key: id\n-- order: item\nselect id, item from raw.new",
}
DAYS = [date(2024, 3, day) for day in range(1, 5)]


def made(root: Path) -> Project:
    """A project that was fetched and published four times."""
    contracts = CONTRACTS.format(shop=str(root / "shop.txt"))
    project = tiny.project(root, contracts, SQL, {})
    git(project, "init", "-q")
    commit(project)
    for number, day in enumerate(DAYS, 1):
        sold(project, range(1, number + 1))
        fetch(project, day)
        night(project, day)
    return project


def sold(project: Project, ids: Sequence[int]) -> None:
    (project.root / "shop.txt").write_text("".join(f"{n} item{n}\n" for n in ids))


def fetch(project: Project, day: date) -> None:
    for source in definitions(project, Ledger(project.ledger))[0].sources.values():
        fetched.fetch(project, source, day)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = made(tmp_path / "shop")
    return project


def test_a_generation_is_reproduced_from_what_was_fetched(project: Project) -> None:
    generations = sorted(path.name for path in project.generations.iterdir())
    (project.root / "shop.txt").unlink()
    for generation in generations[-2:]:
        with reproduce(project, generation) as found:
            assert found.different == []
    assert str(published.current(project)) == generations[-1]


def test_all_but_what_was_fetched_can_be_deleted(project: Project) -> None:
    query = "select 'now', * from marts.now union all select 'new', * from marts.new order by all"
    before = tiny.published(project, query)
    for path in project.data.iterdir():
        if path.name != "fetched":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    fetch(project, DAYS[-1])
    night(project, DAYS[-1])
    assert tiny.published(project, query) == before
    assert len(before) == 8


def test_each_snapshot_of_a_history_stays(project: Project) -> None:
    found = tiny.published(
        project, "select snapshot_date::varchar, count(*) from marts.history group by 1 order by 1"
    )
    assert found == [(str(day), number) for number, day in enumerate(DAYS, 1)]


def test_files_that_vanish_are_withdrawn_up_to_a_number(project: Project) -> None:
    folder = project.fetched / "new"
    shutil.rmtree(folder / str(DAYS[0]))
    night(project, DAYS[-1])
    assert tiny.published(project, "select count(*) from raw.new") == [(6,)]
    for day in DAYS[1:3]:
        shutil.rmtree(folder / str(day))
    with pytest.raises(WithdrawnError, match="vanished from data/fetched"):
        night(project, DAYS[-1])


def test_a_file_that_nobody_takes_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    (project.fetched / "new" / "notes.txt").write_text("x")
    (project.fetched / "gone/2024-03-01").mkdir(parents=True)
    (project.fetched / "gone/2024-03-01/010000.parquet").write_text("x")
    status = project_status()
    assert status["unclaimed_fetched"] == ["gone/2024-03-01/010000.parquet", "new/notes.txt"]
    assert status["unclaimed"] == []
    assert [source["cursor"] for source in status["sources"]] == [None, None, "4"]


def test_what_is_half_fetched_is_no_stranger_in_the_data(project: Project) -> None:
    (project.fetching_aside / "new").mkdir(parents=True, exist_ok=True)
    (project.fetching_aside / "new/lines.jsonl.zst").write_text("x")
    assert foreign(project) == []


def test_what_was_fetched_before_the_first_night_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tiny.project(tmp_path, CONTRACTS.format(shop=str(tmp_path / "shop.txt")), {}, {})
    sold(project, [1])
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    assert "now: no delivery yet" in CliRunner().invoke(cli, ["status"]).stdout

    assert CliRunner().invoke(cli, ["fetch", "now"]).exit_code == 0

    said = CliRunner().invoke(cli, ["status"]).stdout
    assert "now: what was fetched waits for the next run: etl run" in said
    assert "now: no delivery yet" not in said and "new: no delivery yet" in said


def test_a_source_whose_fetch_is_taken_away_says_where_its_files_are(project: Project) -> None:
    contracts = project.contracts / "all.py"
    text = contracts.read_text().replace(
        "contract=Items, fetch=Fetch(all_items))", "contract=Items, files='now.csv')"
    )
    contracts.write_text(text)

    planned = tiny.plan(project, DAYS[-1])

    (said,) = planned.taken["now"].outdated.values()
    assert "was fetched, and the source has no fetch= now. Put it back, or have it delivered" in said


@pytest.mark.parametrize(("name", "command"), [("now", "etl fetch now."), ("new", "etl fetch new --full.")])
def test_a_refused_delivery_says_how_to_fetch_it_again(project: Project, name: str, command: str) -> None:
    (project.root / "shop.txt").write_text("9 x\n" if name == "new" else "")
    fetch(project, DAYS[-1])
    contracts = project.contracts / "all.py"
    contracts.write_text(contracts.read_text().replace("    item: str", "    item: int"))

    with pytest.raises(DeliveryError, match="is refused: ") as refused:
        tiny.night(project, DAYS[-1], source=name)
    assert f"type {command}" in str(refused.value)
