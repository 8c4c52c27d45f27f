"""What every format's tests need: a file taken apart as extraction does it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.sources.formats import Place
from tests.support import tiny


@dataclass
class Table:
    """A file taken apart: `rows` as DuckDB reads them, `broken` as (line, text, problem)."""

    rows: list[tuple]
    broken: list[tuple]
    columns: tuple[str, ...]
    extras: tuple[str, ...]
    extra: list[str | None]
    #: All records as they were delivered, in order.
    places: list[Place]


@pytest.fixture
def table(tmp_path) -> Callable[..., Table]:
    """Take a file of this content apart; both ways in which DuckDB reads it must agree, and the law hold."""

    def read(fmt, content: bytes | str | Path, columns: list[str], name: str = "raw.dat") -> Table:
        path = content if isinstance(content, Path) else tmp_path / name
        if not isinstance(content, Path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        opened = fmt.open(path, columns, tmp_path / "scratch" if tmp_path.exists() else path.with_name("scratch"))
        try:
            return taken_apart(opened)
        finally:
            opened.close()
            assert not list(tmp_path.glob("scratch*"))

    return read


def taken_apart(opened) -> Table:
    names = list(opened.columns)
    extra = ["_extra"] if opened.extras else []
    with tiny.memory() as con:
        relation = opened.reader.relation([opened.file, opened.file], [*names, *extra])
        twice = con.execute(f"select * from {relation} order by file_index").fetchall()
        numbered = opened.reader.numbered(opened.file, [*names, *extra])
        rows = con.execute(f"select * from {numbered} order by _record").fetchall()
        listed = [column[0] for column in con.description]
    assert [row[listed.index("_record")] for row in rows] == list(range(len(rows)))
    assert len(twice) == 2 * len(rows) == 2 * opened.sound
    everything = list(opened.everything())
    faults = list(opened.faults())
    places = list(opened.places(range(opened.sound)))
    assert [fault for fault in everything if fault.problem] == faults
    assert [fault.place for fault in everything if not fault.problem] == places
    assert (len(places), len(faults)) == (opened.sound, opened.broken)
    assert opened.lines == opened.sound + opened.broken + opened.skipped
    cells = [tuple(row[listed.index(name)] for name in names) for row in rows]
    assert sorted(map(repr, cells)) == sorted(repr(row[: len(names)]) for row in twice[: len(rows)])
    return Table(
        cells,
        [(fault.place.line, fault.place.text, fault.problem) for fault in faults],
        opened.columns,
        tuple(opened.extras),
        [row[listed.index("_extra")] for row in rows] if "_extra" in listed else [],
        [fault.place for fault in everything],
    )
