"""A run that is asked to stop ends, whatever it does, is noted as interrupted, and loses nothing; so do hangs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.errors import TimedOut
from etl.ledger import Ledger
from etl.ledger.history import DONE, KEPT, KILLED, History
from etl.ledger.lock import holder
from etl.plan import Scope
from etl.project import Project, load_project
from etl.run import recording, stopping
from etl.run.active import active_run, finish_runs, new_run_id
from etl.run.stopping import Stopped, heard
from tests.run import test_recording
from tests.run.test_recording import LAST, STAGES, named, rows, steps_of
from tests.support import tiny
from tests.support.hangs import HANGS
from tests.support.projects import environment

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def asked(number: signal.Signals) -> Iterator[None]:
    """Send this process a signal in a moment."""
    # of another process: some calls let no thread of this one run
    with subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -{number.value} {os.getpid()}"]):
        yield


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing end this process, however busy the machine is."""
    monkeypatch.setattr(stopping, "_PATIENCE_SECONDS", 300.0)


@pytest.fixture(autouse=True)
def nobody_else() -> Iterator[None]:
    """Let signals do what they usually do, whoever began the tests: some have them ignored, or listen too."""
    usual = dict.fromkeys(SIGNALS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, how) for number, how in usual.items()}
    listening = signal.set_wakeup_fd(-1)
    yield
    signal.set_wakeup_fd(listening)
    for number, how in before.items():
        signal.signal(number, how)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    test_recording.make(tmp_path)
    return load_project(str(tmp_path))


def hang(how: str) -> Callable[..., None]:
    def work(*_: object, **__: object) -> None:
        with asked(signal.SIGINT):
            HANGS[how]()

    return work


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("how", HANGS)
def test_whatever_a_run_does_ends_when_it_is_asked(tmp_path: Path, how: str, number: signal.Signals) -> None:
    project = tiny.project(tmp_path)
    before = [signal.getsignal(known) for known in SIGNALS]
    run = active_run(project.identity, new_run_id(), Scope(LAST), is_whole=True)

    with pytest.raises(Stopped) as stopped, asked(number), heard():
        HANGS[how]()
    finish_runs()

    assert stopped.value.exit_code == 128 + number
    ((step, said),) = Ledger(project.ledger).problems(run.row.run_id)
    assert (step, said.split(". ")[0]) == ("interrupted", f"The run was interrupted by {number.name}")
    assert holder(project) == ""
    assert [signal.getsignal(known) for known in SIGNALS] == before


@pytest.mark.parametrize(
    ("stage", "how"), list(zip(STAGES, ("pattern", "statement", "relation", "stubborn", "sleep"), strict=True))
)
def test_a_step_that_is_interrupted_is_done_by_the_next_night(project: Project, stage: str, how: str) -> None:
    run = active_run(project.identity, new_run_id(), Scope(LAST), is_whole=True)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(*STAGES[stage], hang(how))
        for step, arguments in steps_of(run):
            with heard():
                getattr(test_recording.steps, step)(run, *arguments)
    finish_runs()

    found = rows(project, run.row.run_id)
    ((_, said),) = Ledger(project.ledger).problems(run.row.run_id)
    assert f"It was at {stage}" in said
    assert {row.outcome for row in found.values() if row.step == stage} <= {KILLED, "skipped"}
    assert [row.outcome for row in Ledger(project.ledger).runs()] == ["failed"]
    assert {row.outcome for row in rows(project, test_recording.night(project)).values()} <= {DONE, KEPT}
    assert named(project) == set()


def test_a_second_signal_does_not_keep_the_run_from_ending(project: Project) -> None:
    run = active_run(project.identity, new_run_id(), Scope(LAST), is_whole=True)
    with pytest.raises(Stopped), asked(signal.SIGINT), heard():
        HANGS["loop"]()
    with pytest.MonkeyPatch.context() as patch:
        # while it notes its end
        patch.setattr(run, "_write_outcome", lambda: os.kill(os.getpid(), signal.SIGINT))
        finish_runs()

    assert holder(project) == ""


#: Is asked to stop while it forks a worker: in a function that Python calls around that, before or after it.
FORKED = """
import logging, multiprocessing, os, signal, sys, threading, time
from types import SimpleNamespace
from etl.run import stopping

def work():
    stopping.listen(SimpleNamespace())
    os.register_at_fork(**{sys.argv[1]: lambda: os.kill(os.getpid(), signal.SIGTERM)})
    context.Process(target=time.sleep, args=(1,), daemon=True).start()
    time.sleep(60)

def held():
    # as another thread sees it
    thread = threading.Thread(target=logging.getLogger("etl").isEnabledFor, args=(1,), daemon=True)
    thread.start()
    thread.join(10)
    return thread.is_alive()

def run():
    try:
        work()
    except stopping.Stopped as stopped:
        os._exit(1 if held() else stopped.exit_code)

context = multiprocessing.get_context("fork")
if sys.argv[2] == "child":
    child = context.Process(target=run)
    child.start()
    child.join()
    sys.exit(child.exitcode)
run()
"""


@pytest.mark.parametrize("where", ["parent", "child"])
@pytest.mark.parametrize("when", ["before", "after_in_parent"])
def test_a_run_that_is_asked_while_it_forks_a_worker_stops_and_holds_no_lock(when: str, where: str) -> None:
    command = [sys.executable, "-P", "-c", FORKED, when, where]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)

    assert (ended.returncode, ended.stderr) == (128 + signal.SIGTERM, "")


def test_who_has_said_what_a_signal_does_is_heard(project: Project) -> None:
    heard_of: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard_of.append(number))
    try:
        active_run(project.identity, new_run_id(), Scope(LAST), is_whole=True)
        os.kill(os.getpid(), signal.SIGTERM)
        finish_runs()
    finally:
        signal.signal(signal.SIGTERM, before)

    assert heard_of == [signal.SIGTERM]


def test_what_hangs_for_good_is_noted_before_the_process_ends(project: Project) -> None:
    run = active_run(project.identity, new_run_id(), Scope(LAST), is_whole=True)
    with recording.recorded(run, "extract", ["feed"]):
        stopping._Owner(run).give_up(TimedOut("raw.feed: taking its deliveries takes longer."))

    assert run.finished
    assert Ledger(project.ledger).problems(run.row.run_id) == [
        ("hung", "raw.feed: taking its deliveries takes longer.")
    ]
    found = {row.step: row for row in History(Ledger(project.ledger)).steps([run.row.run_id])}
    assert found["extract"].message == "raw.feed: taking its deliveries takes longer."
    assert holder(project) == ""
