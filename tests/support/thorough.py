"""How much is tried: in the suite what takes minutes, with ETL_TEST_EVERY=1 what takes an hour."""

import os

EVERY = bool(os.environ.get("ETL_TEST_EVERY"))


def examples(number: int) -> int:
    """Return how many random examples a test tries."""
    return number * 10 if EVERY else number
