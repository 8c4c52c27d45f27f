"""How long a night waits, for whose delivery, and how often it asks for what is fetched: by a clock of its own."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.run import waits
from tests.support import tiny

DAY = date(2024, 3, 1)
BEGAN = datetime(2024, 3, 1, 2, 30, tzinfo=UTC)
WINDOW = {"required": True, "wait": "02:00-06:00", "poll": "5 min"}


class Night:
    """A run that began at 02:30, of which the clock goes on only while it sleeps or asks."""

    def __init__(self, patch, *, comes=None, deadline="", name="sales", began=BEGAN, last=DAY):
        settings = SimpleNamespace(timezone="UTC", deadline=deadline)
        self.source = tiny.sales(**WINDOW)
        missing = {name: last}
        scope = SimpleNamespace(first=date.min, last=last, takes_source=lambda name: True)
        catalog = SimpleNamespace(sources={name: self.source})
        self.plan = SimpleNamespace(scope=scope, catalog=catalog, missing=missing)
        self.project, self.ledger = SimpleNamespace(settings=settings), None
        self.row, self.is_whole = SimpleNamespace(started_at=began.isoformat()), True
        self.now, self.comes, self.asked = began, comes, []
        self.there = False
        patch.setattr(waits, "_now", lambda: self.now)
        patch.setattr(waits, "look", lambda *_: "" if self.is_there() else "it is not there")

    def is_there(self):
        # what is fetched is there when it was asked for
        return self.there if self.asked or self.is_fetched else self.comes is not None and self.now >= self.comes

    is_fetched = False

    def watch_parent(self):
        pass

    def sleep(self, seconds):
        assert seconds > 0
        self.now += timedelta(seconds=seconds)

    def ask(self):
        self.asked.append(self.now)
        self.there = self.comes is not None and self.now >= self.comes

    def wait(self, *, is_fetched=False):
        self.is_fetched = is_fetched
        waits.wait(self, self.source, DAY, ask=self.ask if is_fetched else None, sleep=self.sleep)
        return self.is_there()


@given(
    minutes=st.none() | st.integers(1, 400),
    is_fetched=st.booleans(),
    deadline=st.sampled_from(["", "02:31", "04:02", "05:59", "23:00"]),
    held_up=st.integers(0, 300),
)
def test_what_comes_before_the_end_is_there_and_nobody_waits_for_longer(minutes, is_fetched, deadline, held_up):
    end = min(BEGAN.replace(hour=6, minute=0), _moment(deadline or "06:00"))
    comes = BEGAN + timedelta(minutes=minutes) if minutes is not None else None
    with pytest.MonkeyPatch.context() as patch:
        night = Night(patch, comes=comes, deadline=deadline)
        # so long it waited for another source before
        night.now += timedelta(minutes=held_up)
        begun = night.now
        is_there = night.wait(is_fetched=is_fetched)

    assert is_there == (comes is not None and comes <= max(end, begun))
    assert night.now <= max(end, begun)
    if is_there:
        # no later than at the first look after it came
        assert night.now - max(comes, begun) <= timedelta(minutes=5)
    if is_fetched:
        # a fetch a poll, and one however late it is
        assert 1 <= len(night.asked) <= (max(end, begun) - begun) / timedelta(minutes=5) + 2


def _moment(text):
    return BEGAN.replace(hour=int(text[:2]), minute=int(text[3:]))


@pytest.mark.parametrize(
    ("began", "last", "expected"),
    [
        (BEGAN, DAY, {"sales": [DAY]}),
        # the days of before are over
        (BEGAN, DAY - timedelta(1), {}),
        # beside the window
        (BEGAN.replace(hour=1), DAY, {}),
        (BEGAN.replace(hour=6, minute=0), DAY, {}),
    ],
)
def test_only_the_night_of_its_own_day_within_the_window_waits(monkeypatch, began, last, expected):
    night = Night(monkeypatch, began=began, last=last)

    assert waits.due(night, night.plan) == expected


def test_what_is_not_missing_or_not_asked_for_is_not_waited_for(monkeypatch):
    night = Night(monkeypatch)
    night.plan.scope.takes_source = lambda name: False
    assert waits.due(night, night.plan) == {}
    night.plan.scope.takes_source, night.is_whole = (lambda name: True), False
    assert waits.due(night, night.plan) == {}
    night.is_whole, night.plan.missing = True, {}
    assert waits.due(night, night.plan) == {}
