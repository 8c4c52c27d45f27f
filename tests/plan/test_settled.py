"""Partitions that stay as they are cost no look of their own; a plan that skips them is that of looking at all."""

import os
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from etl.errors import EtlError
from etl.ledger import Ledger
from etl.plan import Scope, deliveries, make_plan
from etl.project import Project
from etl.run import tables
from etl.sources.formats import FORMATS
from tests.sources.formats.makers import MAKERS
from tests.support import tiny
from tests.support.thorough import examples

DAYS = [date(2024, 3, day) for day in range(1, 7)]
LAST = date(2024, 3, 31)
#: Whatever decides how deliveries come: where a file is a date, and where more is to be looked at than its stat.
SOURCES = {
    "plain": 'files="sales/{date}.csv"',
    "folder": 'files="sales/{date}/a.csv"',
    "short": 'files="sales/{date:%y%j}.csv"',
    "marker": 'files="sales/{date}.csv", marker="{file}.done"',
    "wild": 'files="sales/{date}*.csv"',
    "version": 'files="sales/{date}_{version}.csv"',
    "refuse": 'files="sales/{date}.csv", same_content="refuse", optional=True',
    "allow": 'files="sales/{date}.csv", same_content="allow"',
    "skip": 'files="sales/{date}.csv", empty="skip"',
    "history": 'files="sales.csv", history=True',
}


#: Where the formats of this process begin.
_FIRST = random.randrange(len(FORMATS))
#: What writes a file of rows.
Write = Callable[..., bytes]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hash of a file be remembered however young the file is."""
    monkeypatch.setattr(deliveries, "_SETTLED_NS", -(10**12))


def planned(project: Project, scope: Scope) -> dict[str, Any] | str:
    """All that a plan says, whether or not it has looked at each partition; or why there is none."""
    try:
        plan = make_plan(project, Ledger(project.ledger), scope, "run-x")
    except EtlError as error:
        return str(error)
    found = {field.name: getattr(plan, field.name) for field in fields(plan)}
    for name in ("project", "catalog", "models", "run_id", "taken", "held", "receipts"):
        del found[name]
    for name, taken in plan.taken.items():
        found |= {f"{name} {field.name}": getattr(taken, field.name) for field in fields(taken)}
        found[f"{name} held"] = list(plan.held[name].items())
        there = [(day, [file.stat_key for file in each.files]) for day, each in taken.found.complete.items()]
        found[f"{name} found"] = (there, taken.found.incomplete, taken.found.others)
        found[f"{name} stale"] = plan.stale_partitions(name)
    return found


def test_a_plan_settles_what_stays_and_nothing_else(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={f"sales/{day}.csv": f"id,item\n{day.day},pen\n" for day in DAYS})
    tiny.night(project)
    assert tiny.plan(project).held["sales"].settled.keys() == set(DAYS)

    (project.raw / f"sales/{DAYS[0]}.csv").write_text("id,item\n9,pen\n")
    (project.raw / f"sales/{DAYS[1]}.csv").unlink()

    assert tiny.plan(project).held["sales"].settled.keys() == set(DAYS[2:])


def path_of(project: Project, how: str, day: date) -> Path:
    """The file of a date, as a kind of source has it."""
    names = {
        "folder": f"sales/{day}/a.csv",
        "short": f"sales/{day:%y%j}.csv",
        "version": f"sales/{day}_1.csv",
        "history": "sales.csv",
    }
    return project.raw / names.get(how, f"sales/{day}.csv")


def deliver(path: Path, content: bytes) -> None:
    """Put a file there, as a sender does, whatever was there before."""
    take_away(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(f"{path.name}.done").touch()


def take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)


def same_size_and_time(path: Path) -> None:
    """Another content that only the time of the inode's change tells."""
    if path.is_file():
        status = path.stat()
        path.write_bytes(path.read_bytes().replace(b"p", b"q"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def other_inode(path: Path) -> None:
    if path.is_file():
        shutil.copy2(path, path.with_name("aside"))
        path.with_name("aside").replace(path)


def link(path: Path) -> None:
    if path.is_file() and not path.is_symlink():
        path.replace(path.parents[1] / f"{path.name}.elsewhere")
        path.symlink_to(path.parents[1] / f"{path.name}.elsewhere")


def folder(path: Path) -> None:
    take_away(path)
    path.mkdir(parents=True)


def second_file(path: Path) -> None:
    """The same content as another version of the date, or as another date."""
    other = path.with_name(f"{path.name[:-5]}2.csv")
    if path.is_file() and other != path:
        shutil.copy(path, other)


#: What a sender may put in the place of the file of a date.
CONTENTS: dict[str, Callable[[Path, Write], bytes]] = {
    "new content": lambda path, write: write([len(str(path)), path.stem]),
    "content of others": lambda path, write: write([1, "pen"]),
    "a bad record": lambda path, write: write(["x", "pen"]),
    "empty": lambda path, write: b"",
    "no records": lambda path, write: write(),
}
#: What else may become of it from one night to the next.
OF_FILES: dict[str, Callable[[Path], object]] = {
    "gone": take_away,
    "touched": lambda path: path.exists() and path.touch(),
    "same size and time": same_size_and_time,
    "other inode": other_inode,
    "link": link,
    "folder": folder,
    "renamed": lambda path: path.is_file() and path.replace(path.with_name(f"{path.name}.gone")),
    "second file": second_file,
    "not marked": lambda path: path.with_name(f"{path.name}.done").unlink(missing_ok=True),
}


def forget_hash(project: Project, name: str, partition: str) -> None:
    Ledger(project.ledger).change(("delete from files where path = ?", [(name,)]))


def failed(project: Project, name: str, partition: str) -> None:
    row = ("sales", partition, "content", 9, "2024-03-05")
    Ledger(project.ledger).change(("insert or replace into failed_nights values (?, ?, ?, ?, ?)", [row]))


def clear(project: Project, name: str, partition: str) -> None:
    rows = [("extract", "sales", partition, "run-")]
    Ledger(project.ledger).change(("insert or replace into cleared values (?, ?, ?, ?)", rows))


def decide(project: Project, name: str, partition: str) -> None:
    file = project.corrections / "sales" / f"{partition}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()


def lose(project: Project, base: Path, partition: str) -> None:
    for path in base.glob(f"sales/*={partition}/data.parquet"):
        path.unlink()


def contract(project: Project, name: str, partition: str) -> None:
    path = project.contracts / "all.py"
    path.write_text(path.read_text().replace("int = pa.Field(", "int = pa.Field(ge=0, "))


#: What may become of all else that a plan goes by.
OF_OTHERS: dict[str, Callable[[Project, str, str], object]] = {
    "lake lost": lambda project, _, partition: lose(project, project.lake, partition),
    "quarantine lost": lambda project, _, partition: lose(project, project.quarantine, partition),
    "receipt lost": lambda project, _, partition: Ledger(project.ledger).forget([tiny.extract_key(partition)]),
    "hash forgotten": forget_hash,
    "failed": failed,
    "cleared": clear,
    "decided": decide,
    "contract": contract,
}
SCOPES = [
    Scope(LAST),
    Scope(DAYS[2]),
    Scope(DAYS[4], DAYS[1]),
    Scope(LAST, sources=""),
    Scope(LAST, force=True),
]


def write(name: str, *rows: Sequence[Any]) -> bytes:
    """Return a file of a format."""
    return MAKERS[name].write(["id", "item"], rows)


def format_of(how: str) -> str:
    """Return the format of a kind of source: each time another one, and over all kinds every one."""
    if how == "history":
        return "Csv"
    return [*FORMATS][([*SOURCES].index(how) + _FIRST) % len(FORMATS)]


@cache
def begun(how: str, name: str) -> Callable[[Path], object]:
    """Return what makes a project with such a source, after a night."""

    def make(root: Path) -> None:
        fmt = MAKERS[name].fmt(["id", "item"])
        contracts = f"from etl.sources.formats import *\n{tiny.CONTRACTS}".replace(
            'files="sales/{date}.csv"', f"{SOURCES[how]}, format={fmt!r}"
        )
        if tells_changes := getattr(fmt, "tells_changes", False):
            contracts = contracts.replace("unique=True", "lt=99")
        project = tiny.project(root, contracts, {} if tells_changes else tiny.SQL, raw={})
        for day in DAYS[:5]:
            rows = [[day.day, "pen"], *[["x", "pen"]] * (day.day == 2)]
            deliver(path_of(project, how, day), write(name, *rows))
        tiny.night(project)

    return make


@pytest.mark.parametrize("how", SOURCES)
@settings(max_examples=examples(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_plan_by_difference_is_that_of_looking_at_all(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, how: str, data: st.DataObject
) -> None:
    name = format_of(how)
    note(name)
    project = tiny.once(tmp_path_factory.mktemp("project"), begun(how, name))
    # a copy has other inodes
    assert planned(project, Scope(LAST))
    for _ in range(2):
        changes = st.tuples(st.sampled_from([*CONTENTS, *OF_FILES, *OF_OTHERS]), st.sampled_from(DAYS))
        for change, day in data.draw(st.lists(changes, max_size=4)):
            path = path_of(project, how, day)
            if change in CONTENTS:
                deliver(path, CONTENTS[change](path, partial(write, name)))
            elif change in OF_FILES:
                OF_FILES[change](path)
            else:
                OF_OTHERS[change](project, str(path.relative_to(project.raw)), str(day))
        for scope in data.draw(st.permutations(SCOPES))[:2]:
            by_difference = planned(project, scope)
            with monkeypatch.context() as looking:
                looking.setattr(deliveries, "may_settle", lambda *_, **__: {})
                assert by_difference == planned(project, scope)


def test_a_night_with_one_new_day_makes_nothing_of_those_that_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tiny.project(tmp_path, raw={f"sales/{day}.csv": f"id,item\n{day.day},pen\n" for day in DAYS[:5]})
    tiny.night(project)
    tiny.deliver(project, {f"sales/{DAYS[5]}.csv": "id,item\n6,pen\n"})
    made: list[date] = []
    make = tables._partition
    monkeypatch.setattr(tables, "_partition", lambda source, day, one: made.append(day) or make(source, day, one))

    planned = tiny.night(project)

    assert made == [DAYS[5]]
    assert planned.held["sales"]._made == {}
    assert tiny.published(project, "select count(*) from raw.sales") == [(6,)]
