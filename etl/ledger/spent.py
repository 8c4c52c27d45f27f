"""What a piece of work has cost this process: time, CPU, bytes read and written, and the most memory it had."""

from __future__ import annotations

import resource
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from time import perf_counter

#: In which unit the system counts memory: kilobytes, but bytes on a Mac.
_MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024

#: Adds to what the history has of a step. Parts may be done side by side, so its seconds are a span.
ADD_SPENT = """
update steps set
    seconds = max(coalesce(seconds, 0), :seconds,
        :seconds + (julianday(:started_at) - julianday(coalesce(nullif(started_at, ''), :started_at))) * 86400),
    started_at = min(coalesce(nullif(started_at, ''), :started_at), :started_at),
    cpu_seconds = coalesce(cpu_seconds, 0) + :cpu_seconds,
    bytes_read = coalesce(bytes_read + :bytes_read, bytes_read, :bytes_read),
    bytes_written = coalesce(bytes_written + :bytes_written, bytes_written, :bytes_written),
    peak_memory_bytes = max(coalesce(peak_memory_bytes, 0), :peak_memory_bytes),
    attempts = max(attempts, 1)
where run_id = :run and step = :step and name = :name"""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """The cost of a piece of work; bytes are None where the system does not count them.

    `peak_memory_bytes` is the most that the process ever had, up to the end of the work.
    """

    started_at: str
    seconds: float
    cpu_seconds: float
    bytes_read: int | None = None
    bytes_written: int | None = None
    peak_memory_bytes: int = 0

    def row(self, run_id: str, step: str, name: str) -> dict[str, object]:
        """Return the values of ADD_SPENT, for a step of a run."""
        return {**asdict(self), "run": run_id, "step": step, "name": name}


@dataclass(frozen=True)
class Meter:
    """Counts from where it is made; spent() may be asked any number of times."""

    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="microseconds"))
    _began: float = field(default_factory=perf_counter)
    _cpu: float = field(default_factory=lambda: _cpu_seconds())
    _io: tuple[int, int] | None = field(default_factory=lambda: _io_bytes())

    def spent(self) -> Spent:
        """Return what was spent since the meter was made, by this process and its children that have ended."""
        io = _io_bytes()
        read, written = (
            (None, None) if io is None or self._io is None else (io[0] - self._io[0], io[1] - self._io[1])
        )
        return Spent(
            started_at=self.started_at,
            seconds=perf_counter() - self._began,
            cpu_seconds=_cpu_seconds() - self._cpu,
            bytes_read=read,
            bytes_written=written,
            peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MEMORY_UNIT,
        )


def _cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(times.ru_utime + times.ru_stime for times in used)


def _io_bytes() -> tuple[int, int] | None:
    """Return the bytes that this process has read and written by calls of the system; None where nobody counts."""
    try:
        with open("/proc/self/io", "rb", buffering=0) as file:
            lines = file.read(400).split()
    except OSError:
        return None
    return int(lines[1]), int(lines[3])
