"""Trainings as files of TensorBoard: a folder each, with its curves, and its parameters beside its results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote

from etl.errors import ConfigError
from etl.operations.ml.exports.training import Training
from etl.project.files import written_aside

#: So much of an id names its folder, as it is shown elsewhere.
_ID = 12


def to_tensorboard(found: Sequence[Training], name: str, out: str) -> tuple[int, str]:
    """Write a file of events for each training, those of a model in a folder of its name.

    Equal trainings make equal files, and one that is there already stays. Raises ConfigError.
    """
    folder = Path(out) / name.rpartition("/")[2]
    written = 0
    try:
        for one in found:
            content = b"".join(_records(one))
            path = folder / one.id[:_ID] / f"events.out.tfevents.{int(one.started)}.etl"
            if path.is_file() and path.read_bytes() == content:
                continue
            with written_aside(path) as aside:
                aside.write_bytes(content)
            written += 1
    except OSError as error:
        raise ConfigError(
            f"{error.filename or folder} cannot be written: {error.strerror}. Name another folder with --out."
        ) from None
    return written, f"tensorboard --logdir {quote(out)}"


def _records(one: Training) -> Iterator[bytes]:
    """Yield the events of a training as the file has them: what wrote it, its parameters, results and curves."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        raise ConfigError("TensorBoard is not installed. Type: pip install 'etl[tensorboard]'") from None

    def scalar(name: str, step: int, value: float) -> Event:
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        return Event(wall_time=one.started, step=step, summary=summary)

    class _Written:
        def write(self, data: bytes) -> None:
            records.append(data)

    records: list[bytes] = []
    writer = RecordWriter(_Written())
    params = {**one.params, **{name: text for name, text in one.facts.items() if name == "etl.verdict"}}
    events = [
        Event(wall_time=one.started, file_version="brain.Event:2"),
        Event(wall_time=one.started, summary=hparams_pb(params, trial_id=one.id, start_time_secs=one.started)),
        *(scalar(name, 0, value) for name, value in one.metrics.items()),
        *(scalar(f"curve/{name}", *step) for name, steps in one.curves.items() for step in steps),
    ]
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    yield from records
