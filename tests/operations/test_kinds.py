"""Every kind of model goes the whole way: built, audited, published, exported, compared and reproduced."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from etl.errors import AuditError
from etl.models.kinds import KINDS
from etl.operations.diff import Request, compare
from etl.operations.reproduce import reproduce
from etl.project import Project
from etl.stages import published
from tests.operations.test_reproduce import commit, git, night
from tests.support import tiny
from tests.support.kinds import SAMPLES, TRIED

CONTRACTS = """
import pandas as pd
import pandera.pandas as pa
from etl import Source

class Feed(pa.DataFrameModel):
    id: pd.Int64Dtype = pa.Field(nullable=True)
    seq: int
    city: str
    gone: bool
    note: str

class Counted(pa.DataFrameModel):
    id: pd.Int64Dtype = pa.Field(nullable=True)
    times: int

    class Config:
        name = "marts.python"

class Copied(Feed):
    day: pa.DateTime

    class Config:
        name = "marts.command"

feed = Source(contract=Feed, files="feed/{date}.csv", partition="day")
"""
HEADER = "id,seq,city,gone,note\n"
FEED = {
    "feed/2024-03-01.csv": f"{HEADER}1,1,Ulm,false,a\n2,2,Bonn,false,b\n3,3,Kiel,false,c\n",
    "feed/2024-03-02.csv": f"{HEADER}2,4,Jena,false,d\n3,5,Kiel,true,e\n4,6,Ulm,false,f\n",
}
STORED = [kind for kind in TRIED if KINDS[kind].is_stored]


def exported(kind: str) -> tuple[str, str]:
    """Return file and text of the sample of a kind, which goes to the lake too if it has rows."""
    file, text = SAMPLES[kind]
    mark = "#" if file.endswith(".py") else "--"
    return file, f"{mark} export: parquet\n{text}" if kind in STORED else text


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.once(tmp_path / "kinds", published_twice)


def published_twice(root: Path) -> None:
    project = tiny.project(root, CONTRACTS, dict(map(exported, TRIED)), {})
    git(project, "init", "-q")
    commit(project)
    for number, (file, text) in enumerate(FEED.items(), 1):
        tiny.deliver(project, {file: text})
        night(project, date(2024, 3, number))


def files(project: Project) -> tuple[Path, Path]:
    first, second = sorted(path for path in project.generations.iterdir() if path.is_dir())
    return first / published.FILE, second / published.FILE


def test_what_is_exported_is_what_is_published(project: Project) -> None:
    for kind in STORED:
        held = tiny.published(project, f"from marts.{kind} order by all")
        lake = duckdb.sql(f"from '{project.lake}/marts/{kind}/**/*.parquet' order by all").fetchall()
        assert held and lake == held, kind


def test_two_generations_are_compared_by_the_key_of_the_kind(project: Project) -> None:
    record = published.read_record(project.current)
    assert record is not None
    keys = {name: held.key for name, held in record.tables.items()}
    found = {compared.table: compared for compared in compare(project, Request(files(project), keys=keys))}

    for kind in TRIED:
        assert found[f"marts.{kind}"].status == "changed", kind
        before, after = (set(tiny.ask(file, f"from marts.{kind}")) for file in files(project))
        compared = found[f"marts.{kind}"]
        assert compared.added + compared.changed == len(after - before), kind
        assert compared.removed + compared.changed == len(before - after), kind


def test_each_generation_comes_back_as_it_was(project: Project) -> None:
    for file in files(project):
        with reproduce(project, file.parent.name) as found:
            assert found.different == []


def test_a_row_that_breaks_a_promise_is_found_in_each(project: Project) -> None:
    before = published.current(project)
    tiny.deliver(project, {"feed/2024-03-03.csv": f"{HEADER},7,Ulm,false,g\n"})

    with pytest.raises(AuditError) as error:
        night(project, date(2024, 3, 3))

    assert [kind for kind in TRIED if f"marts.{kind}" not in str(error.value)] == []
    assert published.current(project) == before
