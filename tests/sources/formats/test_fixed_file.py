"""Lines of fixed-width files told many at once are what they are one by one."""

import codecs
from pathlib import Path
from random import Random
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import UnreadableError
from etl.sources.formats import FixedWidth, blocks
from etl.sources.formats.arrow_cuts import CutReader
from etl.sources.formats.blocks import in_blocks
from etl.sources.formats.fixed_file import FixedFile
from tests.support.thorough import examples

FORMATS = [
    FixedWidth(columns={"a": (1, 3), "b": (4, 6)}),
    FixedWidth(columns={"a": (1, 3), "b": (4, 6)}, header_lines=2, null=["", "x"], length=[6, 8]),
    FixedWidth(columns={"a": (1, 3), "b": (4, 6)}, trimmed=True, header_lines="^#"),
    FixedWidth(columns={"a": (1, 3), "b": (4, 6)}, strip=False, null=[]),
    FixedWidth(columns={"a": (3, 4), "b": (5, 6)}, record_type=(1, 2), record="01", ignored=["00"]),
    FixedWidth(columns={"a": (3, 4)}, trimmed=["a"], record_type=(1, 2), record="01", trailer=("99", (3, 4))),
]
LINES = [
    *("012345", "  1 2 ", "01  é ", "é😀 345", "", " ", "x", "x  ", "01 ", "01", "0 ", "00", "99 1", "99 2", "#"),
    *("01234567", "0123456", "01\x00345", "01\t345", "012345" * 40, "      ", "e\u0301  x ", "\ufeff12345"),
]


def lines(random: Random, fmt: FixedWidth) -> bytes:
    """A file of such lines, some of them of another shape, and of bytes that are none."""
    found = random.choices(LINES, k=random.choice((0, 3, 20)))
    if fmt.trailer and random.random() < 0.5:
        found = ["01 7", "01 8", "99 2", *found]
    end = random.choice((b"\n", b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\r", b"\r\r\n"))
    data = end.join(line.encode() for line in found) + random.choice((b"", end))
    dirt = random.choice((b"", b"", b"", b"\xff", b"\xc3", codecs.BOM_UTF8, b"\r"))
    at = random.choice((0, random.randint(0, len(data))))
    return data[:at] + dirt + data[at:]


def told(opened: object) -> list[object]:
    """All that a file says of its lines."""
    records = list(opened.everything())
    sound = [fault.place for fault in records if not fault.problem]
    numbers = range(0, len(sound), 2)
    assert list(opened.places(numbers)) == sound[::2]
    counts = [opened.columns, opened.sound, opened.broken, opened.lines, opened.skipped, opened.skips()]
    return [records, list(opened.faults()), sound, *counts]


@given(fmt=st.sampled_from(FORMATS), random=st.randoms(use_true_random=False))
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_told_at_once_are_what_they_are_one_by_one(tmp_path: Path, fmt: FixedWidth, random: Random) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(lines(random, fmt))
    size = random.choice((1, 20, 60, 1000))

    def outcome() -> object:
        try:
            opened = fmt.open(path, [], tmp_path / "scratch")
        except UnreadableError as error:
            return str(error)
        found = told(opened)
        opened.close()
        return found

    with mock.patch.object(FixedWidth, "is_cut_alike", False):
        one_by_one = outcome()
    with mock.patch.object(blocks, "BLOCK_BYTES", size), mock.patch.object(blocks, "COLUMN_BYTES", 0):
        assert outcome() == one_by_one
    assert list(tmp_path.iterdir()) == [path]


def test_cells_are_cut_out_of_lines_of_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text(" é 345\n012  \n😀\n-  1 2\n")
    fmt = FixedWidth(columns={"a": (1, 3), "b": (4, 6)}, trimmed=True, null=["", "-"])
    opened = fmt.open(path, [], tmp_path / "scratch")

    assert isinstance(in_blocks(opened), FixedFile)
    (block,) = opened.blocks()
    cells = CutReader(opened.marks, ["a", "b"], ["a", "b"]).texts(block)
    opened.close()

    assert {name: texts.to_pylist() for name, texts in cells.items()} == {
        "a": ["é", "012", "😀", None],
        "b": ["345", None, None, "1 2"],
    }


def test_a_file_whose_lines_are_known_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("012345\nshort\n" * 3)

    opened = FORMATS[0].open(path, [], tmp_path / "scratch")

    assert {file.name for file in tmp_path.iterdir()} == {"lines.txt", "scratch.broken"}
    assert (opened.sound, opened.broken) == (3, 3)
    opened.close()
    assert [file.name for file in tmp_path.iterdir()] == ["lines.txt"]
