"""Projects, a shop and TPC-H's 22 queries, by DuckDB and by Spark over the same tables; exit 1 if any differs.

    python benchmarks/spark_models.py . --shop --tpch 0.1

Of a project, each model that is a SELECT is computed over the tables of its published file. What the header
`engine: spark` does not take is told with its reason. Rows are compared with floats to 9 digits.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models import tpch_files
from models_domain import Domain
from models_shop import shop
from models_tpch import tpch

from etl.engine.quoting import literal
from etl.errors import UnsupportedOnSpark
from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import load_project
from tests.support.spark_sql import both, database, hand_over

SAME, DIFFERENT, REFUSED = "the same", "different", "refused"


class Select(NamedTuple):
    """The SELECT of a model, and the tables that it reads."""

    name: str
    sql: str
    reads: tuple[str, ...]


def of_project(con: duckdb.DuckDBPyConnection, root: str, folder: Path) -> Iterator[Select]:
    """Yield the models of a project; their tables are those of its published file."""
    project = load_project(root)
    _, found = definitions(project, Ledger(folder / "ledger.sqlite"))
    con.execute(f"attach {literal(str(project.warehouse.resolve()))} as published (read_only); use published")
    for model in found.models.values():
        if model.kind.is_select and model.sql:
            yield Select(model.name, model.sql, tuple(model.reads))


def of_domain(con: duckdb.DuckDBPyConnection, domain: Domain) -> Iterator[Select]:
    """Yield the models of a domain, each after those that it reads; tables are made as DuckDB computes them."""
    known: dict[str, str] = {f"raw.{raw.name}": raw.select for raw in domain.raw}
    for name, sql in {**known, **domain.models}.items():
        if name in domain.models:
            yield Select(name, sql, tuple(table for table in known if re.search(rf"\b{re.escape(table)}\b", sql)))
        con.execute(f"create schema if not exists {name.partition('.')[0]}; create table {name} as {sql}")
        known[name] = sql


def outcomes(con: duckdb.DuckDBPyConnection, selects: Iterator[Select]) -> Iterator[tuple[str, str]]:
    """Compute each SELECT on both; yield its outcome and what is to be said of it."""
    given: set[str] = set()
    for select in selects:
        for table in select.reads:
            if table not in given:
                hand_over(con, table)
                given.add(table)
        width = len(con.execute(f"describe {select.sql}").fetchall())
        try:
            said = both(con, select.sql, [True] * width)
        except UnsupportedOnSpark as error:
            yield REFUSED, f"{select.name}: {error}"
            continue
        yield DIFFERENT if said else SAME, f"{select.name}: {said or 'the same'}"


def main() -> None:
    """Compare each project, and TPC-H, and exit 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("projects", nargs="*", help="folders of projects with a published file")
    parser.add_argument("--shop", action="store_true", help="the shop of models.py too")
    parser.add_argument("--tpch", type=float, default=0.0, help="the scale of TPC-H; default: without it")
    parser.add_argument("--work", type=Path, help="a folder for what is generated; default: a temporary one")
    options = parser.parse_args()
    differing = 0
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        made = options.work or Path(folder)
        for root in options.projects:
            with database() as con:
                differing += compared(con, root, of_project(con, root, Path(folder)))
        domains = [shop(made / "shop")] if options.shop else []
        domains += [tpch(tpch_files(made, options.tpch))] if options.tpch else []
        for domain in domains:
            with database() as con:
                differing += compared(con, domain.name, of_domain(con, domain))
    sys.exit(1 if differing else 0)


def compared(con: duckdb.DuckDBPyConnection, name: str, selects: Iterator[Select]) -> int:
    """Compare what is to be computed, say what came out, and return how many differ."""
    count: Counter[str] = Counter()
    for outcome, said in outcomes(con, selects):
        count[outcome] += 1
        print(said, flush=True)
    print(f"{name}: {', '.join(f'{count[each]} {each}' for each in (SAME, REFUSED, DIFFERENT))}", flush=True)
    return count[DIFFERENT]


if __name__ == "__main__":
    main()
