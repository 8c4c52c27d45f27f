"""The beginning of a file as bytes and as text: what it is compressed with, encoded in, and of which kind."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, Any

from etl.errors import ConfigError, counted
from etl.sources.formats.archive import files_in
from etl.sources.formats.limits import check_packing
from etl.sources.formats.plain import packing

SAMPLE_BYTES = 10_000_000
SAMPLE_RECORDS = 100_000

_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
    tarfile.TarError,
)
_BOMS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
_BOMS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
#: Bytes that no text has; some others below 32 are marks of one.
_CONTROL = bytes({*range(32)} - {*b"\t\n\r\f\v\x1b\x01\x1c\x1d\x1e\x1f"})
_COMPRESSED = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst", b"PK\3\4": "zip"}


class Kind(Enum):
    """What a file holds, as far as its name and its first bytes tell."""

    TEXT = "delimited text"
    JSON_LINES = "JSON lines"
    JSON = "a JSON document"
    PARQUET = "Parquet"
    EXCEL = "an Excel workbook"
    XML = "XML"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The first bytes of a file, unpacked."""

    path: Path
    content: bytes
    kind: Kind
    compression: str
    #: The file of an archive of several that it is of, and those that it is not of.
    member: str = ""
    others: tuple[str, ...] = ()
    #: False if the file goes on behind `content`.
    is_whole: bool


@dataclass(frozen=True)
class Text:
    """A sample decoded; undecodable bytes are lone surrogates. `encoding` is empty for UTF-8."""

    text: str
    encoding: str
    notes: tuple[str, ...] = ()


def read_sample(path: Path) -> Sample:
    """Return the beginning of a file. Raises ConfigError if it cannot be read, is empty or binary."""
    if path.is_dir():
        raise ConfigError(f"{path} is a folder. Name one file in it: a typical delivery.")
    compression = packing(path)
    try:
        others = files_in(path, compression) if compression in ("zip", "tar") else {}
        # of several files the largest is what most others are about
        member = max(others, key=lambda name: others[name], default="")
        content = _read(path, compression, member)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {_reason(error)}. Check the path and its permissions."
        ) from error
    except _BROKEN as error:
        raise ConfigError(
            f"{path} cannot be unpacked as {path.suffix}: {_reason(error)}. Have it delivered again, or rename it."
        ) from error
    if not content.strip(b"\r\n\t \0") or content in _BOMS or content == codecs.BOM_UTF8:
        raise ConfigError(f"{path} is empty: nothing can be told from it. Name a delivery that has records.")
    is_whole = len(content) <= SAMPLE_BYTES
    content = content[:SAMPLE_BYTES]
    return Sample(
        path=path,
        content=content,
        kind=_kind(Path(member), content, "") if member else _kind(path, content, compression),
        compression=compression,
        member=member if len(others) > 1 else "",
        others=tuple(name for name in others if name != member),
        is_whole=is_whole,
    )


def decode(sample: Sample) -> Text:
    """Return the sample's text up to its last whole line, and how it was decoded."""
    content = sample.content
    encoding = next((name for bom, name in _BOMS.items() if content.startswith(bom)), "") or _wide(content)
    notes: tuple[str, ...] = ()
    if not encoding:
        encoding, notes = _narrow(content)
    decoder = codecs.getincrementaldecoder(encoding or "utf-8-sig")(
        "surrogateescape" if not encoding else "replace"
    )
    text = decoder.decode(content, sample.is_whole)
    if not sample.is_whole:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    return Text(text, encoding, notes)


def _read(path: Path, compression: str, member: str) -> bytes:
    with _opened(path, compression, member) as file:
        parts, size = [], 0
        # some streams return less than they were asked for
        while size <= SAMPLE_BYTES and (part := file.read(SAMPLE_BYTES + 1 - size)):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


def _opened(path: Path, compression: str, member: str) -> IO[bytes] | Any:
    openers: dict[str, Any] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open, "": open}
    if compression in openers:
        return openers[compression](path, "rb")
    if compression == "zst":
        import pyarrow

        return pyarrow.input_stream(str(path), compression="zstd")
    if not member:
        raise ConfigError(f"{path} is an archive without a file. Name one that has deliveries.")
    if compression == "tar":
        return tarfile.open(path).extractfile(member)
    archive = zipfile.ZipFile(path)
    check_packing(path, [archive.getinfo(member)])
    return archive.open(member)


def _kind(path: Path, content: bytes, compression: str) -> Kind:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = "" if not suffixes else suffixes[-2] if compression and len(suffixes) > 1 else suffixes[-1]
    if content.startswith(b"PAR1"):
        return Kind.PARQUET
    if content.startswith(b"\xd0\xcf\x11\xe0") or (content.startswith(b"PK") and suffix in (".xlsx", ".xlsm")):
        return Kind.EXCEL
    _refuse_binary(path, content)
    start = content.removeprefix(codecs.BOM_UTF8).lstrip()
    if suffix in (".jsonl", ".ndjson") or (start.startswith(b"{") and b"}\n{" in start.replace(b"\r", b"")):
        return Kind.JSON_LINES
    if suffix == ".json" or start.startswith((b'{"', b"[{", b"[\n")):
        return Kind.JSON
    return Kind.XML if suffix == ".xml" or start.startswith(b"<?xml") else Kind.TEXT


def _refuse_binary(path: Path, content: bytes) -> None:
    for magic, name in _COMPRESSED.items():
        if content.startswith(magic):
            raise ConfigError(
                f"{path} is packed as {name}, which its name does not say. Rename it to end in .{name}."
            )
    if content.startswith(tuple(_BOMS)) or _wide(content):
        return
    control = len(content) - len(
        content.translate(None, bytes({*range(32)} - {*b"\t\n\r\f\v\x1b\x01\x1c\x1d\x1e\x1f"}))
    )
    if content.startswith(b"%PDF") or control > len(content) / 100:
        raise ConfigError(
            f"{path} is binary and no format that etl knows. Have the data delivered as a text file."
        )


def _wide(content: bytes) -> str:
    """Return the UTF-16 that text without a byte order mark is in: every second byte of most of it is NUL."""
    head = content[:4096]
    half = len(head) // 2
    if half and head[1::2].count(0) > half * 0.7 > head[0::2].count(0):
        return "utf-16-le"
    return "utf-16-be" if half and head[0::2].count(0) > half * 0.7 > head[1::2].count(0) else ""


def _narrow(content: bytes) -> tuple[str, tuple[str, ...]]:
    # the last line may be cut within a character
    beyond = [line for line in content.split(b"\n")[:-1] or [content] if not line.isascii()]
    bad = sum(not _decodes(line, "utf-8") for line in beyond)
    if bad == 0:
        return "", ()
    if bad < len(beyond) / 2:
        return "", (f"{counted(bad, 'line')} cannot be decoded as UTF-8 and would go to quarantine.",)
    guess = "cp1252" if _decodes(content, "cp1252") else "latin-1"
    return guess, (f"The encoding {guess} is a guess: the file is not UTF-8 and does not say what it is.",)


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
