"""What extraction of a delimited file must find, byte by byte: as slow as it is plain, to compare with.

It shares no code with the package.
"""

from typing import NamedTuple


class Marks(NamedTuple):
    delimiter: bytes = b","
    quote: bytes = b'"'
    escape: bytes = b""
    comment: bytes = b""
    nulls: tuple[str, ...] = ("",)
    trailing: bool = False
    grammar: str = ""


class Found(NamedTuple):
    """A record: its physical line, its text without line end, and its cells, None if it is broken."""

    line: int
    text: bytes
    cells: tuple[str | None, ...] | None


def records(content: bytes, width: int, marks: Marks, line: int = 1) -> list[Found]:
    """Return the records of a text without anything around them."""
    found, start = [], 0
    if marks.grammar == "copy":
        content = _above_end_marker(content)
    while start < len(content):
        end, cells = _record(content, start, marks)
        if content[start : start + 1] in (b"\r", b"\n") or (
            marks.comment and content.startswith(marks.comment, start)
        ):
            end = _line_end(content, start)
        elif (
            cells is None or len(cells) != width + marks.trailing or (marks.trailing and cells[-1] != (b"", False))
        ):
            if cells is None or len(cells) != width + marks.trailing:
                end = _line_end(content, start)
            found.append(Found(line, _text(content[start:end]), None))
        else:
            values = tuple(_value(*cell, marks) for cell in cells[:width])
            is_whole = b"\0" not in content[start:end] and _decodes(content[start:end])
            if marks.grammar:
                meant = [_meant(text, marks.grammar) for text, _ in cells]
                is_whole = is_whole and not any(b"\0" in text or not _decodes(text) for text in meant)
                is_whole = is_whole and not (marks.grammar == "copy" and _text(content[start:end]) == b"\\.")
            found.append(Found(line, _text(content[start:end]), values if is_whole else None))
        line += _line_ends(content[start:end])
        start = end
    return found


def _above_end_marker(content: bytes) -> bytes:
    text = content.rstrip(b"\r\n")
    is_marked = text.endswith(b"\\.") and text[-3:-2] in (b"", b"\r", b"\n")
    return text[:-2] if is_marked else content


def _record(content: bytes, start: int, marks: Marks) -> tuple[int, list[tuple[bytes, bool]] | None]:
    """Return the end of the record at `start`, and its cells with whether each is quoted; None if it is none."""
    cells, position = [], start
    while True:
        taken = (
            _quoted(content, position, marks)
            if marks.quote and content.startswith(marks.quote, position)
            else None
        )
        is_quoted = taken is not None
        if marks.quote and content.startswith(marks.quote, position) and taken is None:
            return 0, None
        text, position = taken or _bare(content, position, marks)
        cells.append((text, is_quoted))
        if content.startswith(marks.delimiter, position):
            position += len(marks.delimiter)
        elif position == len(content) or content[position : position + 1] in (b"\r", b"\n"):
            return _line_end(content, position), cells
        else:
            return 0, None


def _quoted(content: bytes, position: int, marks: Marks) -> tuple[bytes, int] | None:
    text, position = b"", position + 1
    while position < len(content):
        byte = content[position : position + 1]
        following = content[position + 1 : position + 2]
        if marks.escape and byte == marks.escape:
            is_kept = following not in (marks.quote, marks.escape)
            text, position = text + byte * is_kept + following, position + 2
        elif byte == marks.quote and following == marks.quote:
            text, position = text + byte, position + 2
        elif byte == marks.quote:
            return text, position + 1
        else:
            text, position = text + byte, position + 1
    return None


def _bare(content: bytes, position: int, marks: Marks) -> tuple[bytes, int]:
    start = position
    while position < len(content) and not content.startswith(marks.delimiter, position):
        byte = content[position : position + 1]
        if marks.grammar and byte == b"\\":
            taken = 2 if content[position + 1 : position + 3] == b"\r\n" else 1
            is_last = content[position + 1 :] in (b"", b"\r", b"\n", b"\r\n")
            position += 1 if is_last else 1 + taken
            continue
        if byte in (b"\r", b"\n") or byte == marks.quote:
            break
        position += 1
    return content[start:position], position


def _value(text: bytes, is_quoted: bool, marks: Marks) -> str | None:
    if marks.grammar:
        return None if text.decode("utf-8", "replace") in marks.nulls else _shown(_meant(text, marks.grammar))
    value = text.decode("utf-8", "replace")
    return None if not is_quoted and value in marks.nulls else value


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _meant(text: bytes, grammar: str) -> bytes:
    """Return what a cell stands for, character by character."""
    single = {"b": 8, "n": 10, "r": 13, "t": 9}
    single |= {"copy": {"f": 12, "v": 11}, "mysql": {"0": 0, "Z": 26}}[grammar]
    found, position = b"", 0
    while position < len(text):
        if text[position : position + 1] != b"\\" or position + 1 == len(text):
            found, position = found + text[position : position + 1], position + 1
            continue
        position += 1
        digits = _digits(text, position, b"01234567", 3)
        hexadecimal = _digits(text, position + 1, b"0123456789abcdefABCDEF", 2)
        if grammar == "copy" and digits:
            found, position = found + bytes([int(digits, 8) % 256]), position + len(digits)
        elif grammar == "copy" and text[position : position + 1] == b"x" and hexadecimal:
            found, position = found + bytes([int(hexadecimal, 16)]), position + 1 + len(hexadecimal)
        else:
            char = text[position : position + 1]
            found += bytes([single[char.decode("latin-1")]]) if char.decode("latin-1") in single else char
            position += 1
    return found


def _digits(text: bytes, position: int, known: bytes, most: int) -> bytes:
    end = position
    while end < len(text) and end < position + most and text[end] in known:
        end += 1
    return text[position:end]


def _decodes(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _line_end(content: bytes, position: int) -> int:
    while position < len(content):
        if content[position : position + 2] == b"\r\n":
            return position + 2
        if content[position : position + 1] in (b"\r", b"\n"):
            return position + 1
        position += 1
    return position


def _line_ends(text: bytes) -> int:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")


def _text(text: bytes) -> bytes:
    return text[: -2 if text.endswith(b"\r\n") else -1] if text[-1:] in (b"\r", b"\n") else text
