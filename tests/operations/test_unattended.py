"""A run by a schedule: its variables, its log, its permissions, its days, and who hears that it was killed."""

import importlib.util
import os
import signal

import pytest

from etl.ledger import Ledger
from etl.ledger.run_log import forget_quoted
from etl.operations import unattended
from etl.project import load_project
from tests.support import tiny, warm
from tests.support.projects import environment
from tests.support.receivers import http
from tests.support.told import night


@pytest.fixture
def project(tmp_path):
    return tiny.project(tmp_path)


def run(project, *arguments, **variables):
    """Run a night as a schedule does, with nothing set but what Python needs."""
    kept = {name: value for name, value in environment().items() if name.startswith(("PYTHON", "COV"))}
    command = ["-m", "etl", "run", "--unattended", *arguments]
    return warm.run(command, project.root, {**kept, "ETL_PROJECT": str(project.root), **variables})


def log(project) -> str:
    return unattended.log_of(project).read_text()


def test_a_green_night_prints_nothing_and_is_in_the_log(project):
    done = run(project, "--date", "2024-03-02")

    assert (done.returncode, done.stdout) == (0, "")
    assert "the schedule begins a run" in log(project) and "2 partitions taken, 3 rows" in log(project)


def test_a_failed_night_prints_what_this_run_said(project):
    run(project, "--date", "2024-03-02")
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,thing\n4,cup\n"})

    done = run(project, "--date", "2024-03-03")

    assert done.returncode == 30
    assert "sales/2024-03-03.csv is refused" in done.stdout and "nothing was published" in done.stdout
    assert "2 partitions taken" not in done.stdout


@pytest.mark.parametrize("text", ["[core]\n", "threads = 1\n", "[etl]\nthreads = 1\n[core]\nx = %(nope)s\n"])
def test_a_project_that_cannot_be_read_is_told(project, text):
    (project.root / "luigi.cfg").write_text(text)

    with http() as server:
        done = run(project, ETL_NOTIFY=f"json://127.0.0.1:{server.port}/", ETL_PROJECT="", PWD=str(project.root))

    assert done.returncode == 35, done.stdout
    assert "Traceback" not in done.stdout
    assert ["The run could not begin" in found["title"] for _, found in server.got] == [True]


def test_a_broken_project_says_so_without_a_log(project):
    (project.root / "luigi.cfg").write_text("[etl]\nnonsense = 1\n")

    done = run(project)

    assert done.returncode == 35 and "[etl] has no key nonsense" in done.stdout


@pytest.mark.parametrize("text", ["[etl]\nnonsense = 1\n", "[etl]\nsql = a\nsql = b\n", "nonsense\n"])
def test_settings_that_cannot_be_read_are_told_to_whom_the_file_of_variables_says(project, tmp_path, text):
    with http() as server:
        (project.root / "etl.env").write_text(f"ETL_PING_URL=http://127.0.0.1:{server.port}/p\n")
        (project.root / "etl.env").chmod(0o600)
        (project.root / "luigi.cfg").write_text(text)
        elsewhere = tmp_path / "home"
        elsewhere.mkdir()
        command = ["-m", "etl", "run", "--unattended"]
        done = warm.run(command, elsewhere, {**environment(), "ETL_PROJECT": str(project.root)})

    assert done.returncode == 35 and "luigi.cfg" in done.stdout
    assert [path.partition("?")[0] for path, _ in server.got] == ["/p/fail"]


def test_variables_come_from_the_file_and_somebody_is_told(project):
    if importlib.util.find_spec("apprise") is None:
        pytest.skip("Apprise is not installed")
    with http() as server:
        address = f"json://127.0.0.1:{server.port}/"
        (project.root / "etl.env").write_text(
            f"ETL_NOTIFY={address}\nETL_PING_URL=http://127.0.0.1:{server.port}/p\n"
        )
        (project.root / "etl.env").chmod(0o600)
        tiny.deliver(project, {"sales/2024-03-03.csv": "id,thing\n4,cup\n"})

        assert run(project, "--date", "2024-03-03").returncode == 30

    paths = [path.partition("?")[0] for path, _ in server.got]
    assert sorted(paths) == ["/", "/p/fail", "/p/start"]
    message = dict(server.got)["/"]
    assert "sales/2024-03-03.csv is refused" in message["title"]


def test_a_file_that_others_may_read_stops_the_run(project):
    (project.root / "etl.env").write_text("A=1\n")
    (project.root / "etl.env").chmod(0o644)

    done = run(project)

    assert done.returncode == 35 and "others may open it" in done.stdout


def test_a_day_that_is_not_meant_runs_nothing(project):
    (project.sql / "seeds").mkdir()
    (project.sql / "seeds/closed.csv").write_text(f"day\n{project.today()}\n")

    done = run(project, "--days", "every day except closed.csv")

    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing is run" in log(project) and not project.ledger.exists()


def test_days_that_are_not_days_are_refused(project):
    assert run(project, "--days", "noday").returncode == 35


def test_a_run_that_is_killed_is_told_at_once(project, monkeypatch):
    """The process that waits outlives the one that works."""
    told = []
    monkeypatch.setattr(unattended, "_tell_killed", told.append)
    monkeypatch.setattr(unattended, "_be_nice", lambda: None)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    handlers = {number: signal.getsignal(number) for number in unattended._FORWARDED}
    before = os.umask(0o022)
    try:
        code = unattended.unattended(lambda: os.kill(os.getpid(), signal.SIGKILL))
    finally:
        os.umask(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)

    assert code == 40 and [found.root for found in told] == [project.root]
    assert "the run was killed by SIGKILL" in log(project)


def test_a_killed_run_is_noted_as_killed_and_its_lock_is_free(project):
    night(project, "2024-03-02", is_killed=True)

    unattended._tell_killed(load_project(project.root))

    assert [run.outcome for run in Ledger(project.ledger).runs()] == ["killed"]


def test_a_long_log_is_begun_again_and_some_are_kept(project, monkeypatch):
    monkeypatch.setattr(unattended, "_LONGEST_LOG", 10)
    for number in range(8):
        opened = unattended._opened_log(project)
        assert opened
        opened.write(b"x" * 20 + str(number).encode())
        opened.close()

    names = sorted(path.name for path in project.logs.iterdir())
    assert names == ["unattended.log", *(f"unattended.log.{number}" for number in range(1, 6))]
    assert log(project).endswith("7")


def test_what_a_log_quotes_is_forgotten_with_personal_data(project):
    opened = unattended._opened_log(project)
    assert opened
    opened.write(b"a name")
    opened.close()

    forget_quoted(project, Ledger(project.ledger))

    assert log(project) == ""
