"""Workers that share a bucket alone with the run make what the run would make by itself, whatever is delivered."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.errors import EtlError
from etl.ledger import Ledger, Receipt, stamp
from etl.project import Project
from etl.sources.formats import FORMATS
from tests.run.jobs.shared.conftest import Shop, hashed
from tests.run.jobs.test_hosts import made
from tests.sources.formats.makers import MAKERS
from tests.stages.mirrored.conftest import PLACES, url_of
from tests.support import far, tiny
from tests.support.hosts import CLUSTERS, KINDS, scheme_of
from tests.support.projects import REPOSITORY
from tests.support.projects import Project as Run
from tests.support.thorough import EVERY

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)

    @pa.check("item")
    def is_known(cls, item):
        return item.map(lambda name: name != "thing")

class Towns(pa.DataFrameModel):
    item: str
    town: str

sales = Source(contract=Sales, files="sales/{date}.csv", partition="day", max_reject_ratio=0.5)
visits = Source(contract=Sales, files="visits/{date}.csv", partition="day", optional=True)
towns = Source(contract=Towns, files="towns.csv")
"""
BY_DATE = "-- materialized: incremental\n-- partition: day\n"
SQL = {
    "marts/daily.sql": BY_DATE
    + "-- storage: lake\nselect day, item, count(*) as sales from raw.sales group by all",
    "marts/above.sql": BY_DATE + "select day, sum(sales) as sales from marts.daily group by all",
    "marts/towns.sql": BY_DATE
    + "select day, id, town, s._file from raw.sales as s left join raw.towns using (item)",
}
RAW = {f"sales/2024-03-0{day}.csv": f"id,item\n{day},book\n7,pen\nx,cup\n8,thing\n9,ink\n" for day in range(1, 4)}
RAW |= {f"visits/2024-03-0{day}.csv": f"id,item\n{day},book\n" for day in range(1, 3)}
RAW["towns.csv"] = "item,town\nbook,Oslo\npen,Rome\n"
URL = "processes://2"
#: A folder and a bucket; each kind of bucket does jobs in test_objects.py too.
TRIED = PLACES if EVERY else ("file", "s3")


@dataclass
class Both:
    """The same project twice: one does all itself, the other has workers that share a bucket alone with it."""

    alone: Project
    together: Project

    def night(self, files: dict[str, str], refused: int = 0) -> None:
        """Deliver the same to both, and have a night of each, which may refuse a delivery."""
        said = []
        for project in (self.alone, self.together):
            tiny.deliver(project, files)
            try:
                tiny.night(project)
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}".replace(str(project.root), ""))
        assert said[:1] == said[1:]
        assert "".join(said[:1]).count("is refused") == refused, said
        assert made_by(self.together) == made_by(self.alone)


def made_by(project: Project) -> dict[str, Any]:
    """Return all that was taken and built, and what the receipts of partitions say of it."""
    ledger = Ledger(project.ledger)
    receipts = {}
    for key, receipt in ledger.receipts().items():
        if key.step == "extract":
            receipts[key] = told(receipt)
            for base in ("lake", "quarantine"):
                assert receipt.details[base] == _stamp(project.data / base / key.name, key.partition)
    ledger.close()
    order = "order by all"
    tables = {
        n: tiny.published(project, f"from {n} {order}")
        for n in ("marts.daily", "marts.above", "marts.towns", "etl.rejects")
    }
    tables["etl.rejects"] = [row[:-1] for row in tables["etl.rejects"]]
    return {"files": made(project), "receipts": receipts, "tables": tables}


def _stamp(folder: Path, day: str) -> list[int]:
    found = [*folder.glob(f"*={day}/data.parquet")]
    return stamp(found[0]) if found else []


@pytest.fixture(params=TRIED)
def both(request, tmp_path: Path, monkeypatch) -> Iterator[Both]:
    url = url_of(request.param, tmp_path, request, monkeypatch)
    alone = tiny.project(tmp_path / "alone", CONTRACTS, SQL, {})
    settings = f"threads = 1\nexecutor = {URL}\nshared_lake = {url}\n"
    together = tiny.project(tmp_path / "together", CONTRACTS, SQL, {}, settings)
    with far.processes(together, monkeypatch):
        yield Both(alone, together)


def test_what_workers_elsewhere_make_is_what_the_run_makes_alone(both: Both) -> None:
    both.night(RAW)
    both.night({"sales/2024-03-02.csv": "id,item\n3,pen\n4,cup\n", "sales/2024-03-04.csv": "id,item\n5,ink\n"})
    # one that is refused where rows were taken before, and one where none were
    both.night(
        {"sales/2024-03-01.csv": "id,thing\n3,pen\n", "sales/2024-03-05.csv": "id,thing\n3,pen\n"}, refused=2
    )
    both.night({"sales/2024-03-01.csv": "id,item\n1,cup\n2,pen\n", "sales/2024-03-05.csv": "id,item\n3,pen\n"})
    # a source that may be refused has a receipt of what stays
    both.night({"visits/2024-03-01.csv": "id,thing\n3,pen\n", "visits/2024-03-03.csv": "id,item\n3,pen\n"})


@pytest.mark.parametrize("both", TRIED if EVERY else TRIED[:1], indirect=True)
def test_what_people_decided_counts_there_too(both: Both) -> None:
    both.night(RAW)
    for project in (both.alone, both.together):
        source = tiny.sales(partition="day")
        tiny.decide(project, source, (4, "x,cup", "11,cup"), (5, "8,thing", "!it is no item"))
        # reasons alone are written beside what lies in quarantine
        reasons = [(4, "x,cup", "!no number"), (5, "8,thing", "!it is no item")]
        tiny.decide(project, source, *reasons, day=date(2024, 3, 2))
    both.night({})
    # with the one that was corrected
    query = "select day, count(*) from marts.towns where day <= '2024-03-02' group by day order by day"
    assert [count for _, count in tiny.published(both.together, query)] == [4, 3]


@pytest.mark.parametrize("shop", TRIED, indirect=True)
def test_of_every_format_rows_and_rejects_are_those_that_the_run_takes_itself(shop: Shop, tmp_path: Path) -> None:
    columns = ["id", "item", "price"]
    rows = ([[1, "book", 2], ["x", "pen", 3], [3, None, -1]], [[4, "ink", 5]])
    makers = {f"s{number}": MAKERS[name] for number, name in enumerate(MAKERS if EVERY else FORMATS)}
    raw = {
        f"{name}/2024-03-0{day}.dat": maker.write(columns, each)
        for name, maker in makers.items()
        for day, each in enumerate(rows, 1)
    }
    alone = tiny.project(tmp_path / "alone", raw=raw)
    tiny.deliver(shop.project, raw)
    for name, maker in makers.items():
        facts = {"name": name, "files": f"{name}/{{date}}.dat", "format": maker.fmt(columns)}
        source = tiny.sales(max_reject_ratio=1.0, **facts)
        mine, theirs = tiny.take(alone, source, hashed(alone, source)), shop.extract(source)
        assert [*map(told, theirs)] == [*map(told, mine)]
        # a worker has done it
        assert len(shop.texts) == 2
    assert made(shop.project) == made(alone)
    assert len(made(alone)) == 3 * len(makers)


def told(receipt: Receipt) -> tuple[Any, ...]:
    """Return what a receipt says, but for the stamps of the files."""
    facts = {name: fact for name, fact in receipt.details.items() if name not in ("lake", "quarantine", "kept")}
    return receipt.key, receipt.outcome, receipt.fingerprint, facts


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "processes"])
def test_on_every_cluster_a_bucket_is_enough(kind: str, tmp_path: Path, request, monkeypatch) -> None:
    place = url_of("s3", tmp_path, request, monkeypatch)
    alone = tiny.project(tmp_path / "alone", CONTRACTS, SQL, RAW)
    tiny.night(alone)
    together = tiny.project(tmp_path / "together", CONTRACTS, SQL, RAW)
    with far.FAR_CLUSTERS[scheme_of(kind)](together) as (url, environment):
        settings = f"[etl]\nthreads = 1\nexecutor = {url}\nshared_lake = {place}\n"
        together.root.joinpath("luigi.cfg").write_text(settings)
        asking = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
        environment = {**asking, **environment, "PYTHONPATH": f"{CLUSTERS}{os.pathsep}{REPOSITORY}"}
        night = Run(together.root).published(date="2024-03-31", is_cold=True, **environment)
    assert night.output.count(f" with 3 partitions on {url}") == len(SQL)
    assert made_by(together) == made_by(alone)


def test_without_the_bucket_they_see_nothing(tmp_path: Path, monkeypatch) -> None:
    project = tiny.project(tmp_path / "shop", CONTRACTS, SQL, RAW, f"threads = 1\nexecutor = {URL}\n")
    with far.processes(project, monkeypatch), pytest.raises(EtlError):
        tiny.night(project)
    assert not project.lake.exists()
