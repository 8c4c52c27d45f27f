"""A source names a Luigi task that makes its delivery: it runs in the night, and the night goes on if it fails."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from etl.errors import ContractError
from etl.ledger import Ledger
from etl.ledger.lock import holder
from etl.project import Project
from etl.tasks import makers
from tests.support import tiny, warm
from tests.support.projects import environment, wait_for

pytestmark = pytest.mark.sampled

NIGHT = "2024-03-31"
CONTRACTS = """
import pandera.pandas as pa
from etl import Files, Source

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)

sales = Source(Sales, Files("sales/{date}.csv"))
crm = Source(
    Sales,
    Files("crm/{date}.csv"),
    task="crm.Export",
)
"""
TASKS = '''
import os
from pathlib import Path
import luigi

ROOT = Path(os.environ["ETL_PROJECT"])


class Login(luigi.Task):
    def output(self):
        return luigi.LocalTarget(ROOT / "login.txt")

    def run(self):
        Path(self.output().path).write_text("open")


class Keyed(luigi.Task):
    key = luigi.Parameter()


class Export(luigi.Task):
    """One day of the CRM."""

    date = luigi.DateParameter()
    region = luigi.Parameter(default="eu")
    top = luigi.IntParameter(default=1)

    def requires(self):
        return Login()

    def output(self):
        return luigi.LocalTarget(ROOT / f"data/raw/crm/{self.date}.csv")

    def run(self):
        with self.output().open("w") as file:
            file.write(f"id,item\\n{self.top},{self.region}\\n")
'''
SELECT = "select id, item, delivery_date from raw"
SQL = {"marts/all.sql": f"{SELECT}.sales union all {SELECT}.crm"}


def made(root: Path, contracts: str = CONTRACTS, tasks: str = TASKS, sql: Mapping[str, str] = SQL) -> Project:
    (root / "crm.py").write_text(tasks)
    return tiny.project(root, contracts, sql, {"sales/2024-03-30.csv": "id,item\n1,book\n"})


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.run(["-m", *arguments], project.root, {**environment(), "ETL_PROJECT": str(project.root)})


def night(project: Project, *options: str, day: str = NIGHT) -> subprocess.CompletedProcess[str]:
    return run(project, "luigi", "--module", "etl", "Nightly", "--date", day, *options)


def rows(project: Project) -> list[tuple[object, ...]]:
    return tiny.published(project, "select id, item, delivery_date::varchar from marts.all order by 3, 1")


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_the_delivery_is_made_in_the_night_and_published(tmp_path: Path, options: tuple[str, ...]) -> None:
    project = made(tmp_path)
    done = night(project, *options)
    assert done.returncode == 0, done.stdout
    assert rows(project) == [(1, "book", "2024-03-30"), (1, "eu", NIGHT)]
    again = night(project, *options)
    assert again.returncode == 0, again.stdout
    assert "nothing new" in again.stdout


def test_missed_days_are_made_one_by_one_and_parameters_are_given(tmp_path: Path) -> None:
    project = made(tmp_path, CONTRACTS.replace("crm.Export", "crm.Export(region='us', top=7)"))
    assert night(project, day="2024-03-28").returncode == 0
    assert night(project).returncode == 0
    assert [row for row in rows(project) if row[0] == 7] == [
        (7, "us", f"2024-03-{day}") for day in (28, 29, 30, 31)
    ]


FAULTS = {
    "fails": (
        ("with self.output()", 'raise OSError("no network")\n        with self.output()'),
        r"crm\.Export\(.*\) failed: OSError: no network \(.*crm\.py:\d+\)",
    ),
    "a task below fails": (
        ('Path(self.output().path).write_text("open")', "1 / 0"),
        r"crm\.Login\(\) failed: ZeroDivisionError: .*crm\.py",
    ),
    "an external task is not there": (
        ("class Login(luigi.Task)", "class Login(luigi.ExternalTask)"),
        r"crm\.Login\(\) is not there, and no task makes it",
    ),
    "another file": (
        ("data/raw/crm", "data/raw/other"),
        r"crm\.Export is done, but there is no .*crm/2024-03-31\.csv",
    ),
    "requires fails": (
        ("return Login()", "return 1 / 0"),
        r"ZeroDivisionError: division by zero \(.*crm\.py:\d+\)",
    ),
    "a circle": (
        ("return Login()", "from etl import PublishedWarehouse; return PublishedWarehouse()"),
        "requires PublishedWarehouse of etl, which waits for it",
    ),
}


@pytest.mark.parametrize(
    ("fault", "options", "is_required"),
    [(fault, (), False) for fault in FAULTS] + [("fails", ("--workers", "2"), True), ("another file", (), True)],
)
def test_a_task_that_makes_nothing_is_said_and_the_rest_of_the_night_goes_on(
    tmp_path: Path, fault: str, is_required: bool, options: tuple[str, ...]
) -> None:
    (old, new), why = FAULTS[fault]
    tasks = TASKS.replace(old, new)
    if "External" in new:
        tasks = tasks.replace('    def run(self):\n        Path(self.output().path).write_text("open")\n', "")
    contracts = CONTRACTS.replace("    task=", "    required=True,\n    task=") if is_required else CONTRACTS
    project = made(tmp_path, contracts, tasks)

    done = night(project, *options)

    assert done.returncode == 20, done.stdout
    (line,) = re.findall(r"^\S+ failed: (crm 2024-03-31: .*)$", done.stdout, re.MULTILINE)
    assert re.search(why, line), line
    assert line.endswith("Fix it and run again: etl run --date 2024-03-31")
    assert done.stdout.count(line) == 2, "once when it failed, once in the summary"
    ledger = Ledger(project.ledger)
    assert list(ledger.problems(ledger.runs()[0].run_id)) == [("RawFile", line)]
    assert ledger.receipt(tiny.extract_key("2024-03-30")) is not None
    if is_required:
        assert not project.warehouse.exists()
        assert ledger.runs()[0].outcome == "missing data"
    else:
        assert rows(project) == [(1, "book", "2024-03-30")]

    (project.root / "crm.py").write_text(TASKS)
    repaired = night(project, *options)
    assert repaired.returncode == 0, repaired.stdout
    assert rows(project)[-1] == (1, "eu", NIGHT)


def test_what_only_a_task_knows_is_asked_for_each_night(tmp_path: Path) -> None:
    snapshot = CONTRACTS.replace("crm/{date}.csv", "crm.csv")
    tasks = TASKS.replace("data/raw/crm/{self.date}.csv", "data/raw/crm.csv").replace(
        "    def requires",
        "    def complete(self):\n        return Path(ROOT / f'{self.date}').exists()\n\n    def requires",
    )
    tasks = tasks.replace("{self.region}\\n", "{self.date}\\n") + '        Path(ROOT / f"{self.date}").touch()\n'
    project = made(tmp_path, snapshot, tasks, {"marts/all.sql": "select item from raw.crm"})
    for day in ("2024-03-30", "2024-03-31"):
        for said in ("published", "nothing new"):
            done = night(project, day=day)
            assert (done.returncode, said in done.stdout) == (0, True), done.stdout
        assert tiny.published(project, "from marts.all") == [(day,)]


def test_only_the_sources_that_a_task_stands_on_are_asked_for(tmp_path: Path) -> None:
    project = made(tmp_path, sql={"marts/sold.sql": "select item from raw.sales"})
    assert run(project, "etl", "run", "--select", "marts.sold", "--date", NIGHT).returncode == 0
    assert not (tmp_path / "login.txt").exists()


def test_another_environment_reads_what_is_there_and_has_nothing_made(tmp_path: Path) -> None:
    project = made(tmp_path)
    (tmp_path / "luigi.cfg").write_text("[etl]\nthreads = 1\n[etl.env.dev]\ndata = dev\n")
    variables = {**environment(), "ETL_PROJECT": str(tmp_path), "ETL_ENV": "dev"}
    done = warm.run(["-m", "etl", "run", "--date", NIGHT], tmp_path, variables)
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "login.txt").exists()
    assert not (project.raw / "crm").exists()


WRONG = {
    "crm.Exprot": r"the module crm has no task Exprot\. Did you mean Export\?",
    "crm.ROOT": r"crm\.ROOT is not a Luigi task\. Its tasks are: Login, Keyed, Export\.",
    "crn.Export": r"there is no module crn\. Put crn\.py into .*, or its folder on PYTHONPATH\.",
    "crm.Export(regoin='eu')": r"Export has no parameter regoin\. Did you mean region\?",
    "crm.Keyed": r"requires the 'key' parameter to be set\. Write it as Keyed\(name=value\)\.",
    "broken.Export": r"broken cannot be imported: ZeroDivisionError: division by zero \(.*broken\.py:1\)",
}


@pytest.mark.parametrize("task", WRONG)
def test_a_name_that_is_wrong_is_found_when_the_night_is_planned(tmp_path: Path, task: str) -> None:
    project = made(tmp_path, CONTRACTS.replace("crm.Export", task))
    (tmp_path / "broken.py").write_text("1 / 0")
    for arguments in (["etl", "plan", "--date", NIGHT], ["etl", "run", "--date", NIGHT]):
        done = run(project, *arguments)
        assert done.returncode == 35, done.stdout
        place = re.escape(f"{tmp_path}/contracts/all.py:10: the source crm: task={task!r}: ")
        assert re.search(place + WRONG[task], done.stdout), done.stdout
    assert not project.warehouse.exists()
    assert Ledger(project.ledger).runs()[0].outcome == "failed"


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("Export", "is not the name of a Luigi task. Write it as module and class"),
        ("crm.Export(", "is not the name of a Luigi task"),
        ("crm.Export('eu')", "gives a parameter without its name"),
        ("crm.Export(region=here)", "gives region a value that is not a plain text or number"),
        ("crm.Export()()", "is not the name of a Luigi task"),
    ],
)
def test_what_is_no_name_is_refused_where_the_source_is_declared(task: str, why: str) -> None:
    with pytest.raises(ContractError, match=re.escape(why)):
        tiny.sales(task=task)


def test_what_a_task_makes_is_complete_when_the_task_is() -> None:
    for option in ({"marker": "{file}.done"}, {"settle_seconds": 5}):
        with pytest.raises(ContractError, match="Take its marker and settle_seconds out"):
            tiny.sales(task="crm.Export", **option)


def tool(project: Project, name: str, *arguments: str) -> str:
    code = f"import sys; from luigi.tools.{name} import main; main()"
    variables = {**environment(), "ETL_PROJECT": str(project.root), "PYTHONPATH": str(project.root)}
    program = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        program, cwd=project.root, capture_output=True, text=True, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


USERS = """
import luigi
from etl import PublishedWarehouse


class Report(luigi.Task):
    def requires(self):
        return PublishedWarehouse()

    def output(self):
        return luigi.LocalTarget("report.txt")

    def run(self):
        with self.output().open("w") as file:
            file.write(f"{self.input().path} {self.input().table('raw.crm').rows}")
"""


def test_the_tools_of_luigi_show_the_whole_graph_and_run_nothing(tmp_path: Path) -> None:
    project = made(tmp_path)
    (tmp_path / "users.py").write_text(USERS)
    names = (
        "Report",
        "PublishedWarehouse",
        "AuditedWarehouse",
        "BuiltModel",
        "LoadedTable",
        "RawFile",
        "Export",
        "Login",
    )

    tree = tool(project, "deps_tree", "--module", "users", "Report")
    below = tool(project, "deps", "--module", "users", "Report", "--upstream-family", "Login")

    assert [name for name in names if f"[{name}-" not in tree] == []
    assert "Login" in below and "Export" in below and "PublishedWarehouse" in below
    assert not (tmp_path / "login.txt").exists()


def test_tasks_of_somebody_else_stand_before_and_after_ours(tmp_path: Path) -> None:
    project = made(tmp_path)
    (tmp_path / "users.py").write_text(USERS)
    today = project.today()
    done = run(project, "luigi", "--module", "users", "Report", "--workers", "2")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "report.txt").read_text() == f"{project.warehouse} 1"
    assert (project.raw / f"crm/{today}.csv").exists()


def test_a_central_scheduler_knows_the_whole_graph(tmp_path: Path, scheduler: Any) -> None:
    project = made(tmp_path)
    done = night(project, *scheduler.arguments)
    assert done.returncode == 0, done.stdout
    _, host, _, port = scheduler.arguments
    found = json.loads(_asked(f"http://{host}:{port}/api/graph"))["response"]
    edges = {(task["name"], found[dep]["name"]) for task in found.values() for dep in task["deps"] if dep in found}
    assert {("LakePartition", "RawFile"), ("RawFile", "Export"), ("Export", "Login")} <= edges
    grep = tool(project, "luigi_grep", "--scheduler-host", host, "--scheduler-port", port, "--prefix", "RawFile")
    assert "Export" in grep


def _asked(url: str) -> str:
    with urlopen(url) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Date", date(2024, 3, 31)),
        ("", "2024-03-31"),
        ("Month", date(2024, 3, 1)),
        ("Year", date(2024, 1, 1)),
        ("DateHour", datetime(2024, 3, 31)),
        ("DateMinute", datetime(2024, 3, 31)),
    ],
)
def test_the_date_is_given_in_the_kind_that_the_task_has(tmp_path: Path, kind: str, value: object) -> None:
    module = f"dated_{kind.lower()}"
    (tmp_path / f"{module}.py").write_text(
        f"import luigi\n\nclass Export{kind}(luigi.Task):\n    date = luigi.{kind}Parameter()\n"
    )
    project = tiny.project(tmp_path)
    source = tiny.sales(task=f"{module}.Export{kind}")
    assert makers.maker_of(project, source, date(2024, 3, 31)).date == value


def test_a_date_that_the_source_gives_itself_stays(tmp_path: Path) -> None:
    (tmp_path / "fixed.py").write_text("import luigi\n\nclass Fixed(luigi.Task):\n    date = luigi.Parameter()\n")
    source = tiny.sales(task="fixed.Fixed(date='always')")
    assert makers.maker_of(tiny.project(tmp_path), source, date(2024, 3, 31)).date == "always"


def test_a_backfill_has_the_days_made_that_are_missing_among_its_dates(tmp_path: Path) -> None:
    project = made(tmp_path)
    dates = ["--start", "2024-03-29", "--stop", "2024-03-30"]
    done = run(project, "luigi", "--module", "etl", "Backfill", *dates, "--source", "crm")
    assert done.returncode == 0, done.stdout
    assert [path.name for path in sorted((project.raw / "crm").iterdir())] == ["2024-03-29.csv", "2024-03-30.csv"]
    assert [row[2] for row in rows(project)] == ["2024-03-29", "2024-03-30"]


def test_a_required_snapshot_that_is_not_new_is_not_published(tmp_path: Path) -> None:
    required = CONTRACTS.replace("crm/{date}.csv", "crm.csv").replace("    task=", "    required=True,\n    task=")
    fails = TASKS.replace("crm/{self.date}.csv", "new.csv").replace("with self", "1 / 0\n        with self")
    project = made(tmp_path, required, fails, {"marts/all.sql": "select item from raw.crm"})
    tiny.deliver(project, {"crm.csv": "id,item\n1,old\n"})
    done = night(project)
    assert done.returncode == 20, done.stdout
    assert "missing data; nothing was published" in done.stdout
    assert not project.warehouse.exists()


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_night_that_is_killed_while_a_task_works_leaves_no_process_and_no_lock(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    waits = '(ROOT / "begun").touch()\n        import time; time.sleep(300)\n        with self.output()'
    project = made(tmp_path, tasks=TASKS.replace("with self.output()", waits))
    variables = {**environment(), "ETL_PROJECT": str(tmp_path)}
    begun = warm.start(
        ["-m", "luigi", "--module", "etl", "Nightly", "--date", NIGHT, *options], tmp_path, variables
    )
    wait_for((tmp_path / "begun").exists)
    begun.kill()
    begun.communicate()

    (tmp_path / "crm.py").write_text(TASKS)
    wait_for(lambda: not holder(project))
    done = night(project, *options)

    assert done.returncode == 0, done.stdout
    assert rows(project)[-1] == (1, "eu", NIGHT)


SLOW = """
        if self.date.day == 31:
            while True:
                try:
                    [print for _ in iter(int, 1)]
                except Exception:
                    pass
"""


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_task_that_hangs_is_ended_and_the_night_goes_on(tmp_path: Path, options: tuple[str, ...]) -> None:
    tasks = TASKS.replace("    def run(self):\n        with", f"    def run(self):{SLOW}        with")
    contracts = CONTRACTS.replace("    task=", "    timeout_minutes=0.05,\n    task=")
    project = made(tmp_path, contracts, tasks)

    done = night(project, *options)

    assert done.returncode == 20, done.stdout
    (line,) = re.findall(r"^\S+ failed: (crm 2024-03-31: .*)$", done.stdout, re.MULTILINE)
    assert "crm.Export(date=2024-03-31, region=eu, top=1) takes longer than its timeout_minutes, 0.05" in line
    assert "It was at" in line and "crm.py:" in line
    assert rows(project) == [(1, "book", "2024-03-30")]


def test_a_task_that_cannot_end_by_the_deadline_is_not_begun(tmp_path: Path) -> None:
    project = made(tmp_path)
    assert night(project).returncode == 0
    Ledger(project.ledger).change(("update steps set seconds = 10800 where step = 'deliver'", [()]))
    at = datetime.now(UTC) + timedelta(hours=2)
    (tmp_path / "luigi.cfg").write_text(f"[etl]\nthreads = 1\ndeadline = {at:%H:%M}\n")
    tiny.deliver(project, {"sales/2024-04-01.csv": "id,item\n2,pen\n"})

    done = night(project, day="2024-04-01")

    assert done.returncode == 20, done.stdout
    assert not (project.raw / "crm/2024-04-01.csv").exists()
    (line,) = re.findall(r"^\S+ failed: (crm 2024-04-01: .*)$", done.stdout, re.MULTILINE)
    assert (
        f"It cannot end by the deadline, {at:%H:%M} (UTC): it was not begun. It usually takes 3:00:00.0." in line
    )
    assert rows(project)[-1] == (2, "pen", "2024-04-01")
