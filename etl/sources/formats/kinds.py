"""What a file is by its first bytes, whatever its name says."""

from __future__ import annotations

import re
from pathlib import Path

_HEAD_BYTES = 1024
_MARKS = (
    (b"\xd0\xcf\x11\xe0", "an .xls workbook, or an encrypted one"),
    (b"PK\x03\x04", "a zip archive, as .xlsx and .ods workbooks are"),
    (b"\x1f\x8b", "a gz archive"),
    (b"BZh", "a bz2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zst archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"%PDF-", "a PDF document"),
    (b"SQLite format 3\0", "a SQLite database"),
)
_HTML = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*(?:<!doctype\s+html|<html|<head|<body|<table|<meta)\b", re.DOTALL | re.I
)
_XML = re.compile(rb"\s*<(?:\?xml|[A-Za-z])")


def binary_kind(head: bytes) -> str:
    """Return what a file is that is not text; empty if nothing is known of it."""
    # a tar's own mark stands behind the name of its first file, which NULs fill up
    if head[257:262] == b"ustar" and b"\0" in head[:100]:
        return "a tar archive"
    # two letters, or three, may begin a text too
    found = next((kind for mark, kind in _MARKS if head.startswith(mark)), "")
    return "" if found == "a bz2 archive" and head[4:10] != b"1AY&SY" else found


def kind(head: bytes) -> str:
    """Return what a file is; empty if it is neither text nor known."""
    if found := binary_kind(head):
        return found
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(text):
        return "HTML"
    if _XML.match(text):
        return "XML"
    is_text = b"\0" not in head and bool(head)
    return "text" if is_text and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head) else ""


def first_bytes(path: Path) -> bytes:
    """Return what a file begins with."""
    with path.open("rb", buffering=0) as file:
        return file.read(_HEAD_BYTES)
