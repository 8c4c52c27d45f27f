"""However a raw table is held, what is published is the same: of every format, whatever comes or goes."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import cycle
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
from tests.support.thorough import EVERY

#: What a contract says, one version after the other: more columns, another name, another type, fewer columns.
VERSIONS = (
    {"id": "BIGINT", "item": "VARCHAR"},
    {"id": "BIGINT", "item": "VARCHAR", "price": "DECIMAL(9,2)"},
    {"id": "BIGINT", "article": "VARCHAR", "price": "DECIMAL(9,2)"},
    {"id": "VARCHAR", "article": "VARCHAR", "price": "DOUBLE"},
    {"id": "INTEGER", "item": "VARCHAR"},
)
CONTRACT = """
from etl import Source
from etl.contract import Column, Contract, Rule
from etl.sources.formats import *

aliases = {{"article": ("item",)}}
columns = [Column(name, type, name != "id", aliases=aliases.get(name, ())) for name, type in {columns}]
few = "try_cast(id as bigint) < 8"
rules = [Rule("id.not_nullable", '"id" is not null', "id", ""), Rule("id.few", few, "id", "")]
{name} = Source(
    contract=Contract({name!r}, columns=tuple(columns), rules=tuple(rules)),
    files={files!r}, format={format}, load={load!r}, optional=True,
    extra="ignore", max_withdrawn=9, min_rows_ratio={ratio},
)
"""
#: All that can read a feed of changes.
NEWEST = {
    "marts/{name}.sql": "-- materialized: merge\n-- key: id\n-- order: day\n"
    "select try_cast(id as bigint) as id, max({day}) as day from raw.{name} group by all"
}
VIEW = {
    "staging/{name}.sql": "-- materialized: view\nselect id, _file from raw.{name}",
    "audits/{name}.sql": "-- warn: so many\nselect id from raw.{name} where try_cast(id as bigint) > 5",
}
#: What reads a raw table.
READERS = (
    NEWEST,
    VIEW,
    {"marts/{name}.sql": "-- materialized: table\nselect * exclude (_loaded_at) from raw.{name}"},
    {
        "marts/{name}.sql": "-- materialized: incremental\n-- partition: day\n"
        "select {day} as day, count(*) as sales, min(id)::bigint as first from raw.{name} group by all"
    },
)
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


@dataclass(eq=False)
class Feed:
    """A source of a format, what reads it, and what its contract says now."""

    name: str
    maker: Maker
    reader: Mapping[str, str]
    is_dated: bool = True
    ratio: float | None = None
    version: int = 0

    @property
    def sql(self) -> Mapping[str, str]:
        """The files of what reads it."""
        day = "delivery_date" if self.is_dated else "snapshot_date"
        return {
            file.format(name=self.name): text.format(name=self.name, day=day) for file, text in self.reader.items()
        }

    def contract(self, load: str) -> str:
        """Return its contract and source as they are now."""
        columns = VERSIONS[self.version]
        return CONTRACT.format(
            name=self.name,
            columns=list(columns.items()),
            files=self.file("{date}"),
            format=self.maker.fmt(_in_file(columns)),
            load=load,
            ratio=self.ratio,
        )

    def file(self, day: str) -> str:
        """Return what its file of a day is called."""
        return f"{self.name}/{day}.dat" if self.is_dated else f"{self.name}.dat"

    def written(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return a file of rows, as the contract now asks for it."""
        names = _in_file(VERSIONS[self.version])
        return self.maker.write(names, [row[: len(names)] for row in rows])

    def happen(self, what: str, more: Any) -> bytes:
        """Have its contract changed, or return what is delivered."""
        if what == "change":
            self.version = more
        return self.written(more) if what == "deliver" else b""


@dataclass
class Side:
    """A project whose raw tables are held in one way."""

    load: str
    project: Project
    #: What analysts have open: the connection, and the rows that it had.
    opened: list[tuple[duckdb.DuckDBPyConnection, Any]] = field(default_factory=list)

    def declare(self, feed: Feed) -> None:
        """Write a source down as it is now."""
        (self.project.root / f"contracts/{feed.name}.py").write_text(feed.contract(self.load))

    def happen(self, feed: Feed, what: str, day: date | None, content: bytes) -> None:
        """Do what a sender, an author or a stranger does."""
        if what == "change":
            self.declare(feed)
        elif what == "deliver":
            tiny.deliver(self.project, {feed.file(str(day)): content})
        elif what == "withdraw":
            (self.project.raw / feed.file(str(day))).unlink(missing_ok=True)
        elif folders := partition_folders(self.project, feed.name):
            stray = folders[-1].with_name(f"{folders[-1].name.partition('=')[0]}=2023-01-01")
            shutil.copytree(folders[-1], stray, dirs_exist_ok=True)

    def night(self, last: date) -> str:
        """Run a night; return why it failed, if it did."""
        try:
            tiny.night(self.project, last)
        except EtlError as error:
            return str(error).replace(str(self.project.root), "")
        return ""

    def published(self) -> dict[str, Any]:
        """Return all that is published, but for when it was; and have it open, as an analyst has."""
        record = read_record(self.project.current)
        if record is None:
            return {}
        con = duckdb.connect(str(self.project.current.resolve() / FILE), read_only=True)
        found: dict[str, Any] = {name: con.execute(query).fetchall() for name, query in QUERIES.items()}
        self.opened.append((con, self.rows(con)))
        tables = {name: (held.rows, held.hash) for name, held in record.tables.items()}
        return found | {"tables": tables, "rows": self.opened[-1][1]}

    def rows(self, con: duckdb.DuckDBPyConnection) -> Mapping[str, Any]:
        """Return the raw rows as a reader sees them, of each table that is published."""
        names = "select table_name from information_schema.tables where table_schema = 'raw'"
        query = "select (columns(* exclude _loaded_at))::varchar from raw.{} order by all"
        return {name: con.execute(query.format(name)).fetchall() for (name,) in con.execute(names).fetchall()}

    def close(self) -> None:
        """Close what analysts have open."""
        for con, _ in self.opened:
            con.close()
        self.opened.clear()


def _in_file(columns: Mapping[str, str]) -> list[str]:
    """Return the columns as the sender calls them."""
    return ["item" if name == "article" else name for name in columns]


@contextmanager
def sides(root: Path, feeds: Sequence[Feed], settings: str) -> Iterator[list[Side]]:
    """Give a project for each way to hold raw tables."""
    sql = {file: text for feed in feeds for file, text in feed.sql.items()}
    found = [Side(load, tiny.project(root / load, "", sql, {}, settings)) for load in LOADS]
    for side in found:
        for feed in feeds:
            side.declare(feed)
    try:
        yield found
    finally:
        for side in found:
            side.close()


def assert_same(sides: Sequence[Side], publish_raw: str = "links") -> None:
    """Check that the same is published on all sides, and that analysts have still what they opened."""
    table, view, auto = (side.published() for side in sides)
    assert auto == table
    if publish_raw == "no" and table:
        assert view["rows"] == {}
        raw = {name: held for name, held in table["tables"].items() if name.startswith("raw.")}
        view |= {"rows": table["rows"], "tables": view["tables"] | raw}
    assert view == table
    for side in sides:
        # as long as the two nights after it run, and longer
        for con, rows in side.opened:
            assert side.rows(con) == rows


def drawn(data: st.DataObject, publish_raw: str) -> Iterator[Feed]:
    """Yield a feed of every format; over all of them, there is each reader."""
    for name, reader in zip(FORMATS, cycle(data.draw(st.permutations(READERS))), strict=False):
        maker, is_dated = MAKERS[name], data.draw(st.booleans())
        # a view cannot read what is not published
        is_any = not getattr(maker.fmt(["id"]), "tells_changes", False) and (publish_raw != "no" or reader != VIEW)
        ratio = data.draw(st.sampled_from([None, 0]))
        yield Feed(f"{name.lower()}_sales", maker, reader if is_any else NEWEST, is_dated, ratio)


@given(data=st.data())
@settings(max_examples=10 if EVERY else 1, deadline=None, suppress_health_check=[*HealthCheck], phases=PHASES)
def test_what_is_published_does_not_depend_on_how_raw_tables_are_held(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    publish_raw, limit = data.draw(st.sampled_from(["links", "no"])), data.draw(st.integers(1, 3))
    feeds = [*drawn(data, publish_raw)]
    nights = [{feed: [data.draw(deliver)] for feed in feeds}]
    nights += [
        {feed: data.draw(st.lists(event, max_size=2)) for feed in feeds}
        for _ in range(data.draw(st.integers(2, 3)))
    ]
    # the first thing that is tried is the smallest one
    assume(all(any(events.values()) for events in nights))
    text = f"threads = 1\nview_rows = {limit}\npublish_raw = {publish_raw}\n"
    with sides(tmp_path_factory.mktemp("nights"), feeds, text) as found:
        for number, events in enumerate(nights):
            for feed, what, day, more in ((feed, *one) for feed, each in events.items() for one in each):
                content = feed.happen(what, more)
                for side in found:
                    side.happen(feed, what, day, content)
            failures = [side.night(date(2024, 3, 3) + timedelta(number)) for side in found]
            # all or none: what DuckDB says of it names a table, or a file
            assert len({bool(text) for text in failures}) == 1, failures
            assert number or not any(failures)
            assert_same(found, publish_raw)
