"""A night whose deliveries and models workers make ends as one without them, on every host, for every format."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pytest

from etl.stages.warehouse import row_hashes
from tests.sources.formats.makers import MAKERS, Maker
from tests.support import tiny
from tests.support.hosts import CLUSTERS, HOSTS, KINDS, scheme_of
from tests.support.projects import Project
from tests.support.thorough import EVERY

HEADER = """
import pandera.pandas as pa
from etl import Source
from etl.sources.formats import *

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)
    price: int = pa.Field(ge=0)

"""
SQL = {
    "marts/daily.sql": "-- materialized: incremental\n-- partition: delivery_date\n-- storage: lake\n"
    "select delivery_date, item, sum(price) as price from raw.s0 group by all",
    "marts/above.sql": "-- materialized: incremental\n-- partition: delivery_date\n"
    "select delivery_date, sum(price) as price from marts.daily group by all",
    "marts/first.sql": "-- materialized: incremental\n-- partition: delivery_date\n"
    "select s1.* exclude (_file, _loaded_at), town.price as dear "
    "from raw.s1 left join raw.towns as town using (id)",
}
DAYS = ("2024-03-01", "2024-03-02", "2024-03-03")


def shop(root: Path, makers: Sequence[Maker], executor: str = "") -> Project:
    """Return a project with a source of each format, each with three days, some of whose records are broken."""
    contracts, raw = HEADER, {}
    for number, maker in enumerate(makers):
        columns = ["id", "item", "price"]
        contracts += (
            f"s{number} = Source(contract=Sales, files='s{number}/{{date}}.dat', max_reject_ratio=1.0, "
            f"format={maker.fmt(columns)!r})\n"
        )
        for day in DAYS:
            rows = [[n, f"item {n % 7}", n] for n in range(40)]
            rows[int(day[-1])] = [41, None, -1]
            raw[f"s{number}/{day}.dat"] = maker.write(columns, rows)
    contracts += "snapshot = Source(contract=Sales, files='snapshot.csv', history=True)\n"
    contracts += "towns = Source(contract=Sales, files='towns.csv')\n"
    raw["snapshot.csv"] = raw["towns.csv"] = b"id,item,price\n1,book,2\n2,pen,3\n"
    setting = f"executor = {executor}\n" if executor else ""
    tiny.project(root, contracts, SQL, raw, f"threads = 1\nkeep_runs = 3\n{setting}")
    return Project(root)


def made(project: Project) -> Mapping[str, str]:
    """Return the hash of every row of lake and quarantine, by their file."""
    found = {}
    for base in ("lake", "quarantine"):
        for file in sorted((project.data / base).rglob("data.parquet")):
            with tiny.memory() as con:
                # but for the run that it was taken in
                given = f"from read_parquet('{file}', hive_partitioning = false)"
                has_run = "run_id" in [row[0] for row in con.execute(f"describe {given}").fetchall()]
                rows = con.execute(f"select * {'exclude (run_id)' if has_run else ''} {given}").fetchall()
            name = str(file.relative_to(project.data))
            found[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def built(project: Project) -> Mapping[str, object]:
    """Return the columns with their types, the hash of the rows in any order, and the files of each model."""
    found: dict[str, object] = {"files": sorted(file.name for file in project.data.rglob("parts/*/*.parquet"))}
    with duckdb.connect(str(project.warehouse), read_only=True) as con:
        for name in (file.removesuffix(".sql").replace("/", ".") for file in SQL):
            columns = [row[:2] for row in con.execute(f"describe {name}").fetchall()]
            hashed = con.execute(f"select {row_hashes(con, name, columns)} from {name}").fetchall()
            found[name] = (columns, hashed)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_on_every_host_every_format_ends_in_the_same_content(kind: str, tmp_path: Path) -> None:
    kind = scheme_of(kind)
    if kind not in HOSTS:
        pytest.fail(f"{kind} has no host for tests. Add one to tests/support/hosts.py.")
    # a cluster is given the same jobs: in the suite some formats, others each time
    makers = [*MAKERS.values()]
    if kind != "processes" and not EVERY:
        # the first two are what models read
        makers = [*makers[:2], random.choice(makers[2:])]
    alone = shop(tmp_path / "alone", makers)
    alone.published(date="2024-03-31")
    with HOSTS[kind]() as url:
        together = shop(tmp_path / "together", makers, url)
        more = {"PYTHONPATH": str(CLUSTERS)} if kind != "processes" else {}
        night = together.published(date="2024-03-31", is_cold=kind != "processes", **more)
        assert made(together) == made(alone)
        assert f"on {url}" in night.output
        assert night.output.count(f" with 3 partitions on {url}") == len(SQL)
        assert built(together) == built(alone)
        # the receipts are those of the files as they lie here
        assert "nothing new" in together.published(date="2024-03-31").output
    assert len(made(alone)) == 2 * len(makers) * len(DAYS) + 2
