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


def test_a_goal_is_a_share_of_another_an_amount_or_so_much_more_for_each(benchmark):
    goals, figures = benchmark("goals"), benchmark("figures")
    rows = [
        {"workload": "copy", "name": "etl", "cpu_seconds": 3.0, "seconds": 9.0, "peak_mb": 300.0},
        {"workload": "copy", "name": "etl", "cpu_seconds": 5.0, "seconds": 1.0, "peak_mb": 500.0},
        {"workload": "copy", "name": "cp", "cpu_seconds": 2.0, "seconds": 1.0, "peak_mb": 100.0},
        {"workload": "twice", "name": "cp", "cpu_seconds": 8.0, "seconds": 1.0, "peak_mb": 100.0},
    ]
    found = figures.medians(rows)

    def value(**asked):
        goal = goals.Goal("copy", 1, **asked)
        return goal.value(found, goal.of)

    assert found["copy", "etl"]["rounds"] == 2
    assert value(other="cp") == 2
    assert value(other="cp", of=goals.WALL) == 5
    assert value(other="cp", beside="twice") == 0.5
    assert value(other="cp", each=1000) == 2
    assert value(of=goals.MEMORY) == 400
    assert value(other="rsync") is None
    assert goals.Goal("else", 1).value(found, goals.CPU) is None


def test_a_small_storm_of_files_publishes_each_complete_one_once(benchmark, tmp_path):
    said = benchmark("watch").storm(tmp_path, 40, 4.0, cool_down=1, seed=3)
    assert said["faults"] == [] and said["complete"] > 20
