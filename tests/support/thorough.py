"""How much is tried: in the suite what takes minutes, with ETL_TEST_EVERY=1 what takes hours."""

import os
import random
from collections import defaultdict
from collections.abc import Iterable

import pytest

EVERY = bool(os.environ.get("ETL_TEST_EVERY"))
#: So many cases of a test that is marked as `sampled` are run at least, and one of so many of the others.
AT_LEAST, ONE_OF = 4, 3


def examples(number: int) -> int:
    """Return how many random examples a test tries, of so many that are worth it."""
    return number * 10 if EVERY else max(min(number, 3), number // 3)


def sampled(items: Iterable[pytest.Item], seed: int) -> set[str]:
    """Return the tests to leave out: two thirds of the cases of one marked as `sampled`, others each time."""
    cases: dict[str, list[str]] = defaultdict(list)
    left: set[str] = set()
    for item in items:
        if item.get_closest_marker("sampled"):
            cases[item.nodeid.partition("[")[0]].append(item.nodeid)
    for test, names in cases.items():
        count = min(len(names), max(AT_LEAST, -(-len(names) // ONE_OF)))
        left |= {*names} - {*random.Random(f"{seed} {test}").sample(sorted(names), count)}
    return left
