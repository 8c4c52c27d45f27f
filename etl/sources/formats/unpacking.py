"""What a packed file holds, in blocks: gz, bz2, xz, zst, and one file of a zip or tar; or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from errno import EINVAL
from pathlib import Path
from typing import IO, Any, Protocol

from etl.errors import UnreadableError, sentence
from etl.sources.formats import kinds
from etl.sources.formats.archive import open_zip_member, tar_blocks
from etl.sources.formats.limits import Limit

_BLOCK_BYTES = 1 << 20
#: What a record or a part of one costs in memory, beside its text, by what there is one of for each.
_COSTS = {b"\n": 64, b"\r": 64, b"{": 64, b"<": 24}


def unpacked(path: Path, kind: str, times: int, member: str) -> Generator[bytes, None, None]:
    """Yield a file's content, decompressed; UnreadableError where it cannot be."""
    limit = Limit(path, times)
    if member and kind not in ("zip", "tar"):
        raise UnreadableError(
            f"{path} is not an archive of several files, and member={member!r} names one in it. Take member= out, "
            "or say compression='zip' or 'tar'."
        )
    if kind == "zip":
        blocks = _zip(path, member)
    else:
        blocks = _tar(path, member, times) if kind == "tar" else _OPENERS[kind](path)
    while True:
        try:
            block = next(blocks, b"")
        except UnreadableError:
            raise
        except OSError as error:
            if error.errno not in (None, EINVAL):  # the disk's fault, not the file's
                raise
            raise _damaged(path, kind, error) from error
        except Exception as error:
            # the libraries raise errors of many kinds on damaged archives
            raise _damaged(path, kind, error) from error
        if not block:
            return
        if kind:
            limit.take(len(block) + max(cost * block.count(mark) for mark, cost in _COSTS.items()))
        yield block


def _damaged(path: Path, kind: str, error: Exception) -> UnreadableError:
    why = sentence(str(error) or type(error).__name__)
    return UnreadableError(f"{path} is not a sound {kind} archive: {why} Ask for it to be delivered again.")


def _uncompressed(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from _read(file)


def _gz(path: Path) -> Iterator[bytes]:
    import gzip

    _refuse_empty(path)
    with gzip.open(path, "rb") as file:
        yield from _read(file)


def _bz2(path: Path) -> Iterator[bytes]:
    from bz2 import BZ2Decompressor

    return _streams(path, BZ2Decompressor)


def _xz(path: Path) -> Iterator[bytes]:
    from lzma import LZMADecompressor

    return _streams(path, LZMADecompressor)


def _zst(path: Path) -> Iterator[bytes]:
    import pyarrow as pa

    _refuse_empty(path)
    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as file:
        yield from _read(file)


def _zip(path: Path, member: str) -> Iterator[bytes]:
    from zipfile import ZipFile

    with ZipFile(path) as archive, open_zip_member(archive, path, member) as file:
        yield from _read(file)


def _tar(path: Path, member: str, times: int) -> Iterator[bytes]:
    """Yield the one file of a tar archive, which may be packed as a whole."""
    head = kinds.binary_kind(kinds.first_bytes(path))
    packed = next((kind for kind in _OPENERS if kind and head == f"a {kind} archive"), "")
    return tar_blocks(lambda: unpacked(path, packed, times, ""), path, member, _BLOCK_BYTES)


_OPENERS: dict[str, Callable[[Path], Iterator[bytes]]] = {
    **{"": _uncompressed, "gz": _gz, "bz2": _bz2, "xz": _xz, "zst": _zst},
}


def _read(file: IO[bytes] | Any) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _streams(path: Path, new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield the content of one or more streams; unlike the library's files, nothing may lie between them."""
    decompressor = new()
    with path.open("rb") as file:
        while True:
            block = b""
            if decompressor.eof:
                # streams may be padded with zeros
                block = (decompressor.unused_data or file.read(_BLOCK_BYTES)).lstrip(b"\0")
                if not block and not (block := file.read(_BLOCK_BYTES).lstrip(b"\0")):
                    return
                decompressor = new()
            elif decompressor.needs_input and not (block := file.read(_BLOCK_BYTES)):
                raise EOFError("it is cut off")
            if content := decompressor.decompress(block, _BLOCK_BYTES):
                yield content


def _refuse_empty(path: Path) -> None:
    if not path.stat().st_size:
        raise EOFError("it is cut off")
