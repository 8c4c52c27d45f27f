"""What nothing can bring back is left alone by every command and every task, unless somebody said the word.

Raw and fetched files, decisions, the lake of a history, what etl did not make, and the generations that are named:
all of it is hashed before and after, in a project that has links, foreign files and hostile arguments.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import click
import pytest
from click.testing import CliRunner

import etl.tasks
from etl.cli.main import cli
from etl.ledger import Ledger
from etl.ledger.lock import take_lock
from etl.operations import environments
from etl.project import Project, load_project
from etl.run.active import finish_runs
from etl.stages import published
from etl.tasks import graph as tasks
from etl.tasks.options import Asked
from tests.plan.test_snapshots import CONTRACTS as HISTORY
from tests.support import tiny

SALES = tiny.CONTRACTS.replace('.csv")', '.csv", max_reject_ratio=1)')
FOREIGN = (
    "thesis.txt", "data/thesis.txt", "data/lake/notes.txt", "data/lake/sales/notes.txt", "data/quarantine/notes",
    "data/warehouse/notes.txt", "data/warehouse/generations/notes.txt", "data/corrections/notes.md",
    "data/corrections/sales/notes.md", "data/environments/notes.txt", "data/fetched/api/2024-03-01.parquet",
    "data/raw/other/2024-03-01.csv", "data/raw/other/day=2024-03-01/data.parquet", "outside/notes.txt",
    "outside/day=2024-03-01/data.parquet", "data/lake/sales/delivery_date=2024-03-01/notes.txt",
    "out.csv", "out.parquet",
)  # fmt: skip
#: Of every command, what it is called with: names of what there is, where it could do the most harm.
COMMANDS: dict[str, Sequence[Sequence[str]]] = {
    "approve": [["{current}", "--by", "ann", "--reason", "x"]],
    "audits": [[]],
    "backfill": [["--start", "2024-03-01", "--stop", "2024-03-05", "--force"]],
    "check": [[]],
    "audit": [["--published"]],
    "check-late": [[]],
    "check-leaks": [[]],
    "tune": [["none"]],
    "ml runs": [["none"]],
    "ml compare": [["a", "b"]],
    "ml curves": [["a"]],
    "clear": [["sales"], ["customers"], ["marts.items"], ["linked", "--yes"], ["../raw/other", "--yes"]],
    "drop": [[name, "--yes"] for name in ("customers", "sales", "linked", "../raw/other", "..")],
    "completion": [["bash"]],
    "debug": [["last"], ["data/raw/other"]],
    "deployed": [[]],
    "describe": [["sales"], ["marts.items"], ["../raw/other"]],
    "diff": [["previous", "current", "marts.items", "--out", "out.csv"], ["dev", "current", "marts.items"]],
    "env create": [["new"], ["dev"], ["linked"], ["oops"]],
    "events": [[], ["--send"]],
    "fetch": [[], ["sales"], ["--full"]],
    "env drop": [["dev", "--yes"], ["linked", "--yes"], ["prod", "--yes"], ["oops", "--yes"]],
    "env list": [[]],
    "generations": [[]],
    "init": [["."], ["data"], ["outside"], ["data", "--empty"], ["outside", "--empty"]],
    "lineage": [["marts.items.item"]],
    "logs": [[], ["last", "load"]],
    "mirror": [[], ["--check"], ["--take-over"]],
    "ml card": [["none"]],
    "ml export": [["none", "--to", "tensorboard", "--out", "data/raw/other"]],
    "notify": [[], ["--test"]],
    "plan": [["--date", "2024-03-31"]],
    "profile": [["marts.items"]],
    "purge": [["sales"], ["customers"], *([name, "--yes"] for name in ("sales", "linked", "../raw/other"))],
    "quarantine discard": [["sales", "--reason", "x"]],
    "quarantine export": [["sales", "out.csv"], ["sales", "data/thesis.txt"]],
    "quarantine list": [[]],
    "quarantine replay": [["sales"], ["sales", "--from", "out.csv"]],
    "quarantine show": [["sales"]],
    "report": [["--out", "out.csv"], ["--out", "data/thesis.txt"], ["--out", "data/raw/other/2024-03-01.csv"]],
    "reproduce": [[]],
    "retry": [[], ["../raw/other"]],
    "rollback": [["--reason", "x"]],
    "run": [["--date", "2024-03-31"], ["--date", "2024-03-05", "--force"], ["--select", "marts.items"]],
    "runs": [["--failed"]],
    # in whose crontab or units an entry ends up is tried where these are the test's own
    "schedule install": [["--at", "now"], ["--cron", "--log", "data/thesis.txt", "--at", "now"]],
    "schedule remove": [[]],
    "schedule show": [[]],
    "serve": [["--host", "192.0.2.1"], ["--port", "-1"]],
    "show": [[], ["../raw/other"]],
    "sniff": [["data/raw/sales/2024-03-01.csv"]],
    "sql": [["copy (select 1) to 'out.csv'"], ["drop table raw.sales"]],
    "status": [[]],
    "tables": [["marts.items"]],
    "watch": [["data/raw/other"]],
    "wait": [["sales", "2024-03-01", "--within", "0s"]],
}
TASKS: dict[str, Sequence[Sequence[str]]] = {
    "Fetched": [["--source", "sales"], ["--source", "customers,linked"]],
    "RawFile": [["--source", "sales", "--date", "2024-03-01"]],
    "LakePartition": [["--source", "sales", "--dates", "2024-03-01"]],
    "LoadedTable": [["--source", "customers"]],
    "BuiltModel": [["--name", "marts.items"]],
    "AuditedWarehouse": [[]],
    "PublishedWarehouse": [[]],
    "Nightly": [["--date", "2024-03-31"], ["--date", "2024-03-01"], ["--date", "2024-03-05", "--force"]],
    "Backfill": [["--start", "2024-03-01", "--stop", "2024-03-05", "--force"]],
    "Retried": [["--date", "2024-03-09", "--sources-only", "sales"]],
    "DeliveredSample": [["--until", "2013-01-01"]],
    "Promoted": [["--source-env", "dev", "--target-env", "prod", "--by", "ann"]],
    "Tuned": [["--name", "none"]],
}
CALLS = [("etl", *name.split(), *call) for name, calls in COMMANDS.items() for call in calls]
CALLS += [("luigi", name, *call) for name, calls in TASKS.items() for call in calls]


def test_every_command_and_every_task_is_judged() -> None:
    modules = [import_module(f"etl.tasks.{module.name}") for module in iter_modules(etl.tasks.__path__)]
    known = {name: task for module in modules for name, task in vars(module).items() if isinstance(task, type)}
    found = {name for name, task in known.items() if issubclass(task, Asked)} - {"Asked"}
    assert set(_leaves(cli)) == COMMANDS.keys(), "add to COMMANDS with what the new command can be called"
    assert found - {"Step", "Batch", "WarehouseStep"} == TASKS.keys(), "add to TASKS with what the new task can be"


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _leaves(inner, (*path, name))
    else:
        yield " ".join(path)


def made(root: Path) -> None:
    """Make a project with decisions, a history, two generations, an environment, links and foreign files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETL_PROJECT", str(root))
        _make(root)


def _make(root: Path) -> None:
    contracts = SALES + HISTORY.replace("import pandera.pandas as pa\nfrom etl import Source\n", "")
    settings = "threads = 1\nkeep_generations = 2\n[etl.env.linked]\n[etl.env.oops]\ndata = outside\n"
    raw = {"sales/2024-03-01.csv": "id,item\n1,book\nx,pen\ny,cap\n", "customers.csv": "id,city\n1,Oslo\n"}
    project = tiny.project(root, contracts, tiny.SQL, raw, settings)
    tiny.decide(project, tiny.sales(), (3, "x,pen", "!a test"))
    for name in FOREIGN:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"foreign {name}")
    tiny.night(project, date(2024, 3, 1))
    environments.create("dev")
    (project.data / "environments" / "linked").symlink_to(root / "outside")
    (project.lake / "linked").symlink_to(root / "outside")
    (project.raw / "linked").symlink_to(root / "outside")
    for day, city in ((5, "Bergen"), (9, "Rome")):
        sales = {f"sales/2024-03-0{day}.csv": f"id,item\n{day},b\n"}
        tiny.deliver(project, {"customers.csv": f"id,city\n1,{city}\n", **sales})
        tiny.night(project, date(2024, 3, day))
    published.rollback(project, Ledger(project.ledger))
    tiny.deliver(project, {"customers.csv": "id,city\n1,Tromso\n"})
    os.close(take_lock(load_project(root, "dev"), "dev"))


def irreplaceable(project: Project) -> dict[str, str]:
    """Return the hash of every file that nothing can bring back; decisions line by line, since more may come."""
    named = {published.current(project), *((hold.held,) if (hold := published.read_hold(project)) else ())}
    places = [project.raw, project.data / "fetched", project.lake / "customers", project.root / "outside"]
    places += [project.generations / name for name in named if name]
    files = [path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    files += [project.root / name for name in FOREIGN]
    found = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}
    for path in project.corrections.glob("*/*.jsonl"):
        found |= {f"{path}: {line}": "decided" for line in path.read_text().splitlines()}
    return found


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_what_nothing_can_bring_back_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: tuple[str, ...]
) -> None:
    # made, or copied, before the command is told where to work: it must not work on what the others copy
    project = tiny.once(tmp_path, made)
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = irreplaceable(project)
    assert len(before) > len(FOREIGN) + 8

    _run([text.format(current=published.current(project)) for text in call])

    after = irreplaceable(project)
    if call[1] in ("run", "Nightly") and "--force" in call:
        # the word that ends the hold: what it named is named no more
        before = {name: text for name, text in before.items() if "/generations/" not in name}
    assert {name: text for name, text in before.items() if after.get(name) != text} == {}


def _run(call: Sequence[str]) -> None:
    """Run a command or a task in this process, whatever comes of it."""
    program, *arguments = call
    if program == "etl":
        CliRunner().invoke(cli, arguments, input="")
        return
    try:
        tasks.run_luigi(arguments)
    except SystemExit:
        pass
    finally:
        finish_runs()
