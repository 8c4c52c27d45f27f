"""What wakes a watch: each kind in the list wakes when it should, ends when it is to, and tells no secret."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from etl.errors import ConfigError
from etl.operations.watch import events, polling
from etl.operations.watch.mounts import tells_changes, type_of
from etl.operations.watch.waker import WAKERS, Watched, wakers_of
from etl.project import load_project
from tests.support import servers, tiny
from tests.support.crowded import crowded
from tests.support.projects import wait_for

PATIENCE_SECONDS = 60


class Heard(list):
    """What a waker said, in a thread of its own until the block ends."""

    def __init__(self, waker) -> None:
        self.waker, self.stop, self.said = waker, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.hear, daemon=True)

    def hear(self) -> None:
        for why in self.waker.wakes(self.stop):
            self.append(why)
            self.said.set()

    def wakes_by(self, doing: Callable[[], object]) -> bool:
        """Return whether it wakes while something is done, again and again: nobody knows when it listens."""
        for _ in range(PATIENCE_SECONDS * 10):
            self.said.clear()
            doing()
            if self.said.wait(0.1):
                return True
        return False


@contextmanager
def heard(waker):
    found = Heard(waker)
    found.thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        found.thread.join(PATIENCE_SECONDS)
        assert not found.thread.is_alive()


@pytest.fixture
def project(tmp_path):
    """A project, of which another one publishes by a link."""
    other = tiny.project(tmp_path / "other")
    other.current.parent.mkdir(parents=True)
    publish(other)
    return tiny.project(
        tmp_path / "own", settings="threads = 1\nwatch_projects = ../other\nwatch_every = 1 second\n"
    )


def publish(other) -> None:
    new = other.current.with_name("new")
    new.symlink_to(f"generations/{os.urandom(4).hex()}")
    new.rename(other.current)


def made(project, name: str, **settings):
    """Return the one waker of a kind."""
    given = replace(project, settings=replace(project.settings, **settings))
    found = [waker for waker in wakers_of(Watched(project=given)) if type(waker).__name__ == name]
    assert len(found) == 1
    return found[0]


def test_events_wake_by_what_happens_below_the_folder_and_by_one_that_is_mounted_there(project):
    with heard(made(project, "Events")) as waker:
        assert waker.wakes_by(lambda: (project.raw / "sales" / os.urandom(4).hex()).touch())
        project.raw.rename(project.raw.with_name("away"))
        assert waker.wakes_by(lambda: None)
        (project.raw / "sales").mkdir(parents=True)
        assert waker.wakes_by(lambda: (project.raw / "sales" / os.urandom(4).hex()).touch())


def test_polling_takes_the_place_of_events_where_nothing_tells_of_changes(project, monkeypatch):
    assert made(project, "Polling").seconds == polling.SWEEP_SECONDS
    for module in (events, polling):
        monkeypatch.setattr(module, "tells_changes", lambda folder: False)
    assert not [waker for waker in wakers_of(Watched(project=project)) if type(waker).__name__ == "Events"]
    with heard(made(project, "Polling", watch_poll_seconds=1)) as waker:
        assert waker.wakes_by(lambda: None)


def test_the_timer_wakes_as_often_as_it_is_told(project):
    with heard(made(project, "Timer")) as waker:
        assert waker.wakes_by(lambda: None)


def test_pointers_wake_when_another_project_publishes(project):
    with heard(made(project, "Pointers")) as waker:
        assert waker.wakes_by(lambda: publish(load_project(project.root.parent / "other")))


def test_listening_wakes_by_a_message_also_after_the_server_has_cut_it_off(project, postgresql, monkeypatch):
    import psycopg

    monkeypatch.setenv("SHOP_DSN", postgresql.dsn)
    waker = made(project, "Listening", watch_listen="SHOP_DSN:orders")
    with closing(psycopg.connect(postgresql.dsn, autocommit=True)) as con, heard(waker) as found:
        assert found.wakes_by(lambda: con.execute("notify orders, 'forged'"))
    with closing(psycopg.connect(postgresql.dsn, autocommit=True)) as con:
        cut = "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'"
        wakes = waker.wakes(threading.Event())
        assert "listened" in next(wakes)
        con.execute(cut)
        with pytest.raises(OSError, match="PostgreSQL cannot be listened to") as error:
            next(wakes)
    assert servers.PASSWORD not in f"{error.value} {waker.named} {waker}"


def append(file: Path, text: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(text)


def test_a_bridge_wakes_by_a_line_of_its_program_whatever_is_in_it(project):
    lines = project.root / "lines"
    lines.touch()
    with heard(made(project, "Bridge", watch_bridges=f"tail -n 0 -F {lines}")) as waker:
        for text in (b"x\n", b"\xff\x00; touch forged\n", b"\n"):
            assert waker.wakes_by(lambda text=text: append(lines, text))
    assert set(waker) <= {"bridge 1 (tail) listens", "bridge 1 (tail) has a message"}
    assert not (project.root / "forged").exists()


def test_a_bridge_of_a_process_with_many_open_files_wakes(project):
    with crowded(), heard(made(project, "Bridge", watch_bridges="sh -c 'echo; sleep 600'")) as waker:
        assert wait_for(lambda: len(waker) == 2, PATIENCE_SECONDS)


def test_many_lines_at_once_are_few_wakes_and_half_a_line_is_none(project):
    (project.root / "many.sh").write_text("#!/bin/sh\nyes | head -c 5000000; echo; printf half; sleep 600\n")
    (project.root / "many.sh").chmod(0o755)
    waker, begun = made(project, "Bridge", watch_bridges="./many.sh"), time.monotonic()
    with heard(waker) as found:
        assert wait_for(lambda: len(found) >= 2, PATIENCE_SECONDS)
        found.stop.wait(1.5)
    assert found[0] == "bridge 1 (many.sh) listens"
    assert len(found) <= 2 + (time.monotonic() - begun) / 0.2


def test_the_program_of_a_bridge_ends_with_it_and_one_that_ends_is_said(project):
    note = project.root / "pid"
    (project.root / "stubborn.sh").write_text(f"#!/bin/sh\ntrap '' TERM\necho $$ > {note}\necho\nexec sleep 600\n")
    (project.root / "stubborn.sh").chmod(0o755)
    with heard(made(project, "Bridge", watch_bridges="./stubborn.sh")) as waker:
        assert wait_for(lambda: len(waker) == 2, PATIENCE_SECONDS)
    assert not Path(f"/proc/{note.read_text().strip()}").exists()
    wakes = made(project, "Bridge", watch_bridges="sh -c 'echo canary; exit 3'").wakes(threading.Event())
    with pytest.raises(OSError, match="it has ended with the exit code 3"):
        list(wakes)


def test_what_the_program_of_a_bridge_is_called_with_is_not_said(project):
    waker = made(project, "Bridge", watch_bridges="tail -f redis://:canary@host")
    assert "canary" not in f"{waker} {waker.named}"


def test_every_kind_of_waker_is_tried_here():
    text = Path(__file__).read_text()
    assert [name for name in WAKERS if f'made(project, "{name}"' not in text] == []


@pytest.mark.parametrize(
    ("setting", "text", "said"),
    [
        ("watch_listen", "orders", "is not a variable with the address of a database and a channel"),
        ("watch_listen", "NOT_SET_DSN:orders", "the environment variable NOT_SET_DSN is not set"),
        ("watch_projects", "../nowhere", "is not the folder of a project"),
        ("watch_bridges", "tail -f x\nno-such-program x", "line 2: there is no program no-such-program"),
        ("watch_bridges", "tail 'canary", "line 1 is not a command"),
    ],
)
def test_a_waker_that_cannot_be_is_refused_at_once(project, setting, text, said):
    given = replace(project, settings=replace(project.settings, **{setting: text}))
    with pytest.raises(ConfigError, match=said):
        wakers_of(Watched(project=given))


@pytest.mark.parametrize(
    ("line", "said"), [("watch_every = soon", "is not a length of time"), ("watch_poll_seconds = 0", "at least 1")]
)
def test_settings_that_mean_nothing_are_refused(tmp_path, line, said):
    with pytest.raises(ConfigError, match=said):
        tiny.project(tmp_path, settings=f"threads = 1\n{line}\n")


MOUNTS = """\
22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
30 22 0:44 / {0}/a\\040b rw shared:2 - nfs4 server:/x rw
31 30 0:45 / {0}/a\\040b/local rw - tmpfs tmpfs rw
32 22 0:46 / {0}/sh rw - fuse.sshfs you@there rw
33 22 0:47 / {0}/twice rw - cifs //a/b rw
34 33 0:48 / {0}/twice rw - xfs /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("folder", "type", "tells"),
    [
        ("x", "ext4", True),
        ("a b/raw", "nfs4", False),
        ("a b/local/raw", "tmpfs", True),
        ("sh", "fuse.sshfs", False),
        ("short", "ext4", True),
        ("twice/raw", "xfs", True),
    ],
)
def test_a_file_system_over_the_network_is_known_by_where_it_is_mounted(
    tmp_path, monkeypatch, folder, type, tells
):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.format(tmp_path))
    assert type_of(tmp_path / folder, mounts) == type
    monkeypatch.setattr("etl.operations.watch.mounts.type_of", lambda found: type_of(found, mounts))
    assert tells_changes(tmp_path / folder) is tells
