"""What is published is audited again between two nights: told once, and rolled back where an audit asks for it."""

import hashlib
import random
from datetime import date
from pathlib import Path

import duckdb
import pytest

from etl.contract.audit_kinds import AUDIT_KEYS
from etl.errors import AlreadyRunning, AuditError, ModelError, PublishError, PublishHeld
from etl.ledger import Ledger
from etl.ledger.history import History
from etl.ledger.lock import locked
from etl.operations.published_audit import BY, Audited, audit_published
from etl.project import Project
from etl.stages import published
from tests.support import tiny
from tests.support.told import telling_to

BAD = {"sales/2024-03-02.csv": "id,item\n3,spoiled\n"}
SPOILED = "-- fail: nobody can sell it\n{}select id, item from raw.sales where item = 'spoiled'"
ROLLBACK = "-- rollback\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three generations: a good one, one with a spoiled item, and one more with it."""
    return tiny.once(tmp_path, _published)


@pytest.fixture
def told(monkeypatch):
    with telling_to(monkeypatch) as found:
        yield found


def _published(root: Path) -> None:
    project = tiny.project(root)
    tiny.night(project)
    tiny.deliver(project, BAD)
    tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(project)
    assert len(published.generations(project)) == 3


def ask(project: Project, name: str = "spoiled", text: str = SPOILED.format(ROLLBACK)) -> None:
    (project.sql / "audits").mkdir(exist_ok=True)
    (project.sql / "audits" / f"{name}.sql").write_text(text)


def audit(project: Project) -> Audited:
    return audit_published(project, Ledger(project.ledger))


def state(project: Project) -> tuple[str | None, list[str], str, list[object]]:
    """Return what is current, what there is, what is published, byte by byte, and every switch."""
    content = hashlib.sha256(project.warehouse.read_bytes()).hexdigest()
    switches: list[object] = list(Ledger(project.ledger).switches())
    return published.current(project), published.generations(project), content, switches


def test_what_is_sound_is_audited_and_left_alone(project, told) -> None:
    before, checks = state(project), Ledger(project.ledger).checks()

    found = audit(project)

    found.check()
    assert {check.name for check in found.verdict.checks} == set(checks)
    assert told.messages() == []
    assert state(project) == before
    assert Ledger(project.ledger).checks() == checks
    run_id = found.verdict.checks[0].run_id
    noted = Ledger(project.ledger).ask("select name from check_history where run_id = ?", (run_id,))
    assert {name for (name,) in noted} == set(checks)
    assert not (project.scratch / "audited.duckdb").exists()


def test_what_is_found_is_told_once_and_so_is_its_end(project, told) -> None:
    before = state(project)
    ask(project, text=SPOILED.format(""))

    for _ in range(2):
        with pytest.raises(AuditError, match=r"audits.spoiled found 1 offending row in raw.sales: nobody can"):
            audit(project).check()

    (message,) = told.messages()
    assert "What is published breaks an audit: audits.spoiled found 1 row" in message
    assert "id = 3, item = spoiled" in message
    assert state(project) == before
    (project.sql / "audits/spoiled.sql").unlink()
    audit(project).check()
    audit(project).check()
    (message,) = told.messages()
    assert "green again" in message.splitlines()[0]


def test_a_warning_that_the_night_has_not_told_is_told_once(project, told) -> None:
    ask(project, text="-- warn: strange\nselect id from raw.sales where item = 'spoiled'")

    audit(project).check()
    audit(project).check()

    (message,) = told.messages()
    assert "audits.spoiled found 1 row in raw.sales" in message


def test_what_an_audit_asks_for_is_rolled_back_once_and_held(project, told) -> None:
    first, _, last = published.generations(project)
    ask(project)

    found = audit(project)

    with pytest.raises(AuditError, match=rf"{last} was rolled back, and {first} is the current generation"):
        found.check()
    assert published.current(project) == first
    (message,) = told.messages()
    assert message.count("rolled back") and "audits.spoiled found 1 offending row" in message
    hold = published.read_hold(project)
    assert hold is not None
    assert (hold.by, hold.held) == (BY, last)
    assert "nobody can sell it" in hold.reason and "sales 2024-03-02" in hold.came_with
    switch = Ledger(project.ledger).switches()[0]
    assert (switch.generation, switch.kind, switch.by, switch.reason) == (first, "rollback", BY, hold.reason)

    before = state(project)
    audit(project).check()
    assert state(project) == before and told.messages() == []
    (project.sql / "audits/spoiled.sql").unlink()
    tiny.deliver(project, {"sales/2024-03-04.csv": "id,item\n5,cup\n"})
    with pytest.raises(PublishHeld, match="etl audit --published"):
        tiny.night(project)

    tiny.deliver(project, {"sales/2024-03-02.csv": "id,item\n3,book\n"})
    tiny.night(project)
    ask(project)
    audit(project).check()
    (message,) = told.messages()
    assert "green again" in message.splitlines()[0]


def test_a_rollback_that_was_killed_before_it_was_told_is_told_by_the_next_one(project, told, monkeypatch) -> None:
    ask(project)
    monkeypatch.setattr(History, "note_checks", _killed)
    with pytest.raises(KeyboardInterrupt):
        audit(project)
    monkeypatch.undo()
    monkeypatch.setenv("ETL_NOTIFY", "json://127.0.0.1/hook")
    with telling_to(monkeypatch) as told:
        audit(project).check()
        audit(project).check()
        (message,) = told.messages()
    assert "An audit rolled back what was published" in message


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_with_nothing_to_go_back_to_nothing_changes_and_that_is_said(project, told) -> None:
    before = state(project)
    ask(project, text="-- fail: no books\n-- rollback\nselect id from raw.sales where item = 'book'")

    for _ in range(2):
        with pytest.raises(
            AuditError, match=r"No earlier generation passes audits.spoiled, so nothing was rolled"
        ):
            audit(project).check()

    (message,) = told.messages()
    assert "so nothing was rolled back" in message
    assert state(project) == before and published.read_hold(project) is None


def test_an_audit_that_cannot_be_run_rolls_nothing_back(project, told) -> None:
    before = state(project)
    ask(project, text="-- fail: no number\n-- rollback\nselect id from raw.sales where item::int > 3")

    with pytest.raises(AuditError, match="it cannot be run"):
        audit(project).check()

    assert state(project) == before


def test_two_audits_go_back_to_a_generation_that_both_pass(project) -> None:
    first, second, _ = published.generations(project)
    ask(project, "cups", "-- fail: no cups\n-- rollback\nselect id from raw.sales where item = 'cup'")
    assert audit(project).rolled_back == second
    ask(project)
    assert audit(project).rolled_back == first
    assert audit(project).rolled_back == ""


def test_a_table_that_is_not_published_yet_is_left_out(project) -> None:
    (project.sql / "marts/later.sql").write_text("-- unique: item\nselect item from raw.sales")

    found = audit(project)

    found.check()
    assert found.verdict.left_out == ["marts.later.unique.item"]


#: Of each kind that a header can ask for, a line that does not hold for marts.items.
BROKEN = {
    "unique": "sales",
    "not_null": "gone",
    "references": "item = marts.few.item",
    "accepted_values": "item = book",
    "row_count": "at least 100",
    "freshness": "day within 2 days",
    "sums_to": "sales = marts.few.sales",
}


@pytest.mark.parametrize("key", sorted({*AUDIT_KEYS} - {"drift"}))
def test_each_kind_that_a_header_asks_for_is_judged(tmp_path, key) -> None:
    columns = "null::int as gone, date '2024-03-01' as day"
    model = f"select item, count(*) as sales, {columns} from raw.sales group by item"
    few = "select 'book' as item, 1 as sales"
    project = tiny.project(tmp_path, sql={"marts/items.sql": model, "marts/few.sql": few})
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n7,cup\n"})
    tiny.night(project)
    audit(project).check()
    (project.sql / "marts/items.sql").write_text(f"-- {key}: {BROKEN[key]}\n{model}")

    found = audit(project)

    assert [name for name in found.verdict.failed if name.startswith(f"marts.items.{key}")] and found.verdict.run
    assert {*found.verdict.failed} <= {*found.verdict.run}


def test_drift_is_judged_by_the_profiles_that_are_published(tmp_path) -> None:
    model = "select id, case when id > 90 then id * 1000 else id end as size from raw.sales"
    project = tiny.project(tmp_path, sql={"marts/sizes.sql": model}, raw={})
    for day in range(1, 5):
        rows = "".join(f"{number},book\n" for number in range(day * 25 - 24, day * 25 + 1))
        tiny.deliver(project, {f"sales/2024-03-0{day}.csv": f"id,item\n{rows}"})
        tiny.night(project, date(2024, 3, day))
    audit(project).check()
    (project.sql / "marts/sizes.sql").write_text(f"-- drift: size by distinct 1% against the last 2\n{model}")

    found = audit(project)

    assert [name for name in found.verdict.failed if name.startswith("marts.sizes.drift")]
    assert {*found.verdict.failed} <= {*found.verdict.run}


def test_contracts_are_judged_too(project) -> None:
    contract = "\nclass Items(pa.DataFrameModel):\n    item: str = pa.Field(isin=['book'])\n    sales: int\n"
    contract += "    class Config:\n        name = 'marts.items'\n"
    with (project.contracts / "all.py").open("a") as file:
        file.write(contract)

    with pytest.raises(AuditError, match=r"marts.items.item.isin found \d offending rows? in marts.items"):
        audit(project).check()


def test_laws_are_judged_too(project) -> None:
    file = project.warehouse.resolve()
    file.chmod(0o600)
    with duckdb.connect(str(file)) as con:
        con.execute("delete from raw.sales where id = 3")

    with pytest.raises(AuditError, match=r"raw.sales.nothing_lost found 1 offending row"):
        audit(project).check()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("audits/a.sql", "-- warn: x\n-- rollback\nselect id from raw.sales"),
        ("audits/a.sql", "-- fail: x\n-- rollback: yes\nselect id from raw.sales"),
        ("audits/a.sql", "-- fail: x\nselect id from raw.sales\n-- rollback"),
        ("marts/a.sql", "-- rollback\nselect id from raw.sales"),
    ],
)
def test_a_rollback_that_would_not_be_kept_is_refused(project, path, text) -> None:
    (project.sql / "audits").mkdir(exist_ok=True)
    (project.sql / path).write_text(text)

    with pytest.raises(ModelError, match=rf"sql/{path}.*rollback"):
        audit(project)


def test_a_run_that_is_under_way_is_not_disturbed(project) -> None:
    with locked(project, "another"), pytest.raises(AlreadyRunning):
        audit(project)


def test_nothing_is_published_yet(tmp_path) -> None:
    with pytest.raises(PublishError, match="Nothing is published yet"):
        audit(tiny.project(tmp_path))


def test_random_generations_go_back_to_the_newest_that_passes(tmp_path) -> None:
    project, spoiled = tiny.project(tmp_path, settings="threads = 1\nkeep_generations = 9\n"), []
    for number in range(4):
        spoiled.append(random.random() < 0.5)
        item = "spoiled" if spoiled[-1] else "pen"
        tiny.deliver(project, {"sales/2024-03-02.csv": f"id,item\n{number + 10},{item}\n"})
        tiny.night(project)
    there = published.generations(project)
    good = [name for name, is_bad in zip(there, spoiled, strict=True) if not is_bad]
    ask(project)

    audit(project)

    assert published.current(project) == (good[-1] if good else there[-1])
