"""A bad night is told once, with what, where, why and what next; its end once; a quiet night tells nothing."""

import os
import shutil
import sqlite3
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing, suppress

import pytest

from etl.errors import EtlError, LedgerError
from etl.ledger import Ledger
from etl.ledger.history import History, StepId
from etl.ledger.lock import locked
from etl.ledger.notices import notices
from etl.project import Project
from etl.reports.notices import night as of_night
from etl.reports.notices import sending
from etl.run import active, steps, telling
from tests.support import tiny, warm
from tests.support.projects import environment
from tests.support.receivers import http
from tests.support.told import Told, night, step, telling_to

pytestmark = pytest.mark.sampled

SALES = 'sales = Source(contract=Sales, files="sales/{date}.csv"'
USAGE = namedtuple("USAGE", "total used free")


@pytest.fixture
def told(monkeypatch):
    with telling_to(monkeypatch) as found:
        yield found


@pytest.fixture
def green(tmp_path, told) -> Project:
    """A project after a night that published, of which nobody was told."""
    project = tiny.project(tmp_path / "shop")
    assert night(project, "2024-03-02") == "published"
    assert told.messages() == []
    return project


def declare(project: Project, options: str) -> None:
    text = (project.contracts / "all.py").read_text()
    (project.contracts / "all.py").write_text(text.replace(SALES, f"{SALES}, {options}"))


def missing(project: Project) -> Callable[[], None]:
    declare(project, "required=True")
    return lambda: tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})


def renamed(project: Project) -> Callable[[], None]:
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,thing\n4,cup\n"})
    return lambda: tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})


def rejected(project: Project) -> Callable[[], None]:
    declare(project, "max_rejects=1")
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\nx,cup\ny,cup\n4,cup\n"})
    return lambda: tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})


def audit(project: Project) -> Callable[[], None]:
    (project.sql / "audits").mkdir(exist_ok=True)
    file = project.sql / "audits/few.sql"
    file.write_text("-- fail: too many sales\nselect id, item from raw.sales where id > 2")
    return file.unlink


def model(project: Project) -> Callable[[], None]:
    file = project.sql / "marts/numbers.sql"
    file.write_text("-- One row per sale.\nselect item::int as number from raw.sales")
    return file.unlink


def unreachable(project: Project) -> Callable[[], None]:
    (project.raw / "sales").rename(project.raw / "elsewhere")
    (project.raw / "sales").symlink_to("sales")

    def back() -> None:
        (project.raw / "sales").unlink()
        (project.raw / "elsewhere").rename(project.raw / "sales")

    return back


KINDS = {
    "missing": (missing, "A required delivery is missing: sales 2024-03-03"),
    "header changed": (renamed, "sales/2024-03-03.csv is refused"),
    "too many rejects": (rejected, "sales/2024-03-03.csv is refused"),
    "audit failed": (audit, "audits.few found 1 offending row in raw.sales"),
    "model error": (model, "A model was not built: marts.numbers"),
    "source unreachable": (unreachable, "sales"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_night_is_told_once_and_its_end_once(green, told, kind) -> None:
    spoil, what = KINDS[kind]
    repair = spoil(green)

    assert night(green, "2024-03-03") not in ("published", "unchanged")
    (message,) = told.messages()
    assert what in message.splitlines()[0] + message.splitlines()[1]
    for label in ("What: ", "Why: ", "Next: ", "Where: ", "State: "):
        assert f"\n{label}" in message, message
    assert str(green.root) in message and "2024-03-03" in message
    assert len(message.encode()) < 4_000
    is_quiet_again(green, told, repair)


def is_quiet_again(project: Project, told: Told, repair: Callable[[], object]) -> None:
    """Look that the night after the repair is told as green, and the one after that not at all."""
    repair()
    assert night(project, "2024-03-03") in ("published", "unchanged")
    (message,) = told.messages()
    assert "green again after 1 night" in message.splitlines()[0]
    assert night(project, "2024-03-03") == "unchanged"
    assert told.messages() == []


def test_a_full_disk_is_told_though_nothing_was_begun(green, told, monkeypatch) -> None:
    tiny.deliver(green, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: USAGE(10**12, 10**12 - 1000, 1000))

    assert night(green, "2024-03-03") == "NoRoom"

    (message,) = told.messages()
    assert "The run could not begin" in message and "Make room" in message
    free = USAGE(10**12, 0, 10**12)
    is_quiet_again(green, told, lambda: monkeypatch.setattr(shutil, "disk_usage", lambda path: free))


def test_a_run_that_was_killed_is_told_when_the_next_one_begins(green, told) -> None:
    assert night(green, "2024-03-03", is_killed=True) == "killed"
    assert told.messages() == []

    tiny.deliver(green, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    assert night(green, "2024-03-04") == "published"

    killed, over = told.messages()
    assert "The run of 2024-03-03 was killed" in killed and "Why: " in killed and "Next: " in killed
    assert "green again after 1 night" in over
    assert night(green, "2024-03-04") == "unchanged"
    assert told.messages() == []


def test_the_same_failure_is_one_line_on_the_next_night(green, told) -> None:
    renamed(green)
    night(green, "2024-03-03")
    told.messages()

    night(green, "2024-03-04")

    (message,) = told.messages()
    assert "still failing, night 2" in message.splitlines()[0]
    assert message.count("\n") == 3 and "Why: " not in message
    night(green, "2024-03-04")
    assert told.messages() == []


def test_settings_that_are_wrong_are_told_without_a_ledger(green, told) -> None:
    (green.root / "luigi.cfg").write_text("[etl]\nnonsense = 1\n")

    assert night(green, "2024-03-03") == "ConfigError"

    (message,) = told.messages()
    assert "[etl] has no key nonsense" in message and "Next: " in message


def test_a_damaged_ledger_of_a_newer_etl_is_told(green, told) -> None:
    with closing(sqlite3.connect(green.ledger)) as con:
        con.execute("pragma user_version = 99")

    assert night(green, "2024-03-03") == "LedgerError"

    (message,) = told.messages()
    assert "has version 99" in message


def told_by_luigi(project: Project, code: int) -> list[str]:
    """Begin a night as cron does, which ends with this code; return the messages that arrive."""
    with http() as server:
        variables = environment(ETL_NOTIFY=f"json://127.0.0.1:{server.port}/")
        done = warm.run(["-m", "luigi", "--module", "etl", "Nightly"], project.root, variables)
    assert done.returncode == code, done.stdout
    return [f"{found['title']}\n{found['message']}" for _, found in server.got]


def test_a_damaged_ledger_is_told(tmp_path) -> None:
    project = tiny.project(tmp_path)
    project.ledger.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)

    (message,) = told_by_luigi(project, 0)
    assert "1 warning: The ledger was damaged, and a new one was made" in message.splitlines()[0]
    assert "Then delete ledger.sqlite.damaged." in message
    assert told_by_luigi(project, 0) == []


def test_a_deadline_that_passes_is_told_with_what_was_left(green, told, monkeypatch) -> None:
    (green.root / "luigi.cfg").write_text("[etl]\nthreads = 1\ndeadline = 06:00\n")
    tiny.deliver(green, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    usual = {StepId("extract", "sales"): 60.0, StepId("load", "sales"): 30.0, StepId("publish"): 2e6}
    with monkeypatch.context() as patched:
        patched.setattr(History, "usual_seconds", lambda self, last=20: usual)
        assert night(green, "2024-03-03") == "failed"

    (message,) = told.messages()
    assert "publish cannot be finished by the deadline, 06:00 (UTC)" in message.splitlines()[0]
    for label in ("What: ", "Why: ", "Next: ", "Where: ", "State: "):
        assert f"\n{label}" in message, message
    assert "usually" in message
    is_quiet_again(green, told, lambda: (green.root / "luigi.cfg").write_text("[etl]\nthreads = 1\n"))


@pytest.mark.parametrize(("required", "code"), [(True, 20), (False, 0)])
def test_a_sender_that_cannot_be_reached_is_told_once(tmp_path, required, code) -> None:
    contracts = tiny.CONTRACTS.replace(
        'files="sales/{date}.csv"', f"fetch=Fetch(asked), required={required}"
    ).replace(
        "from etl import Source",
        "from etl import Fetch, Source\n\n\ndef asked():\n    raise ConnectionError",
    )
    project = tiny.project(tmp_path, contracts, {}, {}, settings="threads = 1\nretries = 0\n")

    (message,) = told_by_luigi(project, code)
    assert "sales" in message and "ConnectionError" in message and "etl fetch" in message
    labels = ("What: ", "Why: ", "Next: ", "Where: ") if required else ("Where: ",)
    assert all(f"\n{label}" in message for label in labels), message


def test_forty_models_with_one_cause_are_one_message(green, told) -> None:
    names = [f"marts.m{number:02}" for number in range(40)]
    for name in names:
        (green.sql / f"{name.replace('.', '/')}.sql").write_text("select item::int as number from raw.sales")
    run = active.active_run(green.identity, active.new_run_id(), None, True)
    with suppress(EtlError):
        step(run, "BuiltModel", steps.transform, names)
    run.finish()

    (message,) = told.messages()
    assert message.count("What: ") == 1 and "40 times for one cause (marts.m00, marts.m01" in message


def test_a_lock_that_is_held_is_told(green, told) -> None:
    with locked(green, "etl rollback"):
        assert night(green, "2024-03-03") == "AlreadyRunning"

    (message,) = told.messages()
    assert "is under way" in message


def test_warnings_are_told_when_they_appear_and_then_no_more(green, told) -> None:
    (green.sql / "audits").mkdir()
    query = "select id, item from raw.sales where item = 'pen'"
    (green.sql / "audits/pens.sql").write_text(f"-- warn: nobody buys pens\n{query}")

    assert night(green, "2024-03-03") == "published"

    (message,) = told.messages()
    assert "1 warning: audits.pens found 1 row in raw.sales" in message
    assert "etl audits audits.pens" in message
    tiny.deliver(green, {"sales/2024-03-04.csv": "id,item\n4,cup\n"})
    assert night(green, "2024-03-04") == "published"
    assert told.messages() == []


def test_a_source_that_is_late_is_told_once(green, told) -> None:
    tiny.deliver(green, {f"sales/2024-03-{day:02}.csv": f"id,item\n{day},cup\n" for day in range(3, 11)})
    night(green, "2024-03-10")
    told.messages()

    night(green, "2024-03-12")

    (message,) = told.messages()
    assert "sales: late since 2024-03-11" in message
    night(green, "2024-03-13")
    assert told.messages() == []


def test_forty_sources_with_one_cause_are_one_message(tmp_path, told) -> None:
    names = [f"s{number}" for number in range(12)]
    contracts = [tiny.CONTRACTS, *(f'{n} = Source(contract=Sales, files="{n}/{{date}}.csv")' for n in names)]
    raw = {f"{name}/2024-03-01.csv": "id,thing\n1,a\n" for name in names}
    project = tiny.project(tmp_path, "\n".join(contracts), sql={}, raw=raw)
    run = active.active_run(project.identity, active.new_run_id(), None, True)
    for name in names:
        with suppress(EtlError):
            step(run, "LakePartition", steps.extract, name, [tiny.DAY])
    run.finish()

    (message,) = told.messages()
    assert message.count("What: ") == 1
    assert "12 times for one cause (s0 2024-03-01, s1 2024-03-01," in message


def test_an_owner_hears_of_its_own_and_everybody_of_failures(tmp_path, monkeypatch) -> None:
    with telling_to(monkeypatch, ETL_NOTIFY="json://all/", ETL_NOTIFY_SALES_TEAM="json://team/") as told:
        project = tiny.project(tmp_path, tiny.CONTRACTS.replace('.csv")', ".csv\", owner='Sales team')"))
        renamed(project)

        night(project, "2024-03-03")

        assert sorted(variable for variable, _ in told.items) == ["ETL_NOTIFY", "ETL_NOTIFY_SALES_TEAM"]
        assert all("Owner:  Sales team" in message for message in told.messages())


def test_an_owner_alone_hears_of_a_warning_about_its_own(tmp_path, monkeypatch) -> None:
    with telling_to(monkeypatch, ETL_NOTIFY="json://all/", ETL_NOTIFY_SALES_TEAM="json://team/") as told:
        project = tiny.project(tmp_path, tiny.CONTRACTS.replace('.csv")', ".csv\", owner='Sales team')"))
        tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\nx,cup\n4,cup\n"})

        assert night(project, "2024-03-03") == "published"

        ((variable, notice),) = told.taken()
        assert variable == "ETL_NOTIFY_SALES_TEAM" and "1 record rejected" in notice.body


def test_one_address_that_is_set_twice_is_told_once(green, told, monkeypatch) -> None:
    monkeypatch.setenv("ETL_NOTIFY", "json://all/ json://all/")
    renamed(green)

    night(green, "2024-03-03")

    assert len(told.messages()) == 1


def test_what_a_channel_refuses_is_sent_by_the_next_run_and_once(green, told) -> None:
    told.refusals = {"ETL_NOTIFY 1 (json)": "it answered with the error 500"}
    renamed(green)
    night(green, "2024-03-03")
    assert told.messages() == []
    assert [n.said for n in notices(Ledger(green.ledger), "waiting")] == ["it answered with the error 500"]

    told.refusals = {}
    night(green, "2024-03-03")

    (message,) = told.messages()
    assert "sales/2024-03-03.csv is refused" in message
    night(green, "2024-03-03")
    assert told.messages() == []


def test_a_message_whose_sender_was_killed_is_never_sent_again(green, told, monkeypatch, caplog) -> None:
    class Killed(BaseException):
        """The process ends there."""

    def killed(items, seconds=0):
        raise Killed
        yield

    renamed(green)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(sending, "deliver", killed)
        night(green, "2024-03-03")
    ledger = Ledger(green.ledger)
    assert [notice.state for notice in notices(ledger)] == ["sending"]
    ledger.change(("update notices set tried_at = '2020'", [()]))

    night(green, "2024-03-03")

    assert told.messages() == []
    assert [notice.state for notice in notices(ledger)] == ["unknown"]


def test_a_run_killed_before_it_could_tell_is_told_by_the_next(green, told, monkeypatch) -> None:
    class Killed(BaseException):
        """The process ends there."""

    renamed(green)
    with monkeypatch.context() as patched, pytest.raises(Killed):

        def ended(run):
            raise Killed

        patched.setattr(telling, "ended", ended)
        night(green, "2024-03-03")
    for run in list(active._active.values()):
        os.close(run.lock)
        active._active.pop(run.row.run_id)

    night(green, "2024-03-03")

    (message,) = told.messages()
    assert "sales/2024-03-03.csv is refused" in message


def test_a_telling_that_breaks_costs_no_night(green, told, monkeypatch, caplog) -> None:
    def broken(*_):
        raise ValueError("json://user:canary-pass-41c7@host")

    monkeypatch.setattr(of_night, "causes_of", broken)
    tiny.deliver(green, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})

    assert night(green, "2024-03-03") == "published"
    assert "canary" not in caplog.text


def test_a_ledger_that_takes_no_note_at_the_end_is_told_at_once(green, told, monkeypatch) -> None:
    def full(self, *statements):
        raise LedgerError(
            f"The ledger {self.path} cannot be used: database or disk is full. Make room, and run again."
        )

    ended = telling.ended
    tiny.deliver(green, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})

    def ends(run):
        monkeypatch.setattr(Ledger, "change", full)
        ended(run)

    monkeypatch.setattr(telling, "ended", ends)
    assert night(green, "2024-03-03") == "published"

    (message,) = told.messages()
    assert "The end of the run could not be noted" in message and "disk is full" in message


def test_nothing_secret_is_in_a_message_or_the_ledger(green, told, monkeypatch) -> None:
    names = ("DATABASE_PASSWORD", "API_TOKEN", "ETL_MASK_KEY", "AWS_SECRET_ACCESS_KEY", "WAREHOUSE_DSN")
    secrets = {name: f"canary-{name.lower()}-1" for name in names}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    (green.sql / "audits").mkdir()
    said = " ".join([*secrets.values(), "canary-pass-41c7"])
    (green.sql / "audits/leak.sql").write_text(f"-- warn: leaks\nselect '{said}' as text, id from raw.sales")

    night(green, "2024-03-03")

    (message,) = told.messages()
    assert "canary" not in message and "***" in message
    assert "canary" not in str(Ledger(green.ledger).ask("select title, body from notices"))
    assert "json" not in str(Ledger(green.ledger).ask("select title, body, said from notices"))


def test_without_an_address_nothing_is_noted(green, monkeypatch) -> None:
    monkeypatch.delenv("ETL_NOTIFY")
    renamed(green)

    night(green, "2024-03-03")

    assert Ledger(green.ledger).ask("select * from incidents") == []
