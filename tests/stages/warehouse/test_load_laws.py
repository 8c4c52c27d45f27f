"""However a raw table is held, what is published is the same: of every format, whatever comes or goes."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from etl.errors import EtlError
from etl.project import Project
from etl.sources.formats import FORMATS
from etl.stages.lake import partition_folders
from etl.stages.published import FILE, read_record
from tests.sources.formats.makers import MAKERS, Maker
from tests.support import tiny
from tests.support.thorough import examples

#: What a contract says, one version after the other: more columns, another name, another type, fewer columns.
VERSIONS = (
    {"id": "BIGINT", "item": "VARCHAR"},
    {"id": "BIGINT", "item": "VARCHAR", "price": "DECIMAL(9,2)"},
    {"id": "BIGINT", "article": "VARCHAR", "price": "DECIMAL(9,2)"},
    {"id": "VARCHAR", "article": "VARCHAR", "price": "DOUBLE"},
    {"id": "INTEGER", "item": "VARCHAR"},
)
CONTRACTS = """
from etl import Source
from etl.contract import Column, Contract, Rule
from etl.sources.formats import *

aliases = {{"article": ("item",)}}
columns = [Column(name, type, name != "id", aliases=aliases.get(name, ())) for name, type in {columns}]
few = "try_cast(id as bigint) < 8"
rules = [Rule("id.not_nullable", '"id" is not null', "id", ""), Rule("id.few", few, "id", "")]
sales = Source(
    contract=Contract("Sales", columns=tuple(columns), rules=tuple(rules)),
    files={files!r}, format={format}, load={load!r}, optional=True,
    extra="ignore", max_withdrawn=9, min_rows_ratio={ratio},
)
"""
SQL = {
    "marts/newest.sql": (
        "-- materialized: merge\n-- key: id\n-- order: day\n"
        "select try_cast(id as bigint) as id, max({day}) as day from raw.sales group by all"
    ),
    "audits/few.sql": "-- warn: there are so many\nselect id from raw.sales where try_cast(id as bigint) > 5",
}
#: What a feed of changes can not be read by.
ROWS = {
    "marts/all.sql": "-- materialized: table\nselect * exclude (_loaded_at) from raw.sales",
    "marts/days.sql": (
        "-- materialized: incremental\n-- partition: day\n"
        "select {day} as day, count(*) as sales, min(id)::bigint as first from raw.sales group by all"
    ),
}
VIEW = {"staging/sales.sql": "-- materialized: view\nselect id, _file from raw.sales"}
QUERIES = {
    "checks": "select name, table_name, severity, passed, failing from etl.checks order by all",
    "partitions": "select * exclude (loaded_at, run_id) from etl.partitions order by all",
    "rejects": "select * exclude (run_id) from etl.rejects order by all",
}
#: What fails is a few nights long as it is: to look for fewer takes minutes.
PHASES = [phase for phase in Phase if phase is not Phase.shrink]
LOADS = ("table", "view", "auto")
DAYS = [date(2024, 3, day) for day in (1, 2, 3)]

ids = st.sampled_from([*range(1, 9), None, "x"])
rows = st.lists(st.tuples(ids, st.sampled_from(["book", "pen", None]), st.integers(0, 9)), max_size=4)
deliver = st.tuples(st.just("deliver"), st.sampled_from(DAYS), rows)
event = (
    deliver
    | st.tuples(st.sampled_from(["withdraw", "stray"]), st.sampled_from(DAYS), st.none())
    | st.tuples(st.just("change"), st.none(), st.sampled_from(range(len(VERSIONS))))
)
nights = st.lists(st.lists(event, max_size=2), min_size=2, max_size=3)


@dataclass
class Side:
    """A project whose raw table is held in one way."""

    maker: Maker
    load: str
    project: Project
    is_dated: bool
    ratio: float
    version: int = 0
    #: What analysts have open: the connection, and the rows that it had.
    opened: list[tuple[duckdb.DuckDBPyConnection, Any]] = field(default_factory=list)

    def declare(self) -> None:
        """Write the contract and the source as they are now."""
        columns = VERSIONS[self.version]
        (self.project.root / "contracts/all.py").write_text(
            CONTRACTS.format(
                columns=list(columns.items()),
                files=self._file("{date}"),
                format=self.maker.fmt(_in_file(columns)),
                load=self.load,
                ratio=self.ratio,
            )
        )

    def written(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return a file of rows, as the contract now asks for it."""
        names = _in_file(VERSIONS[self.version])
        return self.maker.write(names, [row[: len(names)] for row in rows])

    def happen(self, what: str, day: date | None, more: Any) -> None:
        """Do what a sender, an author or a stranger does."""
        if what == "change":
            self.version = more
            self.declare()
        elif what == "deliver":
            tiny.deliver(self.project, {self._file(str(day)): more})
        elif what == "withdraw":
            (self.project.raw / self._file(str(day))).unlink(missing_ok=True)
        elif folders := partition_folders(self.project, "sales"):
            stray = folders[-1].with_name(f"{folders[-1].name.partition('=')[0]}=2023-01-01")
            shutil.copytree(folders[-1], stray, dirs_exist_ok=True)

    def night(self, last: date) -> str:
        """Run a night; return why it failed, if it did."""
        try:
            tiny.night(self.project, last)
        except EtlError as error:
            return str(error).replace(str(self.project.root), "")
        return ""

    def published(self) -> Mapping[str, Any]:
        """Return all that is published, but for when it was; and have it open, as an analyst has."""
        record = read_record(self.project.current)
        if record is None:
            return {}
        con = duckdb.connect(str(self.project.current.resolve() / FILE), read_only=True)
        found: dict[str, Any] = {name: con.execute(query).fetchall() for name, query in QUERIES.items()}
        self.opened.append((con, self.rows(con)))
        tables = {name: (held.rows, held.hash) for name, held in record.tables.items()}
        return found | {"tables": tables, "rows": self.opened[-1][1]}

    def rows(self, con: duckdb.DuckDBPyConnection) -> Any:
        """Return the raw rows as a reader sees them; None if they are not published."""
        is_there = "select exists(from information_schema.tables where table_schema = 'raw')"
        query = "select (columns(* exclude _loaded_at))::varchar from raw.sales order by all"
        return con.execute(query).fetchall() if con.execute(is_there).fetchall()[0][0] else None

    def _file(self, day: str) -> str:
        return f"sales/{day}.dat" if self.is_dated else "sales.dat"


def _in_file(columns: Mapping[str, str]) -> list[str]:
    """Return the columns as the sender calls them."""
    return ["item" if name == "article" else name for name in columns]


@contextmanager
def sides(root: Path, maker: Maker, publish_raw: str, limit: int, **how: Any) -> Iterator[list[Side]]:
    found = []
    day = "delivery_date" if how["is_dated"] else "snapshot_date"
    is_rows = not getattr(maker.fmt(["id"]), "tells_changes", False)
    # a view cannot read what is not published
    sql = SQL | (ROWS if is_rows else {}) | (VIEW if is_rows and publish_raw != "no" else {})
    sql = {name: text.replace("{day}", day) for name, text in sql.items()}
    for load in LOADS:
        text = f"threads = 1\nview_rows = {limit}\npublish_raw = {publish_raw}\n"
        project = tiny.project(root / load, "", sql, {}, settings=text)
        found.append(Side(maker, load, project, **how))
        found[-1].declare()
    try:
        yield found
    finally:
        for side in found:
            for con, _ in side.opened:
                con.close()


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=examples(1), deadline=None, suppress_health_check=[*HealthCheck], phases=PHASES)
def test_what_is_published_does_not_depend_on_how_raw_tables_are_held(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    publish_raw, limit = data.draw(st.sampled_from(["links", "no"])), data.draw(st.integers(1, 3))
    how = {"is_dated": data.draw(st.booleans()), "ratio": data.draw(st.sampled_from([None, 0]))}
    first, rest = data.draw(deliver), data.draw(nights)
    # the first thing that is tried is the smallest one
    assume(len(first[2]) > 1 and all(rest))
    root = tmp_path_factory.mktemp("nights")
    with sides(root, MAKERS[name], publish_raw, limit, **how) as found:
        for number, events in enumerate([[first], *rest]):
            for what, day, more in events:
                given = found[0].written(more) if what == "deliver" else more
                for side in found:
                    side.happen(what, day, given)
            last = date(2024, 3, 3) + timedelta(number)
            failures = [side.night(last) for side in found]
            # all or none: what DuckDB says of it names a table, or a file
            assert len({bool(text) for text in failures}) == 1, failures
            assert number or not any(failures)
            table, view, auto = (side.published() for side in found)
            assert auto == table
            if publish_raw == "no" and table:
                assert view["rows"] is None
                view = {**view, "rows": table["rows"], "tables": {**view["tables"], **_raw(table["tables"])}}
            assert view == table
            for side in found:
                # as long as the two nights after it run, and longer
                for con, rows in side.opened:
                    assert side.rows(con) == rows


def _raw(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"raw.sales": tables["raw.sales"]}
