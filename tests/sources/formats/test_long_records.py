"""Records longer than usual: broken with a word for the option, or sound where their source allows them."""

from dataclasses import replace

import pytest

from etl.errors import ContractError
from etl.sources.formats import plain
from etl.sources.formats.csv import Csv
from etl.sources.formats.fixed_width import FixedWidth
from tests.sources.formats.conftest import taken_apart
from tests.sources.formats.makers import MAKERS

pytestmark = pytest.mark.sampled

COLUMNS = ["id", "wkt"]
#: Longer than any format takes by itself.
LONG = "0123456789" * 850_000
TEXTS = [name for name, maker in MAKERS.items() if isinstance(maker.fmt(COLUMNS), plain.TextFile)]


def written(name, text=LONG):
    """Return a file with a long record between two others, and its format."""
    if name == "FixedWidth":
        lines = "".join(f"{number:<2}{cell}\n" for number, cell in enumerate(["a", text, "c"], 1))
        return lines.encode(), FixedWidth(columns={"id": (1, 2), "wkt": (3, 2 + len(text))}, trimmed=True)
    maker = MAKERS[name]
    return maker.write(COLUMNS, [[1, "a"], [2, text], [3, "c"]]), maker.fmt(COLUMNS)


@pytest.mark.parametrize("name", TEXTS)
def test_a_long_record_is_broken_alone_unless_its_format_allows_it(tmp_path, name):
    content, fmt = written(name)
    (tmp_path / "a.dat").write_bytes(content)

    opened = fmt.open(tmp_path / "a.dat", COLUMNS, tmp_path / "scratch")
    (fault, *_) = opened.faults()
    opened.close()
    assert "bytes; max_record_bytes= of the format allows more" in fault.problem

    allowing = replace(fmt, max_record_bytes=30_000_000).open(tmp_path / "a.dat", COLUMNS, tmp_path / "scratch")
    found = taken_apart(allowing)
    allowing.close()
    assert [row[0] for row in found.rows] == ["1", "2", "3"]
    assert found.rows[1][1] == LONG
    assert found.broken == []


@pytest.mark.parametrize("size", [8_500_000, 30_000_000])
@pytest.mark.parametrize("name", TEXTS)
def test_a_long_record_is_one_broken_record_and_the_others_are_taken(tmp_path, name, size):
    text = "0123456789" * (size // 10)
    content, fmt = written(name, text)
    (tmp_path / "a.dat").write_bytes(content)

    opened = fmt.open(tmp_path / "a.dat", COLUMNS, tmp_path / "scratch")
    (fault,) = opened.faults()
    rows = taken_apart(opened).rows
    opened.close()

    assert text in fault.place.text
    assert "bytes; max_record_bytes= of the format allows more" in fault.problem
    assert [row[0] for row in rows] == ["1", "3"]


def test_a_long_record_of_several_lines_in_a_dirty_file_keeps_its_text(tmp_path):
    cell = "POLYGON((\n" + LONG + "\n))"
    (tmp_path / "a.csv").write_text(f'id,wkt\n1,"{cell}"\n2,b,surplus\n3,"c"\n')

    opened = Csv(max_record_bytes=10_000_000).open(tmp_path / "a.csv", COLUMNS, tmp_path / "scratch")
    found = taken_apart(opened)

    assert found.rows == [("1", cell), ("3", "c")]
    assert [fault.place.text for fault in opened.faults()] == ["2,b,surplus"]


@pytest.mark.parametrize("most", [0, 999_999, (1 << 28) + 1, "5 MB", None, 2e6 + 0.5])
def test_a_limit_that_memory_does_not_hold_is_refused(most):
    with pytest.raises(ContractError, match=r"is not a number of bytes from 1,000,000 to 268,435,456\."):
        Csv(max_record_bytes=most)


def test_lines_that_end_with_a_carriage_return_alone_are_no_long_record(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"12\r" * 30_000)

    found = list(plain.lines(tmp_path / "a.txt", "\r", most=1_000))

    assert found == [(number, b"12", True) for number in range(1, 30_001)]
