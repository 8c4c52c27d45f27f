"""A file that changes while it is read: noticed, and read again if it still says what the run was planned with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from etl.errors import DeliveryError
from etl.project.files import sha256
from etl.stages.raw import Delivery, File, state

#: How often a delivery is read, and how long to wait in between: longer each time, up to so many seconds.
_ATTEMPTS = 3
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.2, 2.0


def is_changed(delivery: Delivery) -> bool:
    """Return whether a raw file has another stamp than the one that the run was planned with, or is gone."""
    return any(_stamp(file) != file.stat_key for file in delivery.files)


def check_unchanged(delivery: Delivery) -> None:
    """Raise DeliveryError if is_changed()."""
    if is_changed(delivery):
        raise DeliveryError(
            f"{delivery.source} {delivery.date}: {delivery.file} changed while it was read. "
            "Nothing of it was taken; the next run reads it again."
        )


def read_unchanged(
    read: Callable[[Sequence[Delivery]], Sequence[Delivery]],
    deliveries: Sequence[Delivery],
    note: Callable[[], None] = lambda: None,
) -> list[DeliveryError]:
    """Call `read` with deliveries, and again with those that it returns: they changed while they were read.

    Only what has the planned content is read again, with its new stamps: what arrived during a run waits for
    the next one. `note` is called before each further time. Return an error for each delivery that was not to be
    had like that.
    """
    problems: list[DeliveryError] = []
    waiting = list(deliveries)

    def attempt() -> bool:
        changed = list(read(tuple(waiting)))
        waiting.clear()
        for delivery in changed:
            try:
                waiting.append(settled(delivery))
            except DeliveryError as error:
                problems.append(error)
        return bool(waiting)

    first = [attempt()]
    if not waiting:
        return problems

    import tenacity

    tenacity.Retrying(
        retry=tenacity.retry_if_result(bool),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential(_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
        before_sleep=lambda state: note(),
        retry_error_callback=lambda state: None,
    )(lambda: first.pop() if first else attempt())
    return [*problems, *(_restless(delivery) for delivery in waiting)]


def settled(delivery: Delivery) -> Delivery:
    """Return a delivery with the stamps that its files have now, if their content is still the planned one.

    Raises DeliveryError if it is not: the receipt, which is for the planned content, would be a lie.
    """
    return replace(delivery, files=tuple(_settled(delivery, file) for file in delivery.files))


def _settled(delivery: Delivery, file: File) -> File:
    where = f"{delivery.source} {delivery.date}: {file.name}"
    try:
        # the stamp first: a change during the hashing then shows in the next reading
        size, changed_ns, inode = state(file.path)
        hashed = sha256(file.path, file.raw)
        now = File(file.name, file.path, size, changed_ns, inode=inode, sha256=hashed)
    except OSError as error:
        raise DeliveryError(
            f"{where} was there when the run began, and cannot be read any more: {error.strerror}. Nothing of it "
            "was taken; the next run takes what it then finds."
        ) from error
    if now.sha256 != file.sha256:
        raise DeliveryError(
            f"{where} changed while it was read: it has other content than when the run began. Nothing of it was "
            "taken; the next run reads it again. If that happens often, let its sender write aside and rename, or "
            "set the source's marker or settle_seconds."
        )
    return now


def _stamp(file: File) -> tuple[str, int, int, int] | None:
    try:
        return (file.name, *state(file.path))
    except OSError:
        return None


def _restless(delivery: Delivery) -> DeliveryError:
    return DeliveryError(
        f"{delivery.source} {delivery.date}: {delivery.file} changed while it was read, {_ATTEMPTS} times, though "
        "its content is the same. Nothing of it was taken; find out what touches it, and run again."
    )
