"""Without personal data and with a part of large inputs, a step fails again from what it has left."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.contract.masking import MASKS
from etl.ledger import Ledger
from etl.models.kinds import KINDS
from etl.operations.debug import find_bundle, replay
from etl.plan import Scope, make_plan
from etl.project import load_project
from etl.run.failures.masks import Masks
from etl.stages.lake.corrections import Correction, add_corrections, corrections_file, record_hash
from tests.operations.debug.test_debug import CASES, COLUMNS, LAST, Case, building, fail, moved, replayed
from tests.sources.formats.makers import MAKERS
from tests.support import tiny

pytestmark = pytest.mark.sampled

CANARY = "Canary"
KEY = "0123456789abcdefghij"


def contracts(fmt: object, pii: str, more: str = "") -> str:
    return f"""
import pandera.pandas as pa
from etl import Source
from etl.sources.formats import *

class Sales(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True, str_length={{"max_value": 12}}, metadata={{"pii": "{pii}"}})
    price: int
{more}

sales = Source(contract=Sales, files="sales/{{date}}.dat", max_rejects=0, format={fmt!r})
"""


def traces_of(folder: Path, *texts: str) -> list[str]:
    """Return the files of a bundle that hold one of the texts."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files for text in texts if text.encode() in path.read_bytes()]


@pytest.mark.parametrize(("name", "pii"), list(zip(MAKERS, cycle(MASKS), strict=False)))
def test_a_delivery_of_every_format_fails_again_without_its_personal_data(
    name: str, pii: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_MASK_KEY", KEY)
    maker = MAKERS[name]
    rows = [[1, f"{CANARY} 41", 9], ["x", f"{CANARY}-42", 2], [3, None, 5], [4, f"{CANARY} 41", 7]]
    case = Case(
        "extract",
        "sales",
        contracts(maker.fmt(COLUMNS), pii),
        {},
        {"sales/2024-03-01.dat": maker.write(COLUMNS, rows)},
    )
    folder = moved(fail(case, tmp_path / "shop"), tmp_path / "elsewhere")
    monkeypatch.delenv("ETL_MASK_KEY")
    monkeypatch.setenv("ETL_MASK_KEY", "")
    done = replay(find_bundle(None, str(folder)))
    assert [item["kept"] for item in done.bundle.facts["inputs"]] == ["masked"]
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"
    assert traces_of(folder, CANARY) == []


@pytest.mark.parametrize("name", MAKERS)
def test_of_a_large_delivery_of_every_format_the_records_that_broke_it_are_kept(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.run.failures.deliveries.MOST", 100)
    monkeypatch.setattr("etl.run.failures.deliveries._SOUND", 20)
    monkeypatch.setattr("etl.run.failures.deliveries._FIRST", 5)
    maker = MAKERS[name]
    rows: list[list[Any]] = [["x" if n == 1234 else n, f"item {n}", n] for n in range(2000)]
    case = Case(
        "extract",
        "sales",
        contracts(maker.fmt(COLUMNS), "").replace(', metadata={"pii": ""}', ""),
        {},
        {"sales/2024-03-01.dat": maker.write(COLUMNS, rows)},
        settings="threads = 1\nfailure_megabytes = 1\n",
    )
    monkeypatch.setattr("etl.run.failures.bundle._MEGABYTE", 10_000)
    # quarantine says which record it was: nothing has to be searched
    monkeypatch.setattr("etl.run.failures.deliveries.Reducing._halved", lambda self: pytest.fail("searched"))
    done = replayed(case, tmp_path)
    (item,) = done.bundle.facts["inputs"]
    assert (item["kept"], len(item["layout"]["lines"]) < 100) == ("a sample", True)
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"


_TAGGED = """
class Items(pa.DataFrameModel):
    item: str = pa.Field(nullable=True, metadata={"pii": "drop"})

    class Config:
        name = "marts.items"
        strict = False
"""


def of_a_person(case: Case) -> Case:
    """Return a case in which the items that were sold are personal data, as the contract of a table alone says."""
    untyped = case.contracts.split("class Items")[0]
    case.contracts = untyped + _TAGGED
    case.raw = {"sales/2024-03-01.csv": f"id,item\n1,book\n2,{CANARY}\n"}
    case.sql = {
        path: text.replace("'pen'", f"'{CANARY[:1]}' || '{CANARY[1:]}'") for path, text in case.sql.items()
    }
    return case


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_every_kind_fails_again_without_personal_data(kind: str, tmp_path: Path) -> None:
    folder = moved(fail(of_a_person(building(kind)), tmp_path / "shop"), tmp_path / "elsewhere")
    found = traces_of(folder, CANARY)
    done = replay(find_bundle(None, str(folder)))
    assert [item["kept"] for item in done.bundle.facts["inputs"]] == ["masked"]
    assert found == traces_of(folder, CANARY) == []
    # one that looks for a certain value does not find it any more
    assert kind not in ("view", "python", "command") or done.is_reproduced, done.error


STEPS: dict[str, Callable[[], Case]] = {
    "extract": lambda: Case("extract", "sales", raw={}),
    "load": lambda: CASES["load"](),
    "audit": lambda: Case(
        "audit", sql={**tiny.SQL, "audits/few.sql": "-- fail: too few\nselect * from raw.sales"}
    ),
    "publish": lambda: CASES["publish"](),
}


@pytest.mark.parametrize("step", STEPS)
def test_what_lineage_says_is_personal_data_is_in_no_step(step: str, tmp_path: Path) -> None:
    case = of_a_person(STEPS[step]())
    case.sql = {"marts/items.sql": "select item, count(*) as n from raw.sales group by item", **case.sql}
    if step == "extract":
        case.raw = {
            "sales/2024-03-01.csv": f"id,thing\n1,{CANARY}\n",
            "sales/2024-03-02.csv": f"id,item\nx,{CANARY}\n",
        }
    folder = moved(fail(case, tmp_path / "shop"), tmp_path / "elsewhere")
    assert traces_of(folder, CANARY) == []
    done = replay(find_bundle(None, str(folder)))
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"


@pytest.mark.parametrize("header", ["id,price", "id,thing,price", "id,item,item,price", "id,item,price,more"])
@pytest.mark.parametrize("pii", ["", ', metadata={"pii": "drop"}'])
def test_a_wrong_header_is_as_wrong_there(header: str, pii: str, tmp_path: Path) -> None:
    text = contracts(MAKERS["Csv"].fmt(COLUMNS), "").replace(', metadata={"pii": ""}', pii)
    cells = ",".join(CANARY if name in ("item", "thing") else "1" for name in header.split(","))
    case = Case("extract", "sales", text, {}, {"sales/2024-03-01.dat": f"{header}\n{cells}\n"})
    folder = moved(fail(case, tmp_path / "shop"), tmp_path / "elsewhere")
    done = replay(find_bundle(None, str(folder)))
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"
    is_there = bool(traces_of(folder, CANARY))
    assert is_there is (not pii and ("item" in header or "thing" in header))


def test_one_half_after_the_other_is_tried_if_nothing_tells_which_record_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.run.failures.deliveries.MOST", 60)
    monkeypatch.setattr("etl.run.failures.deliveries._FIRST", 5)
    monkeypatch.setattr("etl.run.failures.deliveries._SOUND", 10)
    monkeypatch.setattr("etl.run.failures.bundle._MEGABYTE", 3_000)
    text = contracts(MAKERS["Csv"].fmt(COLUMNS), "").replace(', metadata={"pii": ""}', "")
    check = """
    @pa.check("price")
    def quick(cls, series):
        if (series == 777).any():
            raise ValueError("no")
        return series >= 0
"""
    text = text.replace("    price: int\n", f"    price: int\n{check}")
    rows = "".join(f"{n},item,{n}\n" for n in range(1000))
    case = Case("extract", "sales", text, {}, {"sales/2024-03-01.dat": f"id,item,price\n{rows}"})
    case.settings = "threads = 1\nfailure_megabytes = 1\n"
    done = replayed(case, tmp_path)
    (item,) = done.bundle.facts["inputs"]
    assert 779 in [line for _, line in item["layout"]["lines"]]
    assert (len(item["layout"]["lines"]) <= 60, done.is_reproduced) == (True, True), done.error


def test_a_decision_about_a_masked_record_is_about_it_still(tmp_path: Path) -> None:
    text = tiny.CONTRACTS.replace("nullable=True", 'nullable=True, metadata={"pii": "drop"}')
    text = text.replace('"sales/{date}.csv"', '"sales/{date}.csv", max_rejects=0')
    case = Case("extract", "sales", text, {}, {"sales/2024-03-01.csv": f"id,item\nx,{CANARY}\ny,{CANARY} 2\n"})
    root = tmp_path / "shop"
    tiny.project(root, text, {}, case.raw, case.settings)
    project = load_project(root)
    source = make_plan(project, Ledger(project.ledger), Scope(LAST)).catalog.sources["sales"]
    decided = Correction(
        file="sales/2024-03-01.csv", line=2, sha256=record_hash(f"x,{CANARY}", None), action="replace"
    )
    decided = replace(decided, text=f"7,{CANARY}")
    file = corrections_file(project, source, tiny.DAY)
    file.parent.mkdir(parents=True)
    add_corrections(file, [decided], tmp_path / "aside")
    folder = moved(fail(case, root), tmp_path / "elsewhere")
    done = replay(find_bundle(None, str(folder)))
    assert "1 of 2 records" in done.bundle.message
    assert "1 of 2 records" in str(done.error)
    assert traces_of(folder, CANARY) == []


LARGE: dict[str, Callable[[], Case]] = {
    "python": lambda: building("python"),
    "load": lambda: CASES["load"](),
    "audit": lambda: Case(
        "audit", sql={**tiny.SQL, "audits/few.sql": "-- fail: too few\nfrom raw.sales where item = 'pen'"}
    ),
    "publish": lambda: CASES["publish"](),
}


@pytest.mark.parametrize("name", LARGE)
def test_of_a_large_warehouse_every_step_fails_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.run.failures.sample._ROWS", 16)
    monkeypatch.setattr("etl.run.failures.bundle._MEGABYTE", 200_000 if name == "python" else 400_000)
    rows = "".join(f"{n},{'pen' if n == 4321 else f'book {n}'}\n" for n in range(20_000))
    case = LARGE[name]()
    case.raw = {"sales/2024-03-01.csv": f"id,item\n{rows}"}
    if name == "python":
        case.sql = {"marts/items.py": _PEN}
    case.settings = "threads = 1\nfailure_megabytes = 1\nstorage_version = v1.2.0\n"
    done = replayed(case, tmp_path)
    build = next(item for item in done.bundle.facts["inputs"] if item["name"].endswith("build.duckdb"))
    # nothing is loaded yet where loading fails
    assert build["kept"] == ("whole" if name == "load" else "a sample")
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"


@pytest.mark.parametrize("rows", [16, 100_000])
@pytest.mark.parametrize("name", ["items", "daily"])
def test_rows_that_lie_in_files_go_along(
    name: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.run.failures.sample._ROWS", rows)
    monkeypatch.setattr("etl.run.failures.bundle._MEGABYTE", 400_000)
    texts = {
        "items": "select id, {} as i from marts.daily",
        "daily": f"{_FILES}select id, {{}} as item, delivery_date from raw.sales",
    }
    broken = "case when item = 'pen' then error('no pen') else item end"
    raw = "".join(f"{n},{'pen' if n == 1_234 else f'book {n}'}\n" for n in range(2_000))
    case = Case("transform", f"marts.{name}", raw={"sales/2024-03-01.csv": f"id,item\n{raw}"})
    case.contracts = tiny.CONTRACTS.replace('csv"', 'csv", load="view"')
    case.sql = {f"marts/{n}.sql": text.format(broken if n == name else "item") for n, text in texts.items()}
    done = replayed(case, tmp_path)
    assert done.is_reproduced, f"{done.bundle.message}\n{done.error}"


_FILES = "-- materialized: incremental\n-- partition: delivery_date\n-- storage: lake\n"
_PEN = '''READS = ["raw.sales"]


def model(inputs, ctx):
    """Fails."""
    for row in inputs["raw.sales"].fetchall():
        if row[1] == "pen":
            raise ValueError("no pen")
    return inputs["raw.sales"].project("item")
'''


@given(st.lists(st.text(max_size=12), unique=True, max_size=40))
def test_other_texts_have_the_same_shape_and_stay_apart(texts: list[str]) -> None:
    masks = Masks()
    masked = [masks.text(text) for text in texts]
    assert [len(text) for text in masked] == [len(text) for text in texts]
    assert [masks.text(text) for text in texts] == masked
    long = [other for text, other in zip(texts, masked, strict=True) if len(re.findall("[a-zA-Z0-9]", text)) > 3]
    assert len(set(long)) == len(long)


VALUES = {
    "BIGINT": st.integers(-(10**9), 10**9).map(str),
    "DOUBLE": st.floats(-1e9, 1e9).map(str),
    "DECIMAL(18,2)": st.decimals(-(10**9), 10**9, places=2).map(str),
    "DATE": st.dates().map(str),
    "TIMESTAMP": st.datetimes().map(str),
    "TIMESTAMP WITH TIME ZONE": st.datetimes().map(lambda moment: f"{moment}+02:00"),
    "BOOLEAN": st.booleans().map(str),
    "UUID": st.uuids().map(str),
    "STRUCT(a VARCHAR, b INTEGER[])": st.builds(
        lambda a, b: json.dumps({"a": a, "b": b}), st.text(), st.lists(st.integers())
    ),
}


@pytest.mark.parametrize("type", VALUES)
@given(data=st.data())
def test_what_can_be_cast_can_be_cast_still(type: str, data: st.DataObject) -> None:
    text = data.draw(VALUES[type])
    cast = f"select try_cast(? as {type}) is not null"
    if type != "UUID":
        assert (
            duckdb.execute(cast, [Masks().value(text, type)]).fetchall() == duckdb.execute(cast, [text]).fetchall()
        )
