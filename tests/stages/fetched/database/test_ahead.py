"""Reading ahead changes nothing but the time that it takes."""

import threading

import pytest

from etl.stages.fetched.kinds.database.ahead import ahead


def numbers(until, closed, error=None):
    try:
        yield from range(until)
        if error:
            raise error
    finally:
        closed.append(threading.current_thread().name)


@pytest.mark.parametrize("until", [0, 1, 2, 3, 50])
def test_every_item_comes_once_and_in_order(until):
    closed = []
    assert list(ahead(numbers(until, closed))) == list(range(until))
    assert closed == ["etl-ahead"]


def test_an_error_comes_after_the_items_before_it():
    taken, closed = [], []
    with pytest.raises(ValueError, match="torn"):
        taken.extend(ahead(numbers(3, closed, ValueError("torn"))))
    assert (taken, closed) == ([0, 1, 2], ["etl-ahead"])


def test_who_stops_early_leaves_no_thread_and_no_open_reader():
    closed = []
    items = ahead(numbers(10**9, closed))
    assert next(items) == 0
    items.close()
    assert closed == ["etl-ahead"]
    assert not [thread for thread in threading.enumerate() if thread.name == "etl-ahead"]
