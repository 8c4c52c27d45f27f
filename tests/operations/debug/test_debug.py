"""A failed step fails again from what it has left, moved to where neither the project nor its data is."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest

from etl.errors import ConfigError
from etl.ledger import Ledger, Run, now
from etl.models.kinds import KINDS
from etl.operations.debug import Replayed, find_bundle, replay, write_stages
from etl.plan import Scope, make_plan
from etl.project import Project
from etl.run import steps
from etl.run.active import ActiveRun, new_run_id
from etl.sources.formats import FORMATS
from etl.stages import lake
from tests.sources.formats.makers import MAKERS
from tests.support import tiny

pytestmark = pytest.mark.sampled

LAST = date(2024, 3, 31)
COLUMNS = ["id", "item", "price"]
ROWS: list[list[Any]] = [[1, "book", 9], ["x", "pen", 2]]


@dataclass
class Case:
    """A project, the step of it that fails, and what is done to it just before."""

    step: str
    name: str = ""
    contracts: str = tiny.CONTRACTS
    sql: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, str | bytes] = field(default_factory=lambda: dict(tiny.SALES))
    before: Callable[[Project], object] = lambda project: None
    settings: str = "threads = 1\n"


def extracting(name: str) -> Case:
    maker = MAKERS[name]
    contracts = f"""
import pandera.pandas as pa
from etl import Source
from etl.sources.formats import *

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)
    price: int

sales = Source(contract=Sales, files="sales/{{date}}.dat", max_rejects=0, format={maker.fmt(COLUMNS)!r})
"""
    return Case("extract", "sales", contracts, {}, {"sales/2024-03-01.dat": maker.write(COLUMNS, ROWS)})


def damage_lake(project: Project) -> None:
    source = make_plan(project, Ledger(project.ledger), Scope(LAST)).catalog.sources["sales"]
    lake.partition_file(project.lake, source, tiny.DAY).write_bytes(b"PAR1 and nothing else PAR1")


def block_export(project: Project) -> None:
    place = project.lake / "marts/items"
    place.parent.mkdir(parents=True)
    place.write_text("somebody's")


def take_name(project: Project) -> None:
    with duckdb.connect(str(project.build)) as con:
        con.execute("create schema marts; create table marts.items as select 'somebody''s' as whose")


_BROKEN = "select delivery_date, id, item, error('no ' || item) as n from raw.sales where item = 'pen'"
MODELS = {
    "table": f"-- materialized: table\n{_BROKEN}",
    "incremental": f"-- materialized: incremental\n-- partition: delivery_date\n{_BROKEN}",
    "merge": f"-- materialized: merge\n-- key: id\n-- order: n\n-- partition: delivery_date\n{_BROKEN}",
    "scd2": f"-- materialized: scd2\n-- key: id\n-- partition: delivery_date\n{_BROKEN}",
    # it looks at no rows: its name is taken
    "view": "-- materialized: view\nselect * from raw.sales",
}
_PYTHON = '''READS = ["raw.sales"]


def model(inputs, ctx):
    """Fails."""
    for row in inputs["raw.sales"].fetchall():
        raise ValueError(f"no {len(row)}")
'''
_COMMAND = """READS = ["raw.sales"]
COMMAND = ["sh", "{sql}/marts/fail.sh", "{inputs}/raw.sales.parquet", "{output}"]
VERSION = "of the system"
"""
_FAIL = """test -s "$1" && echo no item >&2
exit 3
"""
_MARTS = """
class Items(pa.DataFrameModel):
    item: str

    class Config:
        name = "marts.items"
"""


def building(kind: str) -> Case:
    if kind == "python":
        return Case("transform", "marts.items", tiny.CONTRACTS + _MARTS, {"marts/items.py": _PYTHON})
    if kind == "command":
        sql = {"marts/items.py": _COMMAND, "marts/fail.sh": _FAIL}
        return Case("transform", "marts.items", tiny.CONTRACTS + _MARTS, sql)
    before = take_name if kind == "view" else lambda project: None
    return Case("transform", "marts.items", sql={"marts/items.sql": MODELS[kind]}, before=before)


_LEARNS = """
FEATURES = "ml.training"
LABEL = "bought"
KEY = ["id"]
TIME = "delivery_date"
HELD_OUT = "1 day"
GATE = "brier"
RETRAIN = "always"

def train(rows, params, report):
    return 1 / TRAINS

def predict(model, rows):
    return [model] * (len(rows) if len(rows) < 2 else -1)
"""


def learning(trains: int, settings: str = "threads = 1\n") -> Case:
    """Return a model that fails where it is trained, or where it says something of more than one row."""
    sql = {
        "ml/training.sql": "select id, delivery_date, 1 as bought from raw.sales",
        "../ml/guess.py": _LEARNS.replace("TRAINS", str(trains)),
    }
    raw = {f"sales/2024-03-0{number}.csv": f"id,item\n{number},book\n" for number in (1, 2, 3)}
    name = f"ml.guess_{'predictions' if trains else 'trained'}"
    return Case("transform", name, sql=sql, raw=raw, settings=settings)


CASES: dict[str, Callable[[], Case]] = {
    "transform training": lambda: learning(0),
    "transform predictions": lambda: learning(1),
    "transform predictions of a large model": lambda: learning(1, "threads = 1\nartefact_megabytes = 0\n"),
    **{f"extract {name}": lambda name=name: extracting(name) for name in MAKERS},
    **{f"transform {kind}": lambda kind=kind: building(kind) for kind in KINDS},
    "load": lambda: Case("load", "sales", sql=tiny.SQL, before=damage_lake),
    "audit": lambda: Case(
        "audit",
        sql={**tiny.SQL, "audits/few.sql": "-- fail: too few\nwith b as (from raw.sales where id > 2) from b"},
    ),
    "publish": lambda: Case(
        "publish",
        sql={"marts/items.sql": f"-- export: parquet\n{tiny.SQL['marts/items.sql']}"},
        before=block_export,
    ),
}


def fail(case: Case, root: Path, *, raises: bool = True) -> Project:
    """Do the steps of a night up to the one that fails; return the project.

    One that is optional raises nothing.
    """
    return fail_at(tiny.project(root, case.contracts, case.sql, case.raw, case.settings), case, raises=raises)


def fail_at(project: Project, case: Case, *, raises: bool = True) -> Project:
    """Do the same to a project that is there; of the case only the step counts, and what is done before it."""
    plan = make_plan(project, Ledger(project.ledger), Scope(LAST), new_run_id())
    run = ActiveRun(
        project=project,
        ledger=Ledger(project.ledger),
        plan=plan,
        row=Run(plan.run_id, str(LAST), now()),
        lock=-1,
        pid=os.getpid(),
    )
    run.ledger.write_run(run.row)
    doers: Mapping[str, Callable[[], object]] = {
        "extract": lambda: [
            steps.extract(run, name, [d.date for d in plan.stale_partitions(name)]) for name in plan.held
        ],
        "load": lambda: steps.load(run, list(plan.catalog.sources)),
        "transform": lambda: steps.transform(run, list(plan.models.models)),
        "audit": lambda: steps.audit(run),
        "publish": lambda: steps.publish(run),
    }
    for step, do in doers.items():
        if step == case.step:
            case.before(project)
            if not raises:
                do()
                return project
            with pytest.raises(Exception) as raised:
                do()
            steps.failed(raised.value, run, step, [])
            return project
        do()
    raise AssertionError(f"there is no step {case.step}")


def moved(project: Project, target: Path) -> Path:
    """Move the one bundle of a project to an empty folder, and delete the project."""
    (folder,) = project.failures.glob("*/*")
    shutil.move(folder, target)
    shutil.rmtree(project.root)
    return target


def replayed(case: Case, tmp_path: Path) -> Replayed:
    folder = moved(fail(case, tmp_path / "shop"), tmp_path / "elsewhere")
    return replay(find_bundle(None, str(folder)))


@pytest.mark.parametrize("name", CASES)
def test_a_step_of_every_kind_fails_again_from_the_moved_folder_alone(name: str, tmp_path: Path) -> None:
    done = replayed(CASES[name](), tmp_path)
    assert done.lacking == []
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("extract")])
def test_a_step_over_a_raw_view_fails_again_too(name: str, tmp_path: Path) -> None:
    case = CASES[name]()
    case.settings += "view_rows = 1\n"
    done = replayed(case, tmp_path)
    assert done.lacking == []
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"


def test_every_format_and_kind_is_among_them() -> None:
    assert set(FORMATS) <= set(MAKERS)
    assert set(KINDS) - {"seed"} <= {*MODELS, "python", "command"}


def test_a_failed_model_can_be_queried_stage_by_stage(tmp_path: Path) -> None:
    sql = (
        "with pens as (select id, item from raw.sales where item = 'pen'), "
        "doubled as (select id * 2 as id, item from pens) "
        "select id, error('no ' || item) as n from doubled"
    )
    done = replayed(Case("transform", "marts.items", sql={"marts/items.sql": sql}), tmp_path)
    file = write_stages(done)
    assert file is not None
    with duckdb.connect(str(file), read_only=True) as con:
        assert con.execute("from raw.sales select count(*)").fetchall() == [(3,)]
        assert con.execute("from stages.pens").fetchall() == [(2, "pen")]
        assert con.execute("from stages.doubled").fetchall() == [(4, "pen")]
        with pytest.raises(duckdb.Error, match="no pen"):
            con.execute("from stages.result")


def test_a_recursive_cte_and_a_variable_are_stages_too(tmp_path: Path) -> None:
    cte = "with recursive n as (select 1 as i union all select i + 1 from n where i < getvariable('most')::int) "
    case = Case(
        "audit", sql={"audits/few.sql": f"-- fail: too few\n{cte}select n.* from n, raw.sales where i > 2"}
    )
    case.settings = "threads = 1\n[etl.vars]\nmost = 4\n"
    done = replayed(case, tmp_path)
    file = write_stages(done)
    assert file is not None
    script = (file.parent / "stages.sql").read_text()
    with duckdb.connect(str(file), read_only=True) as con:
        con.execute(script)
        assert con.execute('select max(i) from "stages audits.few".n').fetchall() == [(4,)]


def test_a_step_that_does_not_fail_here_is_not_reproduced(tmp_path: Path) -> None:
    folder = moved(fail(building("table"), tmp_path / "shop"), tmp_path / "elsewhere")
    (folder / "project/sql/marts/items.sql").write_text("select 1 as one")
    done = replay(find_bundle(None, str(folder)))
    assert (done.is_reproduced, done.error) == (False, None)


def test_a_traceback_leads_to_the_line_of_a_python_model(tmp_path: Path) -> None:
    folder = moved(fail(building("python"), tmp_path / "shop"), tmp_path / "elsewhere")
    assert "raise ValueError" in (folder / "traceback.txt").read_text()


def test_what_is_found_again_is_the_first_failure_of_the_last_run(tmp_path: Path) -> None:
    project = fail(building("table"), tmp_path / "shop")
    bundle = find_bundle(project, "last")
    assert (bundle.step, bundle.name) == ("transform", "marts.items")
    assert find_bundle(project, bundle.facts["run_id"]) == bundle


@pytest.mark.parametrize("given", ["last", "20240101", "/nowhere"])
def test_what_is_not_there_is_said(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigError, match="See `etl runs --failed`"):
        find_bundle(tiny.project(tmp_path), given)


def test_a_bundle_of_a_newer_etl_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text('{"version": 99, "versions": {"etl": "9.0"}}')
    with pytest.raises(ConfigError, match="pip install etl==9"):
        find_bundle(None, str(tmp_path))


OPTIONAL = {
    "extract": lambda: Case(
        "extract",
        "sales",
        tiny.CONTRACTS.replace('.csv")', '.csv", optional=True)'),
        raw={"sales/2024-03-01.csv": "id,thing\n1,book\n", "sales/2024-03-02.csv": "id,item\n2,pen\n"},
    ),
    "transform": lambda: Case("transform", "marts.items", sql={"marts/items.sql": f"-- optional: yes\n{_BROKEN}"}),
}


@pytest.mark.parametrize("step", OPTIONAL)
def test_what_is_optional_leaves_as_much_though_the_night_goes_on(step: str, tmp_path: Path) -> None:
    project = fail(OPTIONAL[step](), tmp_path / "shop", raises=False)
    done = replay(find_bundle(None, str(moved(project, tmp_path / "elsewhere"))))
    assert done.bundle.step == step
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"


def test_the_debugger_stops_where_the_first_error_was_raised(tmp_path: Path) -> None:
    folder = moved(fail(building("python"), tmp_path / "shop"), tmp_path / "elsewhere")
    done = subprocess.run(
        [sys.executable, "-m", "etl", "debug", str(folder), "--pdb"],
        input="p len(row)\nwhere\nq\n",
        cwd=tmp_path,
        env={**os.environ, "ETL_PROJECT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "items.py(7)model()" in done.stdout and "raise ValueError" in done.stdout, done.stdout + done.stderr
    assert "fails as it did in run" in done.stdout
    assert done.returncode == 0


def test_editors_start_it_by_files_of_theirs(tmp_path: Path) -> None:
    project = fail(building("table"), tmp_path / "shop")
    (folder,) = project.failures.glob("*/*")
    (launch,) = json.loads((folder / ".vscode/launch.json").read_text())["configurations"]
    assert (launch["module"], launch["args"]) == ("etl", ["debug", "${workspaceFolder}"])
    root = ElementTree.parse(folder / ".idea/runConfigurations/etl_debug.xml").getroot()
    options = {option.get("name"): option.get("value") for option in root.iter("option")}
    assert root.get("name") == "ProjectRunConfigurationManager"
    assert (options["MODULE_MODE"], options["SCRIPT_NAME"], options["PARAMETERS"]) == ("true", "etl", "debug .")


@pytest.mark.parametrize("kind", ["table", "incremental", "merge", "scd2"])
def test_of_a_large_warehouse_the_rows_that_break_the_model_are_kept(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.run.failures.sample._ROWS", 16)
    rows = "".join(f"{n},{'pen' if n == 4321 else 'book'}\n" for n in range(20_000))
    case = building(kind)
    case.raw = {"sales/2024-03-01.csv": f"id,item\n{rows}"}
    header = "".join(f"{line}\n" for line in MODELS[kind].splitlines()[:-1])
    broken = "select delivery_date, id, item, error('no ' || id) as n from staging.pens"
    case.sql = {
        "staging/pens.sql": "-- materialized: view\nselect * from raw.sales where pen(item)",
        "macros/pen.sql": "create macro pen(x) as x like 'pen%'",
        "marts/items.sql": f"{header}{broken}",
    }
    case.settings = "threads = 1\nfailure_megabytes = 1\nstorage_version = v1.2.0\n"
    case.before = lambda project: spread(project, 5)
    done = replayed(case, tmp_path)
    assert [item["kept"] for item in done.bundle.facts["inputs"]] == ["a sample"]
    assert done.is_reproduced, done.error


def spread(project: Project, times: int) -> None:
    """Have build.duckdb hold many more rows than were delivered."""
    with duckdb.connect(str(project.build)) as con:
        con.execute(
            "insert into raw.sales by name "
            "select * exclude (n) replace (id + 100000 * n as id, 'book' || md5(id || '-' || n) as item) "
            f"from raw.sales, range(1, {times}) as r (n)"
        )
