"""A watch over all kinds of deliveries and wakers: each complete delivery is taken, and no other is."""

import os
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ContractError
from etl.operations.watch import looking
from etl.operations.watch.bell import Wake
from etl.operations.watch.declared import Declared, Delivered, ask
from etl.operations.watch.waker import WAKERS
from etl.operations.watch.watching import Watch
from etl.project import Project
from etl.project.settings import Settings
from etl.sources.connectors.connector import Known
from etl.sources.connectors.files import Files
from tests.support import tiny

#: Each way in which people say that a delivery is complete; the formats differ in the name alone.
KINDS = {
    "plain": Files("plain/{date}.csv"),
    "marker": Files("marker/{date}.parquet", marker="marker/{date}.ok"),
    "beside": Files("beside/{date}.json", marker="{file}.done"),
    "several": Files("several/{date}/*.csv.gz", marker="several/{date}/_SUCCESS"),
    "settled": Files("settled/{date}.xml", settle_seconds=5),
    "version": Files("version/{date}_{version}.xlsx"),
    "snapshot": Files("snapshot.csv", settle_seconds=5),
}
DAYS = ("2024-03-01", "2024-03-02", "2024-03-03")
OUTSIDE = {"Timer", "Listening", "Pointers"}


class World:
    """A project in which deliveries come, a watch of it, and runs that take what is complete when they begin."""

    def __init__(self, root: Path, has_outside: bool) -> None:
        self.project = Project(root, Settings(watch_cool_down=10))
        self.now, self.taken, self.begun = 1_000.0, dict[str, str](), 0
        self.exit_code: int | None = None
        self.codes: list[int] = []
        sources = tuple(Delivered(name, files, self.project.raw) for name, files in KINDS.items())
        declared = Declared(delivered=sources, has_outside=has_outside, pointers=())
        self.said: list[str] = []
        self.watch = Watch(
            self.project,
            self.said.append,
            begin=lambda project, ended: self.begin(),
            ask=lambda project: declared,
            clock=lambda: self.now,
        )

    def complete(self) -> dict[str, str]:
        """Return the content of each file of a complete delivery, as a night judges that."""
        found = {}
        for name, files in KINDS.items():
            days = defaultdict(list)
            seen = list(files.look(self.project.raw, name, self.project.today(), int(self.now * 1e9), Known()))
            for day, file, _ in seen:
                days[day].append(file)
            for day, several in days.items():
                if day and all(several):
                    found |= {file.name: file.path.read_text() for file in several}
        return found

    def begin(self):
        """A run that takes what is there, or fails."""
        assert self.exit_code is not None or not self.begun, "two runs at once"
        self.begun += 1
        code = self.codes.pop() if self.codes else 0
        self.exit_code = None
        if code == 0:
            self.taken |= self.complete()
        self.next_code = code
        return self

    def stop(self) -> None:
        """Runs of this world end by themselves."""

    def on(self, seconds: float) -> None:
        """Let time pass; runs take no longer than it takes to look again."""
        until = self.now + seconds
        while True:
            self.watch.bell.ring()
            self.watch._turn()
            if self.exit_code is None and self.begun:
                self.exit_code = self.next_code
                continue
            pause = self.watch._pacing.pause(self.now)
            if pause is None or self.now + pause > until:
                break
            self.now += pause
        self.now = until

    def wake(self, kind: str) -> None:
        self.watch.bell.ring(Wake(kind, kind in OUTSIDE))


DELIVERIES = st.tuples(st.sampled_from(list(KINDS)), st.sampled_from(DAYS), st.integers(0, 9), st.booleans())
#: What is delivered, whether that is told and how often, by whom and who lies, and what becomes of the run.
EVENTS = st.tuples(
    st.none() | DELIVERIES,
    st.lists(st.sampled_from(list(WAKERS)), max_size=3),
    st.sampled_from([0.0, 0.3, 7.0, 30.0]),
    st.sampled_from([0, 0, 0, 10, 40]),
)


def deliver(raw: Path, kind: str, day: str, content: int, is_whole: bool, now: float) -> None:
    """Write a file of a kind; with its marker only if it is whole."""
    files = KINDS[kind]
    name = files.path.replace("{date}", day).replace("{version}", str(content)).replace("*", f"part{content}")
    (raw / name).parent.mkdir(parents=True, exist_ok=True)
    (raw / name).write_text(f"{kind} {day} {content}")
    os.utime(raw / name, (now, now))
    if files.marker and is_whole:
        (raw / files.marker.replace("{file}", name).replace("{date}", day)).touch()


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENTS, max_size=8), st.booleans())
def test_each_complete_delivery_is_taken_however_many_wakes_are_lost_doubled_or_forged(events, has_outside):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        world = World(Path(folder), has_outside)
        patch.setattr(looking.time, "time_ns", lambda: int(world.now * 1e9))
        # a file's own time would be that of this machine
        patch.setattr("etl.sources.connectors.walk.state_of", lambda s: (s.st_size, s.st_mtime_ns, s.st_ino))
        world.watch._pacing.want()
        ever: dict[str, str] = {}
        for delivery, wakes, seconds, code in events:
            world.codes = [code] if code else []
            if delivery:
                deliver(world.project.raw, *delivery, world.now)
            for kind in wakes:
                world.wake(kind)
            world.on(seconds)
            ever |= world.complete()
            assert world.taken.keys() <= ever.keys(), "what is not complete was taken"
        world.codes = []
        # whatever was lost, the sweep comes
        world.wake("Polling")
        world.on(10_000)
        assert world.complete().items() <= world.taken.items()
        world.watch.close()


@pytest.mark.parametrize("kind", WAKERS)
def test_a_wake_alone_begins_a_run_only_if_something_lies_outside(tmp_path, kind):
    for has_outside in (False, True):
        world = World(tmp_path, has_outside)
        world.wake(kind)
        world.wake(kind)
        world.on(100)
        assert world.begun == (1 if has_outside and kind in OUTSIDE else 0)
        world.watch.close()


def test_a_folder_that_is_not_mounted_any_more_begins_no_run_and_neither_does_it_when_it_is_back(tmp_path):
    world = World(tmp_path, has_outside=False)
    deliver(world.project.raw, "plain", DAYS[0], 1, True, 0)
    world.wake("Events")
    world.on(60)
    for name in ("away", "raw"):
        (world.project.data / ("raw" if name == "away" else "away")).rename(world.project.data / name)
        world.wake("Events")
        world.on(60)
    assert world.begun == 1
    world.watch.close()


def test_what_cannot_begin_is_tried_again(tmp_path):
    world = World(tmp_path, has_outside=False)
    tries = []

    def begin(project, ended):
        tries.append(world.now)
        if len(tries) < 3:
            raise OSError(28, "No space left on device")
        return world.begin()

    world.watch._begin = begin
    world.watch._pacing.want()
    world.on(1_000)
    assert [later - tries[0] for later in tries] == [0, 60, 180]
    assert "cannot go on: [Errno 28] No space left on device" in world.said[0]
    world.watch.close()


def test_a_waker_that_fails_is_begun_again_and_said(tmp_path):
    world, begun = World(tmp_path, has_outside=False), []

    class Broken:
        is_outside, named = False, "the broken one"

        def wakes(self, stop):
            begun.append(self)
            if len(begun) == 1:
                raise OSError("no more watches")
            yield "it works again"
            world.watch.end()

    world.watch._wake(Broken())
    assert "the watch has lost the broken one, and tries again in 1 seconds: no more watches" in world.said
    assert [wake.why for wake in world.watch.bell.wait(0)] == ["it works again"]
    world.watch.close()


def test_what_a_project_declares_is_asked_of_a_process_of_its_own(tmp_path):
    project = tiny.project(tmp_path)
    (sales,) = ask(project).delivered
    assert (sales.name, sales.connector, sales.root) == ("sales", Files("sales/{date}.csv"), project.raw)
    (project.contracts / "all.py").write_text("from etl import Source\nsales = Source(files='x')\n")
    with pytest.raises(Exception, match=r"contracts/all.py") as error:
        ask(project)
    assert not isinstance(error.value, ContractError)


def test_what_settles_is_taken_as_soon_as_it_has_though_nothing_wakes(tmp_path, monkeypatch):
    world = World(tmp_path, has_outside=False)
    monkeypatch.setattr(looking.time, "time_ns", lambda: int(world.now * 1e9))
    monkeypatch.setattr("etl.sources.connectors.walk.state_of", lambda s: (s.st_size, s.st_mtime_ns, s.st_ino))
    deliver(world.project.raw, "settled", DAYS[0], 1, True, world.now)
    world.wake("Events")
    world.on(4.5)
    assert world.begun == 0
    world.on(1)
    assert list(world.taken) == [f"settled/{DAYS[0]}.xml"]
    world.watch.close()


@pytest.mark.parametrize("stop_run", [True, False])
def test_a_run_under_way_is_stopped_or_left_as_asked(tmp_path, stop_run):
    world, stopped = World(tmp_path, has_outside=False), []
    world.stop = lambda: stopped.append(world)
    begin = world.watch._begin

    def begin_and_end(project, ended):
        world.watch.end()
        return begin(project, ended)

    world.watch._begin, world.watch.wakers = begin_and_end, []
    world.watch.run(stop_run=stop_run)
    world.watch.close()
    assert len(stopped) == stop_run
    assert world.said[-1] == f"the watch ends, and {'stops' if stop_run else 'leaves'} the run under way"
