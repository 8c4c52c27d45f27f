"""Standard output and error that last: closed, full or in an old encoding, they end no command in a traceback."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

#: What encodings without them show in the place of the signs that commands draw with.
_PLAIN = {"→": "->", "├": "|", "└": "`", "│": "|", "─": "-", "…": "...", "█": "#", "·": "."}
_PLAIN |= dict(zip("▁▂▃▄▅▆▇", "_-=+*%@", strict=True))
_UNWRITTEN = 30
_STREAMS = ("stdout", "stderr", "__stdout__", "__stderr__")


class _Lasting(io.FileIO):
    """A stream of bytes whose reader may go away: the rest is thrown away then, and the command goes on."""

    failed: OSError | None = None

    def write(self, data: Any) -> int:
        """Write to the file; after a failure, which is kept if somebody should know of it, to nowhere."""
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno != errno.EPIPE:
                self.failed = error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def keep_output() -> None:
    """Give this process streams that last, if they are still those that it began with."""
    codecs.register_error("etl.plain", _plainly)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # the next file would take its place, and get what is printed
            os.open(os.devnull, os.O_RDWR)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream: TextIO | None = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__") and not isinstance(_raw(stream), _Lasting):
            lasting = _lasting(stream, number)
            setattr(sys, name, lasting)
            setattr(sys, f"__{name}__", lasting)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Give a command streams that last. It exits with 30, and says why, if what it printed is not written."""
    before = [getattr(sys, name) for name in _STREAMS]
    keep_output()
    try:
        yield
    except SystemExit as asked:
        sys.stdout.flush()
        error = getattr(_raw(sys.stdout), "failed", None)
        if error and not asked.code:
            print(f"Error: the output could not be written: {error.strerror}.", file=sys.stderr)
            raise SystemExit(_UNWRITTEN) from None
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for name, stream in zip(_STREAMS, before, strict=True):
            # what began as closed stays open to nowhere
            setattr(sys, name, stream or getattr(sys, name))


def _lasting(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(_Lasting(number, "w", closefd=False)), "utf-8", "etl.plain")
    stream.flush()
    file = io.BufferedWriter(_Lasting(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(file, stream.encoding, "etl.plain", line_buffering=bool(stream.line_buffering))


def _raw(stream: TextIO | None) -> object:
    """Return the file below a stream, if it has one."""
    return getattr(getattr(stream, "buffer", None), "raw", None)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Return what is written in the place of characters that an encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    chars = error.object[error.start : error.end]
    return "".join(
        _PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode() for char in chars
    ), error.end
