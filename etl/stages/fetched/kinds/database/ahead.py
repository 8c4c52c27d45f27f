"""Reads ahead of who writes: the database sends the next rows while those before are written."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

_Item = TypeVar("_Item")
#: So many items wait to be taken at most.
_AHEAD = 2
_PATIENCE_SECONDS = 0.2


class _End:
    """What comes after the last item, and the error that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Generator[_Item, None, None]) -> Iterator[_Item]:
    """Yield items that a thread takes from a generator; it is closed there, also if nobody wants more."""
    queue: Queue[_Item | _End] = Queue(_AHEAD)
    is_over = Event()
    thread = Thread(target=_read, args=(items, queue, is_over), name="etl-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        is_over.set()
        while thread.is_alive():
            with suppress(Empty):
                queue.get(timeout=_PATIENCE_SECONDS)
        thread.join()


def _read(items: Generator[_Item, None, None], queue: Queue[_Item | _End], is_over: Event) -> None:
    end = _End()
    try:
        for item in items:
            if not _put(queue, item, is_over):
                break
        items.close()
    except BaseException as error:
        end = _End(error)
    _put(queue, end, is_over)


def _put(queue: Queue[_Item | _End], item: _Item | _End, is_over: Event) -> bool:
    """Put an item into the queue when there is room; return whether anybody still wants it."""
    while not is_over.is_set():
        with suppress(Full):
            queue.put(item, timeout=_PATIENCE_SECONDS)
            return True
    return False
