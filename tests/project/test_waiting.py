"""Waiting for a descriptor, whatever its number."""

import os
from pathlib import Path

import pytest

import etl
from etl.project.waiting import is_readable
from tests.support.crowded import crowded


@pytest.fixture
def pipe():
    with crowded():
        ends = list(os.pipe())
        yield ends
        for end in ends:
            os.close(end)


def test_what_is_there_is_told_of_a_descriptor_beyond_1024(pipe):
    read, write = pipe
    assert read > 1024
    assert not is_readable(read, 0)
    os.write(write, b".")
    assert is_readable(read, None)


def test_an_end_is_told_too(pipe):
    os.close(pipe.pop())
    assert is_readable(pipe[0], 60)


def test_no_module_waits_by_select():
    found = [path for path in Path(etl.__file__).parent.rglob("*.py") if "select.select(" in path.read_text()]
    assert found == []
