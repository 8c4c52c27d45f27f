"""The bytes of a file: the same as in memory, and an error rather than a dead process if they are cut short."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.sources.formats import file_text
from etl.sources.formats.file_text import FileText
from etl.sources.formats.scanner import Dialect, scan

COMMAS = Dialect(b",", b'"', b"", b"", 2)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(b'1,a\n2,"b\nc"\n3\n4,"x\n5,y\n' * 50)
    return path


@given(start=st.integers(0, 120), size=st.integers(0, 120))
def test_a_slice_is_that_of_the_bytes(tmp_path_factory: pytest.TempPathFactory, start: int, size: int) -> None:
    path = tmp_path_factory.mktemp("content") / "a"
    path.write_bytes(bytes(range(100)))
    with FileText(path) as found:
        assert found[start : start + size] == bytes(range(100))[start : start + size]
        data, base = found.around(start, size)
        assert data[start - base : start - base + size] == bytes(range(100))[start : start + size]
        assert len(found) == 100


def test_a_text_is_found_across_the_segments_that_are_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_text, "_SEGMENT_BYTES", 5)
    with FileText(file) as found:
        assert found.find(b'c"', 0) == file.read_bytes().find(b'c"')
        assert found.find(b"nowhere", 0) == -1


def test_the_records_of_a_file_are_those_of_its_bytes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_text, "_SEGMENT_BYTES", 64)
    data = file.read_bytes()
    with FileText(file) as found:
        items = list(scan(found, 0, len(found), 1, COMMAS))
    assert items == list(scan(data, 0, len(data), 1, COMMAS))


def test_a_file_that_is_cut_short_while_it_is_read_is_an_error(file: Path) -> None:
    with FileText(file) as found:
        file.write_bytes(b"1,a\n")
        with pytest.raises(OSError, match="was cut short while it was read"):
            list(scan(found, 0, len(found), 1, COMMAS))
