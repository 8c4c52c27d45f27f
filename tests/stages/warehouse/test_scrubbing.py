"""Law: no byte of a value that was masked, replaced or withdrawn is in anything published, kept or left behind."""

import random
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from etl.contract.masking import MASKS
from etl.engine import connections
from etl.errors import AuditError
from etl.ledger import Ledger
from etl.project import Project
from etl.project.files import sha256
from etl.stages.published import current
from etl.stages.warehouse import scrub
from tests.support import tiny
from tests.support.everything import written

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class People(pa.DataFrameModel):
    id: int = pa.Field(gt=0)
    code: str = pa.Field(nullable=True, str_length={"min_value": 9}, metadata=%s)

people = Source(contract=People, files=%r, optional=True)
"""
SQL = {
    "marts/people.sql": "-- materialized: table\nselect * from raw.people",
    "audits/few.sql": "-- fail: too many rows\nselect code from marts.people where id > 900",
}
DAYS = ("2024-03-01", "2024-03-02", "2024-03-03")


def codes(day: str) -> list[str]:
    """Return the values of a day, 300 of them, which are in no other day."""
    drawn = random.Random(day)
    return ["".join(drawn.choices(string.ascii_letters, k=40)) for _ in range(300)]


def delivery(day: str) -> str:
    # the last one is rejected for its id, and its text is in quarantine
    return "id,code\n" + "".join(f"{n or -1},{code}\n" for n, code in enumerate(codes(day)))


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Project]:
    """Return a project after a night, with the code in clear unless `mask` says otherwise."""
    monkeypatch.setenv("ETL_MASK_KEY", "k3y of 16 letters or more")
    configure = connections._configure

    def uncompressed(con: duckdb.DuckDBPyConnection, project: Project) -> None:
        configure(con, project)
        con.execute("pragma force_compression = 'uncompressed'")

    # compressed values cannot be searched for, though they are there
    monkeypatch.setattr(connections, "_configure", uncompressed)

    def make(mask: str = "None", files: str = "people/{date}.csv") -> Project:
        raw = {f"people/{day}.csv": delivery(day) for day in DAYS}
        settings = "threads = 1\nkeep_generations = 1\n"
        project = tiny.project(tmp_path, CONTRACTS % (mask, files), SQL, raw, settings)
        tiny.night(project)
        return project

    return make


def declare(project: Project, mask: str, files: str = "people/{date}.csv") -> None:
    (project.root / "contracts/all.py").write_text(CONTRACTS % (mask, files))


def left(project: Project, day: str) -> dict[str, int]:
    """Return how many values of a day are in each file below data/, raw/ left out."""
    wanted, counts = codes(day), Counter[str]()
    for path, text in written(project):
        counts[path] += sum(code in text for code in wanted)
    return {path: count for path, count in counts.items() if count}


def test_values_in_clear_are_found_by_their_bytes(people: Callable[..., Project]) -> None:
    found = left(people(), DAYS[0])
    assert found["warehouse/build.duckdb"] > 250
    assert any(path.startswith("warehouse/generations/") and count > 250 for path, count in found.items())


@pytest.mark.parametrize("mask", MASKS)
def test_a_column_that_is_masked_later_leaves_nothing_behind(people: Callable[..., Project], mask: str) -> None:
    project = people()
    declare(project, f'{{"pii": {mask!r}}}')
    tiny.night(project)
    assert [left(project, day) for day in DAYS] == [{}, {}, {}]


def withdraw(project: Project) -> None:
    (project.raw / "people" / f"{DAYS[1]}.csv").unlink()


def deliver_again(project: Project) -> None:
    tiny.deliver(project, {f"people/{DAYS[1]}.csv": "id,code\n1,another-code\n"})


def remove_source(project: Project) -> None:
    (project.root / "contracts/all.py").write_text("")
    for path in SQL:
        (project.sql / path).unlink()
    (project.sql / "marts/people.sql").write_text("select 1 as one")


@pytest.mark.parametrize("change", [withdraw, deliver_again, remove_source])
def test_a_day_that_goes_leaves_nothing_in_the_warehouse(
    people: Callable[..., Project], change: Callable[[Project], None]
) -> None:
    # masked or not: what is kept of a person goes with the day
    project = people('{"pii": "drop", "aliases": []}')
    before = current(project)
    change(project)
    tiny.night(project)
    assert current(project) != before
    assert tiny.ask(project.build, "select count(*) from etl._removed") == [(0,)]
    found = {path: n for path, n in left(project, DAYS[1]).items() if path.startswith("warehouse")}
    assert found == {}


def test_a_failed_audit_sets_nothing_aside_that_was_masked(people: Callable[..., Project]) -> None:
    project = people()
    declare(project, '{"pii": "hash"}')
    tiny.deliver(project, {"people/2024-03-04.csv": "id,code\n901,some-long-code\n"})
    with pytest.raises(AuditError):
        tiny.night(project)
    found = left(project, DAYS[0])
    # what is published is as it was: the generation of the night before
    assert {(project.data / path).resolve() for path in found} == {project.warehouse.resolve()}
    assert (project.current.parent / "candidate").is_dir()
    (project.raw / "people/2024-03-04.csv").unlink()
    tiny.night(project)
    assert left(project, DAYS[0]) == {}


def test_messages_about_rows_go_too(people: Callable[..., Project]) -> None:
    project = people()
    tiny.deliver(project, {"people/2024-03-04.csv": "id,code\n901,canary-of-an-audit\n"})
    with pytest.raises(AuditError) as error:
        tiny.night(project)
    Ledger(project.ledger).note_problem("run-1", "AuditedWarehouse", str(error.value))
    assert b"canary-of-an-audit" in b"".join(path.read_bytes() for path in project.data.glob("ledger.sqlite*"))
    declare(project, '{"pii": "hash"}')
    (project.raw / "people/2024-03-04.csv").unlink()
    tiny.night(project)
    for path in project.data.rglob("*"):
        assert not path.is_file() or b"canary-of-an-audit" not in path.read_bytes(), path


def test_a_source_without_personal_data_is_not_rewritten(
    people: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = people()
    monkeypatch.setattr("etl.stages.warehouse.scrubbing.compact", lambda *_, **__: pytest.fail("rewritten"))
    withdraw(project)
    tiny.night(project)


def test_a_build_that_cannot_be_rewritten_is_not_published(
    people: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = people('{"pii": "drop"}')
    before = current(project)
    withdraw(project)
    monkeypatch.setattr("etl.stages.warehouse.scrubbing.compact", lambda *_, **__: False)
    with pytest.raises(Exception, match=r"personal data of people .* could not be rewritten"):
        tiny.night(project)
    assert current(project) == before


def test_a_scrub_without_need_opens_nothing_else(people: Callable[..., Project]) -> None:
    project = people('{"pii": "drop"}')
    before = project.build.stat().st_ino
    scrub(project, Ledger(project.ledger), "run-9")
    assert project.build.stat().st_ino == before


def test_a_build_of_another_layout_is_scrubbed(people: Callable[..., Project]) -> None:
    project = people()
    with duckdb.connect(str(project.build)) as con:
        con.execute("alter table etl.runs rename column outcome to ended")
    declare(project, '{"pii": "drop"}')
    tiny.night(project)
    assert [left(project, day) for day in DAYS] == [{}, {}, {}]


def test_the_hash_of_a_small_file_with_personal_data_is_keyed(people: Callable[..., Project]) -> None:
    project = people('{"pii": "drop"}')
    plain = [sha256(project.raw / f"people/{day}.csv") for day in DAYS]
    record = (project.current / "generation.json").read_text()
    listed = [row[0] for row in tiny.published(project, "select sha256 from etl.partitions order by date")]
    assert not set(plain) & set(listed) and not any(text in record for text in plain)
    assert len(set(listed)) == 3
