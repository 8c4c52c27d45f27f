"""An audit by partition finds what an audit of all rows finds, whatever happened in the nights before."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract.audit_kinds import AUDIT_KINDS
from etl.contract.checks import _OPERATORS, _OTHERS
from etl.errors import EtlError
from etl.ledger import Ledger
from etl.project import Project, load_project
from etl.stages import audited, published
from etl.stages.audited import Candidate, audit, proofs
from etl.stages.audited.proofs import Parts, Proofs
from tests.support import tiny
from tests.support.thorough import examples

#: A field of each built-in check of a contract, over a number or a text.
FIELDS = {
    "equal_to": "eq=3",
    "not_equal_to": "ne=3",
    "greater_than": "gt=3",
    "greater_than_or_equal_to": "ge=3",
    "less_than": "lt=6",
    "less_than_or_equal_to": "le=6",
    "in_range": "in_range={'min_value': 2, 'max_value': 7}",
    "isin": "isin=[1, 2, 3]",
    "notin": "notin=[4]",
    "str_matches": "str_matches='a'",
    "str_contains": "str_contains='b'",
    "str_startswith": "str_startswith='a'",
    "str_endswith": "str_endswith='b'",
    "str_length": "str_length={'max_value': 1}",
}
#: Lines of a header for each built-in kind of audit.
LINES = {
    "unique": ["delivery_date, item", "item"],
    "not_null": ["item", "item at least 60%", "item at least 60% by partition"],
    "references": ["item = raw.things.item", "delivery_date = marts.few.delivery_date"],
    "accepted_values": ["item = a, ab"],
    "row_count": ["at least 5", "within 50% of yesterday", "within 50% of the last 2 by partition"],
    "freshness": ["delivery_date within 2 days"],
    "drift": ["n by nulls 5% against the last 3"],
    "sums_to": ["n = raw.sales.n by delivery_date", "n = marts.few.n by delivery_date", "n = raw.sales.n"],
}
TYPES = {True: "str", False: "pd.Int64Dtype"}
CONTRACTS = """
import datetime as dt
import pandas as pd
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    n: pd.Int64Dtype = pa.Field(nullable=True, lt=7, raise_warning=True)
    item: str = pa.Field(nullable=True)

    class Config:
        metadata = {"not_null_warn": "item at least 60% by partition"}

class Thing(pa.DataFrameModel):
    item: str

class Daily(pa.DataFrameModel):
    delivery_date: dt.date
    n: pd.Int64Dtype = pa.Field(lt=90)
    item: str = pa.Field(nullable=True)
FIELDS
    @pa.check("n", raise_warning=True)
    def is_odd(cls, numbers):
        return numbers % 2 == 1

    @pa.dataframe_check(raise_warning=True)
    def is_even_or_a(cls, rows):
        return (rows["n"] % 2 == 0) | (rows["item"] == "a")

    class Config:
        name = "marts.daily"
        unique = ["delivery_date", "n", "item"]

sales = Source(contract=Sales, files="sales/{date}.csv", max_withdrawn=9, max_reject_ratio=1)
things = Source(contract=Thing, files="things.csv")
""".replace(
    "FIELDS",
    "".join(
        f"    {kind}: {TYPES[kind.startswith('str')]} = pa.Field({field}, nullable=True, raise_warning=True)\n"
        for kind, field in FIELDS.items()
    ),
)
COLUMNS = ", ".join(f"{'item' if kind.startswith('str') else 'n'} as {kind}" for kind in FIELDS)
PARTED = "-- materialized: incremental\n-- partition: delivery_date\n"
ASKED = "".join(f"-- warn {kind}: {line}\n" for kind, lines in LINES.items() for line in lines)
SQL = {
    "staging/sales.sql": "-- materialized: view\n-- warn not_null: item\nselect * from raw.sales",
    "marts/daily.sql": f"{PARTED}{ASKED}select delivery_date, n, item, {COLUMNS}\n"
    "from staging.sales where n is not null",
    "marts/few.sql": f"{PARTED}-- warn unique: item\nselect delivery_date, item, n from marts.daily where n > 4",
    "marts/total.sql": "-- warn not_null: item\nselect item, sum(n) as n from marts.few group by item",
    "audits/large.sql": "-- warn: too many\nselect delivery_date, n from marts.daily where n > 6",
}
LAST = date(2024, 3, 9)
RAW = {
    "things.csv": "item\na\nb\n",
    "sales/2024-03-01.csv": "n,item\n1,a\n4,b\n8,ab\n",
    "sales/2024-03-02.csv": "n,item\n,a\n5,\n",
    "sales/2024-03-03.csv": "n,item\n9,a\n",
}


def make(root: Path) -> None:
    project = tiny.project(root, CONTRACTS, SQL, RAW)
    tiny.night(project, LAST)
    assert Ledger(project.ledger).generations()


rows = st.lists(
    st.tuples(st.sampled_from(["", "3", "3", "4", "7", "8", "91"]), st.sampled_from(["", "a", "b", "ab", "a b"])),
    max_size=4,
)


def deliver(project: Project, number: int, given: list[tuple[str, str]]) -> None:
    lines = "".join(f"{n},{item}\n" for n, item in given)
    tiny.deliver(project, {f"sales/2024-03-0{1 + number % 6}.csv": f"n,item\n{lines}"})


def withdraw(project: Project, number: int, _: Any) -> None:
    days = sorted(project.raw.glob("sales/*.csv"))
    if len(days) > 1:
        days[number % len(days)].unlink()


def swap(folder: str, *texts: str) -> Callable[[Project, int, Any], None]:
    """Return what changes a text of the contracts or the SQL into another one, and back again."""

    def change(project: Project, number: int, _: Any) -> None:
        before, after = texts[2 * (number % (len(texts) // 2)) :][:2]
        for path in (project.root / folder).rglob("*.*"):
            text = path.read_text()
            path.write_text(text.replace(before, after) if before in text else text.replace(after, before))

    return change


contract = swap("contracts", "lt=90", "lt=8 ", "isin=[1, 2", "isin=[7, 2", "% 2 == 1", "% 2 == 0")
header = swap("sql", "item = a, ab", "item = b, ab", "at least 60%", "at least 90%", "n > 4", "n > 3")
columns = swap("sql", "n as isin", "n + 0 as isin", "-- warn unique: item", "-- warn unique: n")


def things(project: Project, number: int, given: list[tuple[str, str]]) -> None:
    lines = "".join(f"{item}\n" for _, item in [("", "a"), *given] if item)
    tiny.deliver(project, {"things.csv": f"item\n{lines}"})


def zone(project: Project, number: int, _: Any) -> None:
    text = f"[etl]\nthreads = 1\ntimezone = {('UTC', 'Asia/Tokyo')[number % 2]}\n"
    (project.root / "luigi.cfg").write_text(text)


def lose_build(project: Project, number: int, _: Any) -> None:
    project.build.unlink(missing_ok=True)


def put_aside(project: Project, number: int, _: Any) -> None:
    """Keep a copy of build.duckdb, or put it back, as it was some nights ago."""
    aside = project.root / "aside.duckdb"
    if aside.exists():
        shutil.copyfile(aside, project.build)
        aside.unlink()
    elif project.build.exists():
        shutil.copyfile(project.build, aside)


def lose_ledger(project: Project, number: int, _: Any) -> None:
    for path in project.data.glob("ledger.sqlite*"):
        path.unlink()


def roll_back(project: Project, number: int, _: Any) -> None:
    with suppress(EtlError):
        published.rollback(project, Ledger(project.ledger))


def nothing(project: Project, number: int, _: Any) -> None:
    """Leave all as it is; the night is forced if the number is odd."""


CHANGES = (
    *(deliver, deliver, deliver, withdraw, contract, header, columns, things, zone),
    *(lose_build, put_aside, lose_ledger, roll_back, nothing),
)
steps = st.tuples(st.sampled_from(CHANGES), st.integers(0, 30), rows)


@pytest.fixture(autouse=True)
def all_tables_are_large(monkeypatch: Any) -> None:
    monkeypatch.setattr(proofs, "_WORTH_ROWS", 0)


def result(ledger: Ledger) -> dict[str, Any]:
    """Return all that the checks found."""
    return {
        name: (check.table_name, check.severity, check.failing, check.failing and check.examples)
        + ((ledger.offending(name),) if check.failing else ())
        for name, check in ledger.checks().items()
    }


def whole(project: Project, candidate: Candidate) -> dict[str, Any]:
    """Return what an audit of all rows finds in a copy of the candidate."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        copy = tiny.at(project, Path(folder))
        copy.build.parent.mkdir(parents=True)
        shutil.copyfile(project.build, copy.build)
        for path in project.data.glob("ledger.sqlite*"):
            shutil.copyfile(path, copy.data / path.name)
        patch.setattr(Proofs, "parts", lambda *_: None)
        with suppress(EtlError):
            audit(copy, replace(candidate, is_build_trusted=False), Ledger(copy.ledger), "whole", "content")
        return result(Ledger(copy.ledger))


def check_night(project: Project, **scope: Any) -> None:
    """Do a night, and hold what its audit found to what an audit of all rows finds."""
    found: list[Candidate] = []

    def noting(project: Project, candidate: Candidate, *others: Any) -> Any:
        found.append(candidate)
        return audit(project, candidate, *others)

    with pytest.MonkeyPatch.context() as patch, suppress(EtlError):
        patch.setattr(audited, "audit", noting)
        tiny.night(project, LAST, **scope)
    if found:
        assert result(Ledger(project.ledger)) == whole(project, found[-1])


def test_there_is_a_sample_of_every_kind() -> None:
    assert FIELDS.keys() == {*_OPERATORS, *_OTHERS}
    assert LINES.keys() == AUDIT_KINDS.keys()


@settings(max_examples=examples(3), deadline=None)
@given(st.lists(steps, min_size=4, max_size=8))
def test_an_audit_by_partition_is_an_audit_of_all_rows(
    nights: list[tuple[Callable[..., None], int, Any]],
) -> None:
    with TemporaryDirectory() as folder:
        project = tiny.once(Path(folder).resolve() / "project", make)
        for change, number, given in nights:
            change(project, number, given)
            project = load_project(project.root)
            check_night(project, force=number % 7 == 1)


def test_only_what_is_new_is_looked_at(tmp_path: Path, monkeypatch: Any) -> None:
    project = tiny.once(tmp_path, make)
    looked: dict[tuple[str, ...], set[str]] = {}
    find = Parts.find

    def noting(self: Parts, failing: Any) -> None:
        looked.setdefault(tuple(self.columns), set()).update(map(str, self.stale))
        find(self, failing)

    monkeypatch.setattr(Parts, "find", noting)
    tiny.night(project, LAST)
    assert looked == {}
    tiny.deliver(project, {"sales/2024-03-04.csv": "n,item\n3,a\n", "sales/2024-03-02.csv": "n,item\n3,b\n"})
    check_night(project)

    new = {"2024-03-02", "2024-03-04"}
    assert looked == {
        ("raw.sales",): new,
        ("marts.daily",): {*new, "None"} & looked[("marts.daily",)],
        ("marts.daily", "raw.sales"): new,
        ("marts.daily", "marts.few"): new,
    }
