"""The outputs of tasks: they exist when their task is complete, and a task of somebody else can read them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.task import flatten
from luigi.task_register import Register

from etl import Backfill, BuiltModel, LakePartition, LoadedTable, Nightly, PublishedWarehouse, RawFile, tasks
from etl.errors import EtlError, PublishError, StepError
from etl.ledger import Ledger
from etl.project import Project, load_project
from etl.run import steps
from etl.run.active import ActiveRun, finish_runs, new_run_id
from etl.tasks.options import Asked
from tests.support import tiny

SQL = {
    "staging/sold.sql": "select * from raw.sales",
    "marts/items.sql": "-- export: parquet\nselect item, count(*) as sales from staging.sold group by item",
}
NIGHT = date(2024, 3, 31)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    yield tiny.project(tmp_path, sql=SQL)
    finish_runs()


class Run:
    """The tasks of one run, of every kind and everything that there is of it."""

    def __init__(self, project: Project) -> None:
        self.of = {"project": project.identity, "run_id": new_run_id()}
        self.nightly = Nightly(date=NIGHT, **self.of)

    @property
    def active(self) -> ActiveRun:
        return self.nightly.active

    def tasks(self) -> Iterator[luigi.Task]:
        plan = self.active.plan
        missing = {name: {day} for name, day in plan.missing.items()}
        for source in plan.catalog.sources:
            yield LoadedTable(source=source, **self.of)
            days = sorted(plan.held[source].keys() | missing.get(source, set()))
            yield from (RawFile(source=source, date=day, **self.of) for day in days)
            held = [str(day) for day in plan.held[source]]
            yield from (LakePartition(source=source, dates=day, **self.of) for day in held)
            if held:
                yield LakePartition(source=source, dates=",".join(held), **self.of)
        for name in [*plan.models.models, ",".join(plan.models.models)]:
            yield BuiltModel(name=name, **self.of)
        yield LoadedTable(source=",".join(plan.catalog.sources), **self.of)
        yield tasks.AuditedWarehouse(**self.of)
        yield PublishedWarehouse(**self.of)
        yield self.nightly
        yield Backfill(start=NIGHT, stop=NIGHT, **self.of)
        yield tasks.Retried(date=NIGHT, **self.of)

    def work(self) -> Iterator[str]:
        """Do the night, a step at a time."""
        run = self.active
        for source in run.plan.catalog.sources:
            for delivery in run.plan.stale_partitions(source):
                steps.extract(run, source, [delivery.date])
                yield f"extracted {source} {delivery.date}"
        for key in [key for step in ("load", "transform") for key in run.plan.stale if key.step == step]:
            (steps.load if key.step == "load" else steps.transform)(run, [key.name])
            yield str(key)
        for step in (steps.audit, steps.publish):
            step(run)
            yield step.__name__


def check(tasks: Iterator[luigi.Task]) -> set[str]:
    """Compare what every task says with what Luigi makes of its outputs; return those that are complete."""
    found = {str(task): (task.complete(), luigi.Task.complete(task)) for task in tasks}
    assert {name: said for name, said in found.items() if said[0] != said[1]} == {}
    return {name for name, (is_complete, _) in found.items() if is_complete}


def night(project: Project) -> list[int]:
    """Play a night; return how many tasks are complete before it, and after each of its steps."""
    run = Run(project)
    counts = [len(check(run.tasks()))]
    for _ in run.work():
        counts.append(len(check(run.tasks())))
    finish_runs()
    return counts


def test_every_task_has_an_output_and_is_tried(project: Project) -> None:
    ours = {
        kind
        for kind in Register._get_reg().values()
        if isinstance(kind, type) and kind.__module__.startswith("etl.tasks") and issubclass(kind, Asked)
    }
    abstract = {"Asked", "Step", "WarehouseStep", "Batch"}
    assert all(kind.output is not luigi.Task.output for kind in ours if kind.__name__ != "Asked")
    tried = {type(task).__name__ for task in Run(project).tasks()}
    # these are tried below, where sources are fetched, and where models are tuned
    assert {kind.__name__ for kind in ours} - abstract == tried | {
        "Promoted",
        "DeliveredSample",
        "Fetched",
        "Tuned",
    }


def test_complete_is_what_luigi_makes_of_the_outputs_at_every_step(project: Project) -> None:
    counts = night(project)
    # the deliveries alone at first; in the end, everything
    assert counts[0] == 2
    assert counts == sorted(counts)
    assert counts[-1] == len({str(task) for task in Run(project).tasks()})


@pytest.mark.parametrize(
    "change",
    [
        lambda project: None,
        lambda project: tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n4,cup\n"}),
        lambda project: tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\nx,book\n"}),
        lambda project: tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\nx,\ny,\n"}),
        lambda project: (project.raw / "sales/2024-03-02.csv").unlink(),
        lambda project: project.build.unlink(),
        lambda project: (project.lake / "sales/delivery_date=2024-03-01/data.parquet").unlink(),
        lambda project: project.warehouse.unlink(),
        lambda project: (project.lake / "marts/items").unlink(),
        lambda project: project.ledger.unlink(),
        lambda project: (project.sql / "staging/sold.sql").write_text("select id, item from raw.sales"),
    ],
)  # fmt: skip
def test_that_holds_on_the_nights_after_whatever_changed(
    project: Project, change: Callable[[Project], Any]
) -> None:
    night(project)
    change(project)
    run = Run(project)
    try:
        check(run.tasks())
        for _ in run.work():
            check(run.tasks())
    except EtlError:
        # a refused partition: nothing is published, and the night is not complete
        assert not any(str(task).startswith("Nightly") for task in check(run.tasks()))


def test_what_is_required_and_missing_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    contracts = tiny.CONTRACTS.replace('csv")', 'csv", required=True)')
    run = Run(tiny.project(tmp_path, contracts))
    missing = RawFile(source="sales", date=NIGHT, **run.of)
    assert str(missing) in {str(task) for task in run.tasks()} - check(run.tasks())
    assert missing.output().path.endswith("data/raw/sales/2024-03-31.csv")
    finish_runs()


def test_outputs_are_read(project: Project) -> None:
    night(project)
    run = Run(project)
    raw = RawFile(source="sales", date=date(2024, 3, 1), **run.of).output()
    with raw.open() as file:
        assert file.readline() == "id,item\n"
    assert raw.paths == [raw.path] == [str(project.raw / "sales/2024-03-01.csv")]
    lake = LakePartition(source="sales", dates="2024-03-01,2024-03-02", **run.of).output()
    assert [(item.date.day, Path(item.path).is_file()) for item in lake] == [(1, True), (2, True)]
    items = BuiltModel(name="marts.items", **run.of).output()
    assert (items.name, items.rows, items.content != "") == ("marts.items", 2, True)
    assert items.relation().order("item").fetchall() == [("book", 2), ("pen", 1)]
    sold = LoadedTable(source="sales", **run.of).output()
    assert (sold.name, sold.rows, sold.relation().filter("id > 1").shape[0]) == ("raw.sales", 3, 2)
    assert all(result.passed for result in tasks.AuditedWarehouse(**run.of).output().checks.values())
    done = run.nightly.output()
    assert (done.path, done.generation) == (str(project.warehouse), project.current.resolve().name)
    assert done.exports == {"marts.items": str(project.lake / "marts/items")}
    assert done.table("marts.items").exists()


def test_outputs_are_for_reading(project: Project) -> None:
    night(project)
    target = Run(project).nightly.output()
    for write in (lambda: target.open("w"), target.remove, target.temporary_path):
        with pytest.raises(StepError):
            write()
    with pytest.raises(Exception, match="read-only"):
        target.table("marts.items").relation().insert(["cup", 1])


def test_what_is_not_published_says_so(project: Project) -> None:
    items = BuiltModel(name="marts.items", **Run(project).of).output()
    with pytest.raises(PublishError, match="published nothing yet"):
        items.relation()
    night(project)
    with pytest.raises(PublishError, match=r"marts\.other is not in the published generation"):
        Run(project).nightly.output().table("marts.other").rows  # noqa: B018


def test_a_promoted_generation_exists_when_the_environment_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = "threads = 1\n[etl.env.staging]\ndata = staging\n[etl.env.prod]\ndata = prod\n"
    tiny.project(tmp_path, settings=settings)
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    staging = load_project(tmp_path, "staging")
    tiny.deliver(staging, tiny.SALES)
    tiny.night(staging)
    promoted = tasks.Promoted(source_env="staging", target_env="prod")
    assert check(iter([promoted])) == set()
    promoted.run()
    assert check(iter([promoted])) == {str(promoted)}
    assert promoted.output().table("marts.items").rows == 2


def test_the_sample_exists_when_its_files_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny.project(tmp_path)
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    sample = tasks.DeliveredSample(until=date(2013, 1, 1))
    assert check(iter([sample])) == set()
    for target in flatten(sample.output()):
        tiny.deliver(made, {str(Path(target.path).relative_to(made.raw)): "x"})
    assert check(iter([sample])) == {str(sample)}


USERS = '''
import luigi
from etl import LoadedTable, Nightly, PublishedWarehouse


class Report(luigi.Task):
    """Who bought how much, from what was published tonight."""

    def requires(self):
        return {"all": PublishedWarehouse(), "sales": LoadedTable(source="sales")}

    def output(self):
        return luigi.LocalTarget("report.txt")

    def run(self):
        rows = self.input()["all"].table("marts.items").relation().order("item").fetchall()
        with self.output().open("w") as file:
            file.write(f"{self.input()['all'].path} {self.input()['sales'].rows} {rows}")


class After(luigi.Task):
    """Says that the night was."""

    def requires(self):
        return Nightly()

    def output(self):
        return luigi.LocalTarget("after.txt")

    def run(self):
        with self.output().open("w") as file:
            file.write(self.input().path)


class Both(luigi.WrapperTask):
    def requires(self):
        return [Report(), After()]
'''


def command(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    (project.root / "users.py").write_text(USERS)
    program = [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); {arguments[0]}", *arguments[1:]]
    return subprocess.run(program, cwd=project.root, capture_output=True, text=True)


LUIGI = "from luigi.cmdline import luigi_run; luigi_run()"


@pytest.mark.parametrize(
    ("how", "options"),
    [
        (LUIGI, ["--module", "users", "Both"]),
        (LUIGI, ["--module", "users", "Both", "--workers", "2"]),
        ("import users, luigi; assert luigi.build([users.Both()], workers=2, local_scheduler=True)", []),
    ],
)
def test_tasks_of_somebody_else_stand_after_ours_in_one_run(
    project: Project, how: str, options: list[str]
) -> None:
    done = command(project, how, *options)
    assert done.returncode == 0, done.stderr
    text = (project.root / "report.txt").read_text()
    assert text == f"{project.warehouse} 3 [('book', 2), ('pen', 1)]"
    assert (project.root / "after.txt").read_text() == str(project.warehouse)
    assert [run.outcome for run in Ledger(project.ledger).runs()] == ["published"]


def test_the_tree_of_dependencies_shows_the_whole_graph(project: Project) -> None:
    done = command(project, "from luigi.tools.deps_tree import main; main()", "--module", "users", "Report")
    assert done.returncode == 0, done.stderr
    for name in ("Report", *(kind for kind in tasks.__all__ if kind in done.stdout)):
        assert name in done.stdout
    for name in (
        "RawFile",
        "LakePartition",
        "LoadedTable",
        "BuiltModel",
        "AuditedWarehouse",
        "PublishedWarehouse",
    ):
        assert f"[{name}-" in done.stdout, done.stdout


def test_a_task_asked_for_twice_outside_of_luigi_is_of_two_runs(project: Project) -> None:
    assert PublishedWarehouse().run_id != PublishedWarehouse().run_id


def test_no_run_begins_to_tell_where_the_published_file_is(project: Project) -> None:
    assert Nightly().output().path == str(project.warehouse)
    assert not project.ledger.exists()
