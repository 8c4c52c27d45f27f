"""A tiny project in a temporary folder: one source of sales, and the steps of a night without Luigi."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from etl.contract import Column, Contract, Rule, Unique
from etl.ledger import Key, Ledger, Receipt, Run, fingerprint, now
from etl.ledger.keys import AUDIT, BUILD, PUBLISH
from etl.plan import Plan, Scope, make_plan
from etl.project import Project, load_project
from etl.project.files import sha256
from etl.run import steps
from etl.run.active import ActiveRun
from etl.sources import Source
from etl.stages import lake, raw
from etl.stages.lake.corrections import (
    Correction,
    add_corrections,
    corrections_file,
    corrections_hash,
    record_hash,
)
from etl.stages.raw import Delivery
from etl.stages.warehouse import close_build, keep_build_open
from tests.support import copies

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int = pa.Field(unique=True)
    item: str = pa.Field(nullable=True)

sales = Source(contract=Sales, files="sales/{date}.csv")
"""
SQL = {"marts/items.sql": "select item, count(*) as sales from raw.sales group by item"}
SALES = {"sales/2024-03-01.csv": "id,item\n1,book\n2,pen\n", "sales/2024-03-02.csv": "id,item\n3,book\n"}
DAY = date(2024, 3, 1)

#: What CONTRACTS says, with a price more; compiled, so that a test of a stage needs no pandera.
CONTRACT = Contract(
    "Sales",
    columns=(
        Column("id", "BIGINT", False),
        Column("item", "VARCHAR", True),
        Column("price", "DECIMAL(9,2)", True),
    ),
    rules=(
        Rule("id.not_nullable", '"id" is not null', "id", "is null"),
        Rule("price.ge", '"price" >= 0', "price", "greater_than_or_equal_to(0)"),
        Rule("price.dear", '"price" < 1000', "price", "", severity="warn"),
    ),
    uniques=(Unique("id.unique", ("id",)),),
)
HEADER = "id,item,price\n"

#: No two runs of a project have the same.
numbers = itertools.count()


def project(
    root: Path,
    contracts: str = CONTRACTS,
    sql: Mapping[str, str] = SQL,
    raw: Mapping[str, str | bytes] = SALES,
    settings: str = "threads = 1\n",
) -> Project:
    """Write a project's files and return it."""
    files = {"luigi.cfg": f"[etl]\n{settings}", "contracts/all.py": contracts}
    files |= {f"sql/{path}": text for path, text in sql.items()}
    for path, text in files.items():
        _write(root / path, text)
    (root / "sql").mkdir(exist_ok=True)
    made = load_project(root)
    deliver(made, raw)
    return made


def once(root: Path, make: Callable[[Path], object]) -> Project:
    """Return the project that `make` leaves in an empty folder; it is made once, and copied to `root`."""
    copies.once(make, root)
    return load_project(root)


def at(project: Project, data: Path) -> Project:
    """Return a project whose data is elsewhere."""
    return replace(project, settings=replace(project.settings, data=str(data)))


def deliver(project: Project, files: Mapping[str, str | bytes]) -> None:
    """Put files into raw/, as a sender does."""
    for path, content in files.items():
        _write(project.raw / path, content)


def sales(**options: Any) -> Source:
    """Return the source of sales, with other options."""
    values = {"contract": CONTRACT, "files": "sales/{date}.csv", "name": "sales"}
    return Source(**{**values, **options})


def found(project: Project, source: Source) -> list[Delivery]:
    """Return the deliveries of a source."""
    return list(raw.find(source, project.raw, DAY).values())


def take(project: Project, source: Source, deliveries: list[Delivery] | None = None) -> list[Receipt]:
    """Extract deliveries, by default all that are there, with what was decided about their records."""
    given = found(project, source) if deliveries is None else deliveries
    given = with_corrections(project, source, given)
    content = {
        delivery.date: fingerprint([sha256(file.path) for file in delivery.files], delivery.corrections)
        for delivery in given
    }
    return lake.extract(project, source, given, content, Ledger(project.ledger), "run-1")


def with_corrections(project: Project, source: Source, deliveries: list[Delivery]) -> list[Delivery]:
    """Return deliveries as a plan has them that is made now."""
    decided = corrections_hash(project, source, [delivery.date for delivery in deliveries])
    return [replace(delivery, corrections=decided.get(delivery.date, "")) for delivery in deliveries]


def decide(project: Project, source: Source, *decisions: tuple[int, str, str], day: date = DAY) -> None:
    """Write corrections down: line, original text, and the new one, or with ! the reason to discard it."""
    items = []
    for line, original, text in decisions:
        what = (
            {"action": "discard", "reason": text[1:]} if text[:1] == "!" else {"action": "replace", "text": text}
        )
        where = {"file": f"sales/{day}.csv", "line": line, "sha256": record_hash(original, None)}
        items.append(Correction(**where, **what, by="ann", at="2024-04-01T09:00:00"))
    add_corrections(corrections_file(project, source, day), items, project.scratch)


def rows_of(project: Project, day: date = DAY, columns: str = "*") -> list[tuple[Any, ...]]:
    """Return what the lake holds of a day of sales."""
    return _parquet(project.lake, day, columns)


def rejects_of(project: Project, day: date = DAY, columns: str = "line, rule, text") -> list[tuple[Any, ...]]:
    """Return what quarantine holds of a day of sales."""
    return _parquet(project.quarantine, day, columns)


def plan(project: Project, last: date = date(2024, 3, 31), **scope: Any) -> Plan:
    """Plan a night."""
    return make_plan(project, Ledger(project.ledger), Scope(last, **scope), f"run-{next(numbers):04}")


def night(project: Project, last: date = date(2024, 3, 31), git_commit: str = "", **scope: Any) -> Plan:
    """Do every stale step, in order, as the tasks do; return the plan that was followed."""
    planned = plan(project, last, **scope)
    row = Run(planned.run_id, str(last), now(), git_commit=git_commit)
    run = ActiveRun(
        project=project, ledger=Ledger(project.ledger), plan=planned, row=row, lock=-1, pid=os.getpid()
    )
    run.ledger.write_run(row)
    if not planned.is_build_intact:
        run.ledger.forget([BUILD])
    keep_build_open(project)
    try:
        work(run)
    finally:
        close_build(project)
    return planned


def work(run: ActiveRun) -> None:
    """Do every stale step of a run."""
    planned = run.plan
    for source in planned.catalog.sources:
        if days := [delivery.date for delivery in planned.stale_partitions(source)]:
            steps.extract(run, source, days)
    if sources := [key.name for key in planned.stale if key.step == "load"]:
        steps.load(run, sources)
    for key in planned.stale:
        if key.step == "transform":
            steps.transform(run, [key.name])
    if AUDIT in planned.stale:
        steps.audit(run)
    if PUBLISH in planned.stale:
        steps.publish(run)


@contextmanager
def opened_elsewhere(path: Path, read_only: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Have a database file open in another process, which closes it when its stdin is closed."""
    code = (
        f"import duckdb, sys; con = duckdb.connect({str(path)!r}, read_only={read_only}); "
        "print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield holder


def published(project: Project, query: str) -> list[tuple[Any, ...]]:
    """Ask the published warehouse."""
    return ask(project.warehouse, query)


def ask(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Ask a database file."""
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(query).fetchall()


def memory() -> duckdb.DuckDBPyConnection:
    """Return a connection to read files with, and to make no tables: a new database costs more than most reads."""
    return _memory(os.getpid()).cursor()


@cache
def _memory(_: int) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(":memory:", config={"threads": 1})
    # a test writes another file of the same name
    con.execute("set enable_external_file_cache = false")
    return con


def stale(planned: Plan) -> list[str]:
    """Return the stale steps of a plan as text."""
    return [str(key) for key in planned.stale]


def extract_key(day: str, source: str = "sales") -> Key:
    return Key("extract", source, day)


def _parquet(base: Path, day: date, columns: str) -> list[tuple[Any, ...]]:
    (file,) = (base / "sales").glob(f"*={day}/data.parquet")
    with memory() as con:
        query = f"select {columns} from read_parquet(?, hive_partitioning = false)"
        return con.execute(query, [str(file)]).fetchall()


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
