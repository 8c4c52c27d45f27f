"""When a watch looks and runs: never two runs at once, none within the cool-down, and nothing is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from etl.operations.watch.pacing import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, Pacing

#: What happens, and how many seconds later.
HAPPENS = st.tuples(
    st.sampled_from(["arrives", "wakes", "settles", "ends well", "fails", "is under way"]),
    st.floats(0, 20, allow_nan=False),
)
CODES = {"ends well": 0, "fails": 30, "is under way": 10}


class World:
    """Deliveries that arrive, a watch that is paced, and the runs that it begins, by a clock of their own."""

    def __init__(self, cool_down: float) -> None:
        self.pacing, self.now = Pacing(cool_down), 0.0
        self.arrived = self.taken = self.known = 0
        self.begun: list[float] = []
        self.looks: list[float] = []

    def on(self, seconds: float) -> None:
        """Let time pass, and do what becomes due."""
        until = self.now + seconds
        while (pause := self.pacing.pause(self.now)) is not None and self.now + pause <= until:
            self.now += pause
            self.do()
        self.now = until

    def do(self) -> None:
        if self.pacing.is_look_due(self.now):
            self.look()
        if self.pacing.is_run_due(self.now):
            self.look()
            self.known = self.arrived
            self.pacing.began(self.now)
            self.begun.append(self.now)

    def look(self) -> None:
        self.looks.append(self.now)
        self.pacing.looked(self.now, is_new=self.arrived > self.known)

    def end(self, code: int) -> None:
        if self.pacing.is_running:
            self.taken = self.known if code == 0 else self.taken
            self.pacing.ended(self.now, code)
            self.pacing.wake(self.now)


@given(st.lists(HAPPENS, max_size=40), st.sampled_from([0.0, 1.0, 10.0]))
def test_runs_keep_their_distance_and_nothing_is_forgotten(happens, cool_down):
    world = World(cool_down)
    for what, seconds in happens:
        if what == "arrives":
            world.arrived += 1
            world.pacing.wake(world.now)
        elif what == "wakes":
            world.pacing.wake(world.now)
        elif what == "settles":
            world.pacing.looked(world.now, is_new=world.arrived > world.known, again_in=seconds)
        else:
            world.end(CODES[what])
        world.on(seconds)

    # time goes on, and each run ends well
    for _ in range(len(happens) + 3):
        world.on(LONGEST_PAUSE_SECONDS)
        world.end(0)
    assert world.taken == world.arrived
    assert all(
        later - earlier >= cool_down - 1e-6 for earlier, later in zip(world.begun, world.begun[1:], strict=False)
    )
    assert world.pacing.pause(world.now) is None or world.pacing.pause(world.now) <= PATIENCE_SECONDS


def test_a_wake_that_finds_nothing_begins_no_run():
    world = World(10)
    world.pacing.wake(0.0)
    world.on(100)
    assert (world.begun, len(world.looks)) == ([], 1)


def test_wakes_that_go_on_and_on_put_no_look_off_for_long():
    pacing, looked_at = Pacing(0), None
    for tick in range(100):
        pacing.wake(tick * 0.05)
        if pacing.is_look_due(tick * 0.05):
            looked_at = tick * 0.05
            break
    assert looked_at is not None and looked_at <= PATIENCE_SECONDS


def test_what_failed_is_tried_again_after_longer_and_longer_pauses_or_at_once_if_more_comes():
    pacing, now, pauses = Pacing(0), 0.0, []
    pacing.want()
    for _ in range(8):
        pacing.began(now)
        pacing.ended(now, 40)
        pauses.append(pacing.pause(now))
        now += pauses[-1]
        assert pacing.is_run_due(now)
    assert pauses[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS

    pacing.began(now)
    pacing.ended(now, 40)
    pacing.looked(now, is_new=True)
    assert pacing.is_run_due(now)


def test_a_look_or_a_beginning_that_failed_is_not_repeated_at_once():
    pacing = Pacing(0)
    pacing.wake(0.0)
    pacing.want()
    pacing.failed(1.0)
    assert pacing.pause(1.0) == FIRST_PAUSE_SECONDS
