"""The records of a delimited file by counting its lines alone, where that is known, or likely, to be right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etl.sources.formats.blocks import Block, block_bytes
from etl.sources.formats.file_text import FileText
from etl.sources.formats.head import Body
from etl.sources.formats.splitter import Dialect
from etl.sources.formats.tables import may_repeat

#: Up to this size, counting bytes is quicker than importing numpy to do so.
SMALL_BYTES = 4 << 20
#: As much as stays in the processor's cache.
_CACHED_BYTES = 1 << 19


def counted(content: bytes | FileText, body: Body, dialect: Dialect, columns: Sequence[str]) -> int | None:
    """Return the records of a small file if counting proves that DuckDB reads it right, else None.

    In text without quotes, blank lines, mixed line ends, second headers or invalid UTF-8, delimiters =
    lines x (width - 1) leaves nothing that DuckDB's strict mode would not refuse.
    """
    data = content[body.start : body.end]
    if body.end < len(content) or (dialect.grammar and dialect.escape in content[: body.end]):
        return None
    if b"\0" in data or (dialect.quote and dialect.quote in content[: body.end]):
        return None
    lines, returns = data.count(b"\n"), data.count(b"\r")
    if returns not in (0, lines) or data.count(b"\r\n") != returns or data[:1] in (b"\r", b"\n"):
        return None
    if b"\n\n" in data or b"\n\r" in data or not _decodes(data):
        return None
    if any(may_repeat(data, header, dialect) for header in body.headers):
        return None
    lines += data[-1:] not in (b"", b"\n")
    is_exact = data.count(dialect.delimiter) == lines * (len(columns) - 1)
    return lines if is_exact and is_head_plain(content, body, returns > 0) else None


def is_head_plain(content: bytes | FileText, body: Body, has_returns: bool) -> bool:
    """Return whether the lines above the records are as many for DuckDB as for us."""
    head = content[: body.start]
    lines = body.line - 1
    return body.is_sound and head.count(b"\n") == lines and head.count(b"\r") == (lines if has_returns else 0)


def estimated(content: FileText, body: Body, dialect: Dialect, columns: Sequence[str]) -> int | None:
    """Return the lines of a large file if nothing says yet that each is not a sound record, else None.

    Who reads its blocks() finds what is left to be said: a line of another width, a blank or too long one.
    """
    if dialect.comment or (dialect.width or 0) < 2:
        return None
    headers = {tuple(columns), *body.headers} if body.headers else ()
    lines = 0
    for data, end, count in _parts(content, body, _CACHED_BYTES):
        if not count or b"\0" in data or not _decodes(data[:end]):
            return None
        if (dialect.quote and dialect.quote in data) or (dialect.grammar and dialect.escape in data):
            return None
        if b"\r" in data and not data.count(b"\r", 0, end) == data.count(b"\r\n", 0, end) == count:
            return None
        if any(may_repeat(data[:end], header, dialect) for header in headers):
            return None
        lines += count
    return lines


def blocks(content: FileText, body: Body, columns: int) -> Iterator[Block]:
    """Yield the lines of a file whose records are counted() or estimated()."""
    for data, end, count in _parts(content, body, block_bytes(columns)):
        has_returns = b"\r" in data
        yield Block(
            data[:end].replace(b"\r\n", b"\n") if has_returns else memoryview(data)[:end], count, is_scanned=False
        )


def _parts(content: FileText, body: Body, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield so many bytes, where the last line in them ends, and the number of its lines up to there.

    The last line of the file may lack its end, which is added. Nothing comes behind a part without a line end.
    """
    import numpy as np

    start = body.start
    while start < body.end:
        data = content[start : min(start + size, body.end)]
        end = data.rfind(b"\n") + 1
        if start + len(data) == body.end and end < len(data):
            data += b"\n"
            end = len(data)
        start += end
        view = np.frombuffer(data, np.uint8)[:end]
        cached = range(0, len(view), _CACHED_BYTES)
        yield data, end, sum(int(np.count_nonzero(view[at : at + _CACHED_BYTES] == ord("\n"))) for at in cached)
        if not end:
            return


def _decodes(data: bytes) -> bool:
    # ASCII, most of the world's raw files, is told ten times faster than it is decoded
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
