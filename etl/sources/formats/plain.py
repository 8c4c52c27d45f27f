"""Any text file as plain UTF-8: decompressed and transcoded, with no byte lost on the way.

A byte that its encoding does not know becomes half a surrogate pair, which is invalid in UTF-8 too: readers
find such a line as broken, and original() gives its bytes back.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from etl.contract.values import TIMES, Values, later
from etl.errors import ContractError, UnreadableError
from etl.sources.formats import kinds
from etl.sources.formats.archive import check_member
from etl.sources.formats.limits import LONGEST_BYTES
from etl.sources.formats.unpacking import unpacked

#: What a record may have, unless its source says otherwise.
RECORD_BYTES = 1 << 23
#: What a source may say, since records are in memory whole.
_RECORD_LIMITS = range(1_000_000, (1 << 28) + 1)
_SUFFIXES = {".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".zst": "zst", ".zip": "zip"}
#: How names of tar archives end; how one is packed as a whole, its first bytes say.
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")
_COMPRESSIONS = ("", "none", *_SUFFIXES.values(), "tar")
_MARK = "\ufeff"
# a byte b that its encoding does not know is written as U+DC00 + b
_BYTES = "etl-bytes"
_BYTE = re.compile("([\udc00-\udcff]+)")
# encodings of names or of source code, whose decoders do not take a file in blocks
_NO_FILE_ENCODINGS = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}
_MARKED = {
    "utf-16": ((codecs.BOM_UTF16_BE, "utf-16-be"), (b"", "utf-16-le")),
    "utf-32": ((codecs.BOM_UTF32_BE, "utf-32-be"), (b"", "utf-32-le")),
}


@dataclass(frozen=True, kw_only=True)
class TextFile(Values):
    """The options of every format that is text.

    `encoding` is any of Python's; a byte order mark is dropped, and tells the byte order of utf-16 and
    utf-32 (little-endian without one). `compression` is gz, bz2, xz, zst, zip, tar (packed or not) or none; empty
    goes by the end of the file's name. Of a zip or tar with several files `member` names the one to read, with `*`
    and `?` for what changes in its name; one without a folder may be in any. A record of more than
    `max_record_bytes` is broken.
    """

    encoding: str = "utf-8"
    compression: str = ""
    member: str = later("")
    max_record_bytes: int = later(RECORD_BYTES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoding or type(self).encoding:  # where the default is empty, a file says its encoding itself
            check_encoding(self.encoding)
        if self.compression not in _COMPRESSIONS:
            names = ", ".join(filter(None, _COMPRESSIONS))
            raise ContractError(f"compression={self.compression!r} is not supported. Use one of {names}.")
        check_member(self.member)
        if type(self.max_record_bytes) is not int or self.max_record_bytes not in _RECORD_LIMITS:
            raise ContractError(
                f"max_record_bytes={self.max_record_bytes!r} is not a number of bytes from "
                f"{_RECORD_LIMITS[0]:,} to {_RECORD_LIMITS[-1]:,}."
            )

    @contextmanager
    def plain_text(self, path: Path, scratch: Path) -> Iterator[tuple[Path, str]]:
        """Give the file's plain text and exact encoding; a copy lies beside `scratch` and is deleted."""
        copy = scratch.with_name(scratch.name + ".text")
        try:
            text = plain(path, self.encoding, self.compression, copy, self.max_expansion, self.member)
            yield text, exact_encoding(path, self.encoding, self.compression, self.member)
        finally:
            copy.unlink(missing_ok=True)


def check_encoding(encoding: str) -> None:
    """Raise ContractError unless Python can decode files of this encoding."""
    try:
        name = codecs.lookup(encoding).name
        codecs.getincrementaldecoder(encoding)
        "".encode(encoding)  # a LookupError for rot13, hex and the like, which are no text encodings
    except (LookupError, UnicodeError, ValueError):
        name = "undefined"
    if name.replace("_", "-") in _NO_FILE_ENCODINGS:
        raise ContractError(f"encoding={encoding!r} is not a text encoding of Python, such as cp1252 or utf-16.")


def check_pattern(option: str, pattern: str) -> None:
    """Raise ContractError, which names the option, unless the pattern is a regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ContractError(f"{option} is not a regular expression: {error}.") from error


def plain(
    path: Path, encoding: str, compression: str, scratch: Path, times: int = TIMES, member: str = ""
) -> Path:
    """Return the path of the file's text in UTF-8: itself, or `scratch`, which is then written.

    With the encoding utf-8 only the compression is undone; the text may have `times` the file's size. Raises
    UnreadableError for an archive that is damaged, cut off, of several files without a `member`, or a bomb.
    """
    kind = packing(path, compression)
    is_utf8 = _is_utf8(encoding)
    if not kind and is_utf8:
        _refuse_binary(path, kinds.first_bytes(path))
        return path
    with closing(unpacked(path, kind, times, member)) as blocks, scratch.open("wb") as target:
        first = next(blocks, b"")
        _refuse_binary(path, first)
        every = chain([first], blocks)
        for block in every if is_utf8 else _transcoded(every, encoding):
            target.write(block)
    return scratch


def _refuse_binary(path: Path, head: bytes) -> None:
    """Raise UnreadableError for what begins as no text does."""
    if not (found := kinds.binary_kind(head)):
        return
    raise UnreadableError(
        f"{path} is {found}, not text. If its sender packs files so, say compression=; if not, ask for the text."
    )


def exact_encoding(path: Path, encoding: str, compression: str, member: str = "") -> str:
    """Return the encoding with its byte order, which a file of utf-16 or utf-32 has at its start."""
    name = codecs.lookup(encoding).name
    if _is_utf8(encoding):
        return "utf-8"
    if name not in _MARKED:
        return encoding
    with closing(unpacked(path, packing(path, compression), TIMES, member)) as blocks:
        start = next(blocks, b"")
    return next(exact for mark, exact in _MARKED[name] if start.startswith(mark))


def original(line: bytes, encoding: str) -> bytes:
    """Return the bytes that plain() made a line from, for an encoding from exact_encoding().

    Exact where an encoding spells each character in one way. The ISO-2022 family, HZ and UTF-7 switch
    states along the way, so theirs may come back in another spelling of the same text.
    """
    if _is_utf8(encoding):
        return line
    parts = _BYTE.split(line.decode("utf-8", "surrogatepass"))
    return b"".join(
        bytes(ord(char) - 0xDC00 for char in part) if position % 2 else part.encode(encoding, "surrogatepass")
        for position, part in enumerate(parts)
    )


def shown(raw: bytes, encoding: str) -> tuple[str, bytes | None]:
    """Return bytes as text for people, what is undecodable as \\xNN, and the bytes if that is not all."""
    text = raw.decode(encoding, "backslashreplace").encode("utf-8", "backslashreplace").decode()
    try:
        is_whole = text.encode(encoding) == raw
    except UnicodeError:
        is_whole = False
    return text, None if is_whole else raw


def lines(text: Path, ends: str = "\n", most: int = RECORD_BYTES) -> Iterator[tuple[int, bytes, bool]]:
    """Yield number, bytes and True for each line of plain text, without its end and a byte order mark.

    A line of `most` bytes and more comes with False, and in pieces if it is longer than memory may hold. `ends`
    "\r" lets a carriage return alone end a line too.
    """
    number, is_begun = 0, False
    with text.open("rb") as file:
        file.seek(len(codecs.BOM_UTF8) if file.read(3) == codecs.BOM_UTF8 else 0)
        readline = _any_end(file) if ends == "\r" else file.readline
        while line := readline(most):
            number += not is_begun
            is_long = is_begun or (len(line) == most and not line.endswith(b"\n"))
            if is_long and not is_begun and most < LONGEST_BYTES:
                line += readline(LONGEST_BYTES - most)
            is_begun = is_long and not line.endswith(b"\n")
            yield number, line.removesuffix(b"\n").removesuffix(b"\r"), not is_long


def _any_end(file: BinaryIO) -> Callable[[int], bytes]:
    """Return readline() of a file for lines that end in any way; each end is a line feed then."""
    # of this encoding every byte is a character
    found = io.TextIOWrapper(file, "latin-1", newline=None)
    return lambda most: found.readline(most).encode("latin-1")


def packing(path: Path, compression: str = "") -> str:
    """Return how a file is packed, by its name or by what its source says; empty if it is not."""
    if compression:
        return compression.replace("none", "")
    return "tar" if path.name.lower().endswith(_TARS) else _SUFFIXES.get(path.suffix.lower(), "")


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_BYTES, _escape)


def _transcoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the text of the blocks in UTF-8, without a byte order mark."""
    # without a mark, the decoder of utf-16 would take the byte order of this machine
    first = next(blocks, b"")
    name = codecs.lookup(encoding).name
    if name in _MARKED:
        encoding = next(exact for mark, exact in _MARKED[name] if first.startswith(mark))
    decoder = codecs.getincrementaldecoder(encoding)(_BYTES)
    is_start = True
    for block in chain([first], blocks):
        text = decoder.decode(block)
        if text and is_start:
            text, is_start = text.removeprefix(_MARK), False
        yield text.encode("utf-8", "surrogatepass")
    text = decoder.decode(b"", final=True)
    yield (text.removeprefix(_MARK) if is_start else text).encode("utf-8", "surrogatepass")
