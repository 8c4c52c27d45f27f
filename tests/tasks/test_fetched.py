"""Sources are fetched in the night, before its plan is fixed; one that does not answer is missing data."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ModelError
from etl.ledger import Ledger
from etl.ledger.history import History
from etl.plan.definitions import definitions
from etl.project import Project
from tests.support import tiny, warm
from tests.support.projects import environment

NIGHT = "2024-03-31"
CONTRACTS = """
import os
from pathlib import Path
import pandera.pandas as pa
from etl import Fetch, Files, Source

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)

def shop():
    for line in (Path(os.environ["ETL_PROJECT"]) / "shop.txt").read_text().splitlines():
        id, item = line.split()
        yield {"id": id, "item": item}

sales = Source(Sales, Files("sales/{date}.csv"))
crm = Source(Sales, fetch=Fetch(shop))
"""
SQL = {"marts/all.sql": "select id, item from raw.sales union all select id, item from raw.crm"}


def made(root: Path, contracts: str = CONTRACTS, sql: dict[str, str] = SQL, settings: str = "") -> Project:
    (root / "shop.txt").write_text("1 book\n2 pen\n")
    cfg = f"threads = 1\nretries = 0\n{settings}"
    return tiny.project(root, contracts, sql, {"sales/2024-03-30.csv": "id,item\n7,cup\n"}, cfg)


def run(project: Project, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return warm.run(
        ["-m", *arguments], project.root, {**environment(), "ETL_PROJECT": str(project.root), **variables}
    )


def night(project: Project, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(project, "luigi", "--module", "etl", "Nightly", "--date", NIGHT, *options, **variables)


def rows(project: Project) -> list[Any]:
    return tiny.published(project, "select id, item from marts.all order by id")


def fetched(project: Project) -> list[Path]:
    return sorted(path for path in project.fetched.rglob("*") if path.is_file())


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_what_is_new_is_fetched_and_published_in_the_same_night(tmp_path: Path, options: tuple[str, ...]) -> None:
    project = made(tmp_path)
    done = night(project, *options)
    assert done.returncode == 0, done.stdout
    assert rows(project) == [(1, "book"), (2, "pen"), (7, "cup")]
    (step,) = [step for step in History(Ledger(project.ledger)).steps() if step.step == "fetch"]
    assert (step.name, step.outcome, step.rows_out, step.did) == ("crm", "done", 2, "2 rows")
    assert step.seconds is not None and step.bytes_written
    again = night(project, *options)
    assert again.returncode == 0, again.stdout
    assert "fetched crm: nothing new" in again.stdout
    assert len(fetched(project)) == 1


@pytest.mark.parametrize(("is_required", "code"), [(False, 0), (True, 20)])
def test_a_source_that_does_not_answer_is_missing_data(tmp_path: Path, is_required: bool, code: int) -> None:
    contracts = CONTRACTS.replace("fetch=Fetch(shop)", f"fetch=Fetch(shop), required={is_required}")
    project = made(tmp_path, contracts)
    assert night(project).returncode == 0
    (project.root / "shop.txt").rename(project.root / "away.txt")
    tiny.deliver(project, {"sales/2024-03-31.csv": "id,item\n8,map\n"})
    done = night(project)
    assert done.returncode == code, done.stdout
    assert "crm: FileNotFoundError" in done.stdout or "crm: " in done.stdout
    assert "now: etl fetch crm" in done.stdout
    old = [(1, "book"), (2, "pen"), (7, "cup")]
    assert rows(project) == (old if is_required else [*old, (8, "map")])
    status = run(project, "etl", "status").stdout
    assert "crm: could not be fetched at" in status
    assert run(project, "etl", "fetch").returncode == 20
    (project.root / "away.txt").rename(project.root / "shop.txt")
    assert night(project).returncode == 0
    assert rows(project) == [*old, (8, "map")]


def test_a_source_that_hangs_is_ended_and_the_night_goes_on(tmp_path: Path) -> None:
    loop = "        while (Path(os.environ['ETL_PROJECT']) / 'hang').exists():\n            pass\n        yield"
    hangs = CONTRACTS.replace("        yield", loop)
    project = made(tmp_path, hangs.replace("fetch=Fetch(shop)", "fetch=Fetch(shop), timeout_minutes=0.05"))
    assert night(project).returncode == 0
    (project.root / "hang").touch()
    tiny.deliver(project, {"sales/2024-03-31.csv": "id,item\n8,map\n"})

    done = night(project)

    assert done.returncode == 0, done.stdout
    assert "warning: crm: fetching it takes longer than its timeout_minutes, 0.05, and was ended." in done.stdout
    assert rows(project) == [(1, "book"), (2, "pen"), (7, "cup"), (8, "map")]


def test_records_that_break_the_contract_go_to_quarantine_with_their_text(tmp_path: Path) -> None:
    contracts = CONTRACTS.replace("fetch=Fetch(shop)", "fetch=Fetch(shop), max_reject_ratio=1")
    project = made(tmp_path, contracts)
    (project.root / "shop.txt").write_text("1 book\nx pen\n")
    assert night(project).returncode == 0
    assert rows(project) == [(1, "book"), (7, "cup")]
    shown = run(project, "etl", "quarantine", "crm", "--json").stdout
    assert '\\"x\\"' in shown and "pen" in shown
    export = run(project, "etl", "quarantine", "export", "crm", "out.csv")
    assert export.returncode == 0, export.stdout
    out = project.root / "out.csv"
    out.write_text(out.read_text().replace('""x""', '""2""'))
    replay = run(project, "etl", "quarantine", "replay", "crm", "--from", "out.csv")
    assert replay.returncode == 0, replay.stdout
    assert night(project).returncode == 0
    assert rows(project) == [(1, "book"), (2, "pen"), (7, "cup")]


def test_another_environment_reads_what_was_fetched_and_asks_nobody(tmp_path: Path) -> None:
    project = made(tmp_path)
    assert night(project).returncode == 0
    (project.root / "shop.txt").unlink()
    assert run(project, "etl", "env", "create", "dev").returncode == 0
    done = night(project, ETL_ENV="dev")
    assert done.returncode == 0, done.stdout
    refused = run(project, "etl", "fetch", ETL_ENV="dev")
    assert refused.returncode == 35, refused.stdout
    assert "fetches nothing" in refused.stdout
    dev = tiny.load_project(project.root, "dev")
    assert not (dev.data / "fetched").exists()
    assert tiny.published(dev, "select id from marts.all order by id") == [(1,), (2,), (7,)]


def test_an_environment_with_raw_files_of_its_own_fetches_for_itself(tmp_path: Path) -> None:
    project = made(tmp_path, settings="\n[etl.env.own]\nraw = own\n")
    own = tiny.load_project(project.root, "own")
    assert own.fetched == own.data / "fetched"
    assert night(project, ETL_ENV="own").returncode == 0
    assert [path.is_relative_to(own.fetched) for path in fetched(own)] == [True]
    assert fetched(project) == []


def test_a_past_date_asks_nobody_what_is_new(tmp_path: Path) -> None:
    project = made(tmp_path)
    assert night(project).returncode == 0
    (project.root / "shop.txt").write_text("3 hat\n")
    done = run(project, "luigi", "--module", "etl", "Nightly", "--date", "2024-03-30")
    assert "fetched crm" not in done.stdout and "gone from" not in done.stdout
    back = run(project, "luigi", "--module", "etl", "Backfill", "--start", "2024-03-01", "--stop", NIGHT)
    assert "fetched crm" not in back.stdout
    assert len(fetched(project)) == 1


def test_a_plan_names_what_is_fetched_first_and_offline_leaves_it_out(tmp_path: Path) -> None:
    project = made(tmp_path)
    said = "crm: the run first fetches it (fetch=Fetch('all.shop'))"
    assert said in run(project, "etl", "plan", "--date", NIGHT).stdout
    assert said not in run(project, "etl", "plan", "--date", NIGHT, "--offline").stdout
    assert fetched(project) == []


def test_a_file_that_is_deleted_is_fetched_again_and_its_partition_comes_back(tmp_path: Path) -> None:
    project = made(tmp_path)
    assert night(project).returncode == 0
    (file,) = fetched(project)
    file.unlink()
    assert night(project).returncode == 0
    assert len(fetched(project)) == 1
    assert rows(project) == [(1, "book"), (2, "pen"), (7, "cup")]


def test_what_is_fetched_by_date_is_asked_for_each_missing_date(tmp_path: Path) -> None:
    contracts = CONTRACTS.replace("def shop():", "def shop(date):").replace(
        'yield {"id": id, "item": item}', 'yield {"id": id, "item": str(date)}'
    )
    project = made(tmp_path, contracts)
    (project.root / "shop.txt").write_text("1 book\n")
    for day in ("2024-03-28", NIGHT):
        done = run(project, "luigi", "--module", "etl", "Nightly", "--date", day)
        assert done.returncode == 0, done.stdout
    days = [f"2024-03-{day}" for day in (28, 29, 30, 31)]
    assert [file.parent.name for file in fetched(project)] == days
    found = tiny.published(project, "select item, delivery_date::varchar from raw.crm order by 1")
    assert found == [(day, day) for day in days]


VIEW, MERGED = (
    "-- materialized: view\nselect * from raw.crm",
    "-- materialized: merge\n-- key: id\n-- order: item\n",
)


@pytest.mark.parametrize(
    ("sql", "is_sound"),
    [
        ({"marts/a.sql": "select * from raw.crm"}, False),
        (
            {"marts/a.sql": f"{MERGED}select id, item from raw.crm"},
            True,
        ),
        ({"staging/v.sql": VIEW}, False),
        (
            {
                "staging/v.sql": VIEW,
                "marts/a.sql": f"{MERGED}select id, item from staging.v",
            },
            True,
        ),
        (
            {
                "staging/v.sql": VIEW,
                "marts/a.sql": f"{MERGED}select id, item from staging.v",
                "marts/b.sql": "select count(*) as n from staging.v",
            },
            False,
        ),
    ],
)
def test_a_model_that_overlap_would_double_is_refused(tmp_path: Path, sql: dict[str, str], is_sound: bool) -> None:
    contracts = CONTRACTS.replace("def shop():", "def shop(cursor):")
    project = made(tmp_path, contracts, sql)
    if is_sound:
        definitions(project, Ledger(project.ledger))
        return
    with pytest.raises(ModelError, match=r"sql/\w+/\w+.sql: it reads .* can hold a row several times"):
        definitions(project, Ledger(project.ledger))
    project.contracts.joinpath("all.py").write_text(contracts.replace("Fetch(shop)", "Fetch(shop, repeats=False)"))
    definitions(project, Ledger(project.ledger))


def test_a_night_that_fetches_nothing_imports_nothing_of_it(tmp_path: Path) -> None:
    project = made(tmp_path, CONTRACTS.replace("crm = Source(Sales, fetch=Fetch(shop))", ""), tiny.SQL)
    code = (
        "import atexit, sys\n"
        "from luigi.retcodes import run_with_retcodes\n"
        "atexit.register(lambda: print([n for n in sys.modules if 's.fetched' in n and 'tasks' not in n]))\n"
        f"run_with_retcodes(['--module', 'etl', 'Nightly', '--date', '{NIGHT}'])\n"
    )
    (tmp_path / "run.py").write_text(code)
    done = warm.run(["run.py"], project.root, {**environment(), "ETL_PROJECT": str(project.root)})
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_one_source_can_be_fetched_by_its_task(tmp_path: Path) -> None:
    project = made(tmp_path)
    asked = ("luigi", "--module", "etl", "Fetched", "--date", NIGHT, "--source")
    done = run(project, *asked, "crm")
    assert done.returncode == 0, done.stdout
    assert len(fetched(project)) == 1
    (project.root / "shop.txt").unlink()
    for name, code, said in (
        ("crm", 30, "crm: "),
        ("sales", 35, "sales is not fetched: its deliveries are files"),
        ("cmr", 35, "There is no source cmr. Did you mean crm?"),
    ):
        failed = run(project, *asked, name)
        assert failed.returncode == code, failed.stdout
        assert said in failed.stdout
        assert "Traceback" not in failed.stdout
