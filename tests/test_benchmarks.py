"""The guard of a night's work says what grew, and the page of results is what was measured."""

import importlib
import json
from types import ModuleType

import pytest

from tests.support.projects import REPOSITORY


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    def load(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize(
    ("now", "grown"),
    [
        ({"calls": 1100, "flushes": 2}, []),
        ({"calls": 500, "flushes": 0}, []),
        ({"calls": 1103, "flushes": 0}, ["The night 'first' has 1,103 calls, 1,000 before."]),
        ({"calls": 1000, "flushes": 3}, ["The night 'first' has 3 flushes, 0 before."]),
        ({"calls": 1000, "statements": 9}, ["The night 'first' has 9 statements, 0 before."]),
    ],
)
def test_the_guard_names_what_grew_by_more_than_a_tenth(benchmark, now, grown):
    assert benchmark("counts").more({"first": {"calls": 1000, "flushes": 0}}, {"first": now}) == grown


def test_the_guard_counts_the_same_in_every_night(benchmark):
    counts = benchmark("counts")
    known = json.loads(counts.FIGURES.read_text())["nights"]
    assert list(known) == list(counts.NIGHTS)
    assert all(set(counts.COUNTED) <= set(numbers) for numbers in known.values())
    # a night with nothing new does not begin DuckDB
    assert known["nothing new"]["statements of DuckDB"] == 0


def test_the_page_of_results_is_what_was_measured(benchmark):
    bench = benchmark("bench")
    lines = bench.page(json.loads(bench.RECORD.read_text()))
    assert bench.RESULTS.read_text() == "\n".join(lines) + "\n", "type `make bench`"
    assert not any(word in bench.RESULTS.read_text() for word in ("--work", "It failed."))
